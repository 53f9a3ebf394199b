// The phone: the only door through which the client asks its platform for anything.

import type { PlatformName } from "./types";

export { sendHttp, uploadHttp } from "./http";
export { deviceId, forgetGuest, logInCode } from "./login";
export { fetchPicture, pickPicture } from "./pictures";
export {
  buzz,
  copyText,
  dressPage,
  go,
  goBack,
  handOver,
  isPressKey,
  onEscape,
  onNetwork,
  onSurroundingsChange,
  screenFacts,
  ticks_ms,
  type PagePath,
} from "./screen";
export { shareCard, shareNow, sharedAs, type Shared } from "./share";
export { phoneStore } from "./store";
export { NoNetwork } from "./types";
export type { HttpAnswer, HttpRequest, LogInCode, PickedPicture, PlatformName, ScreenFacts, Send, Store, Upload } from "./types";

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
