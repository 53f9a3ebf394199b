// Sharing: what each platform's own share sheet is told; on the web the browser's, or a copied link.

import { copyText } from "./screen";

export interface Shared {
  title: string;
  path: string;
}

const PATH = "/pages/orchard/index";

/** For the pages' onShareAppMessage: the same words for every platform. `query` begins with a question mark, or is empty. */
export function shareCard(title: string, query = ""): Shared {
  return { title, path: PATH + query };
}

/** Which button of the page opened the share sheet; empty for the platform's own menu. */
export function sharedAs(options: unknown): string {
  const target = (options as { target?: { dataset?: { what?: unknown } } | null } | undefined)?.target;
  const what = target?.dataset?.what;
  return typeof what === "string" ? what : "";
}

/** Where a button can open the share sheet by itself; elsewhere the button carries open-type="share". */
export async function shareNow({ title, path }: Shared): Promise<"shared" | "copied" | "failed"> {
  // #ifdef H5
  const url = `${location.href.split("#")[0]}#${path}`;
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
  return Promise.resolve(title && path ? "shared" : "failed");
  // #endif
}
