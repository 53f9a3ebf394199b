// The phone: the only door through which the client asks its platform for anything.

import type { PlatformName } from "./types";

export { sendHttp } from "./http";
export { deviceId, forgetGuest, logInCode } from "./login";
export { fetchPicture } from "./pictures";
export {
  buzz,
  copyText,
  dressPage,
  go,
  goBack,
  handOver,
  isPressKey,
  onNetwork,
  onSurroundingsChange,
  screenFacts,
  ticks_ms,
  type PagePath,
} from "./screen";
export { shareCard, shareNow } from "./share";
export { phoneStore } from "./store";
export { NoNetwork } from "./types";
export type { HttpAnswer, HttpRequest, LogInCode, PlatformName, ScreenFacts, Send, Store } from "./types";

export function platformName(): PlatformName {
  // #ifdef MP-WEIXIN
  return "wechat";
  // #endif
  // #ifdef MP-ALIPAY
  return "alipay";
  // #endif
  // #ifdef H5
  return "h5";
  // #endif
}

/** Where the service is: the page's own origin on the web, a build-time address elsewhere. No slash at the end. */
export function serviceAddress(): string {
  return (import.meta.env.VITE_SERVICE ?? "").replace(/\/+$/, "");
}
