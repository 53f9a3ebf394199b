// Texts that outlive the app, in the platform's synchronous storage.

import type { Store } from "./types";

const PREFIX = "xuankuan.";

export const phoneStore: Store = {
  get(key) {
    try {
      const value: unknown = uni.getStorageSync(PREFIX + key);
      return typeof value === "string" && value !== "" ? value : null;
    } catch {
      return null;
    }
  },
  set(key, value) {
    try {
      // WeChat and browsers throw where the phone is full; Alipay returns an error instead
      const said = uni.setStorageSync(PREFIX + key, value) as unknown as { error?: unknown } | undefined;
      return !said?.error;
    } catch {
      return false; // full, or storage is off in this browser
    }
  },
  remove(key) {
    try {
      uni.removeStorageSync(PREFIX + key);
    } catch {
      // what could not be removed will be tried again
    }
  },
  keys() {
    try {
      return uni
        .getStorageInfoSync()
        .keys.filter((key) => key.startsWith(PREFIX))
        .map((key) => key.slice(PREFIX.length));
    } catch {
      return [];
    }
  },
};
