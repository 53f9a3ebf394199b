// Sharing: what each platform's own share sheet is told; on the web the browser's, or a copied link.

import { copyText } from "./screen";

export interface Shared {
  title: string;
  path: string;
}

/** For the pages' onShareAppMessage: the same words for every platform. */
export function shareCard(title: string): Shared {
  return { title, path: "/pages/orchard/index" };
}

/** Where a button can open the share sheet by itself; elsewhere the button carries open-type="share". */
export async function shareNow(title: string): Promise<"shared" | "copied" | "failed"> {
  // #ifdef H5
  const url = location.href.split("#")[0] ?? location.href;
  if (typeof navigator.share === "function") {
    try {
      await navigator.share({ title, url });
      return "shared";
    } catch {
      return "failed"; // closed by the player
    }
  }
  return (await copyText(`${title} ${url}`)) ? "copied" : "failed";
  // #endif
  // #ifndef H5
  return Promise.resolve(title ? "shared" : "failed");
  // #endif
}
