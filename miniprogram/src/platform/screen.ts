// The screen and its surroundings: size, night, motion, network, titles, moving between pages, short messages.

import type { ScreenFacts } from "./types";

/** For calls whose failure changes nothing, such as a second press that opens a page which is opening already. */
function quietly(done: unknown): void {
  Promise.resolve(done).catch(() => undefined);
}

export function screenFacts(): ScreenFacts {
  // #ifdef H5
  return {
    width_px: window.innerWidth,
    pixel_ratio: window.devicePixelRatio || 1,
    dark: matches("(prefers-color-scheme: dark)"),
    less_motion: matches("(prefers-reduced-motion: reduce)"),
    language: navigator.language,
  };
  // #endif
  // #ifndef H5
  const facts = uni.getSystemInfoSync();
  return {
    width_px: facts.windowWidth,
    pixel_ratio: facts.pixelRatio,
    dark: facts.theme === "dark",
    less_motion: false,
    language: facts.language || "zh-CN",
  };
  // #endif
}

// #ifdef H5
function matches(query: string): boolean {
  return typeof window.matchMedia === "function" && window.matchMedia(query).matches;
}
// #endif

/** Calls back when day and night change places, or the wish for less motion changes. */
export function onSurroundingsChange(callback: () => void): void {
  // #ifdef H5
  for (const query of ["(prefers-color-scheme: dark)", "(prefers-reduced-motion: reduce)"]) {
    window.matchMedia?.(query).addEventListener?.("change", callback);
  }
  // #endif
  // #ifdef MP-WEIXIN
  uni.onThemeChange(callback);
  // #endif
}

/** Whether there is a network now, then on each change. A network is not a server: requests may fail all the same. */
export function onNetwork(callback: (online: boolean) => void): void {
  // #ifdef H5
  callback(navigator.onLine);
  window.addEventListener("online", () => callback(true));
  window.addEventListener("offline", () => callback(false));
  // #endif
  // #ifndef H5
  uni.getNetworkType({ success: (answer) => callback(answer.networkType !== "none") });
  uni.onNetworkStatusChange((answer) => callback(answer.isConnected));
  // #endif
}

export interface Dress {
  title: string;
  language: "zh" | "en";
  dark: boolean;
  background: string;
}

/** Gives what is outside the page, its title bar and what shows when it is pulled, the page's own look. */
export function dressPage(dress: Dress): void {
  // #ifdef H5
  document.title = dress.title;
  document.documentElement.lang = dress.language === "zh" ? "zh-CN" : "en";
  document.documentElement.style.background = dress.background;
  document.documentElement.style.colorScheme = dress.dark ? "dark" : "light";
  // #endif
  // #ifndef H5
  quietly(uni.setNavigationBarTitle({ title: dress.title }));
  quietly(uni.setNavigationBarColor({ frontColor: dress.dark ? "#ffffff" : "#000000", backgroundColor: dress.background }));
  // #endif
  // #ifdef MP-WEIXIN
  quietly(uni.setBackgroundColor({ backgroundColor: dress.background, backgroundColorTop: dress.background, backgroundColorBottom: dress.background }));
  // #endif
}

export type PagePath = "orchard" | "play" | "taste" | "me" | "wallet" | "prizes" | "address" | "appeals" | "rules" | "privacy" | "settings";

const HUBS: readonly PagePath[] = ["orchard", "taste", "me"];

export function go(page: PagePath, query = ""): void {
  const url = `/pages/${page}/index${query}`;
  // hubs replace one another, so that the way back never grows longer than hub and page
  quietly(HUBS.includes(page) ? uni.reLaunch({ url }) : uni.navigateTo({ url }));
}

export function goBack(): void {
  quietly(getCurrentPages().length > 1 ? uni.navigateBack() : uni.reLaunch({ url: "/pages/orchard/index" }));
}

export function copyText(text: string): Promise<boolean> {
  return new Promise((resolve) => {
    uni.setClipboardData({ data: text, showToast: false, success: () => resolve(true), fail: () => resolve(false) });
  });
}

export function buzz(): void {
  // #ifndef H5
  uni.vibrateShort({ fail: () => undefined });
  // #endif
}

/** Hands a file of text to the player: a download on the web; where pages may not write files, onto the clipboard. */
export async function handOver(name: string, text: string): Promise<"file" | "clipboard" | "failed"> {
  // #ifdef H5
  const address = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
  return "file";
  // #endif
  // #ifndef H5
  return (await copyText(text)) ? "clipboard" : "failed";
  // #endif
}

/** On the web, whether a tap of the Enter or the space key meant this element. */
export function isPressKey(event: unknown): boolean {
  const key = (event as { key?: string }).key;
  if (key !== "Enter" && key !== " ") return false;
  (event as { preventDefault?: () => void }).preventDefault?.();
  return true;
}

/** Calls back when the Escape key is pressed, where there are keys; returns what ends it. */
export function onEscape(callback: () => void): () => void {
  // #ifdef H5
  const listen = (event: KeyboardEvent) => {
    if (event.key === "Escape") callback();
  };
  window.addEventListener("keydown", listen);
  return () => window.removeEventListener("keydown", listen);
  // #endif
  // #ifndef H5
  return () => void callback;
  // #endif
}

/** Milliseconds that only ever grow, whatever happens to the phone's clock. */
export function ticks_ms(): number {
  return typeof performance !== "undefined" && typeof performance.now === "function" ? performance.now() : Date.now();
}
