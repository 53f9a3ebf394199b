// Who is holding the phone: the platform's one-time code, or a secret of this browser's own for a guest.

import { phoneStore } from "./store";
import { NoNetwork, type LogInCode } from "./types";

/** A name for this phone that stays: tickets are bound to it. */
export function deviceId(): string {
  return kept("device", "d-");
}

export function logInCode(): Promise<LogInCode> {
  // #ifdef MP-WEIXIN
  return new Promise((resolve, reject) => {
    uni.login({
      provider: "weixin",
      success: (answer) => resolve({ platform: "wechat", code: answer.code }),
      fail: (problem: { errMsg?: string }) => reject(new NoNetwork(problem.errMsg ?? "login failed")),
    });
  });
  // #endif
  // #ifdef MP-ALIPAY
  return new Promise((resolve, reject) => {
    my.getAuthCode({
      scopes: "auth_base", // asks the user for nothing
      success: (answer: { authCode: string }) => resolve({ platform: "alipay", code: answer.authCode }),
      fail: (problem: { errorMessage?: string }) => reject(new NoNetwork(problem.errorMessage ?? "login failed")),
    });
  });
  // #endif
  // #ifdef H5
  return Promise.resolve({ platform: "guest", code: kept("guest", "g-") });
  // #endif
}

/** After the player deleted the account: this browser is a new guest on a new phone. */
export function forgetGuest(): void {
  phoneStore.remove("guest");
  phoneStore.remove("device");
}

const inMemory: Record<string, string> = {};

function kept(key: string, prefix: string): string {
  // kept in memory too: where storage is off, one visit is at least one player
  const found = phoneStore.get(key) ?? inMemory[key];
  if (found) return found;
  const made = prefix + randomHex(16);
  inMemory[key] = made;
  phoneStore.set(key, made);
  return made;
}

function randomHex(bytes: number): string {
  const values = new Uint8Array(bytes);
  if (typeof crypto !== "undefined" && typeof crypto.getRandomValues === "function") crypto.getRandomValues(values);
  else for (let i = 0; i < bytes; i++) values[i] = Math.floor(Math.random() * 256);
  return Array.from(values, (value) => value.toString(16).padStart(2, "0")).join("");
}
