// One key for one wish: a write that got no answer is sent again under the same key, so that it can count only once.

import type { Store } from "@/platform/types";

import { mayPass, Problem } from "./problem";

export class Once {
  constructor(
    private readonly store: Store,
    private readonly makeKey: () => string,
    private readonly now: () => number = Date.now,
  ) {}

  /** Runs `write` under the key of this wish; the key is forgotten once the service has decided, for or against. */
  async run<T>(wish: string, write: (key: string) => Promise<T>): Promise<T> {
    const name = `wish.${wish}`;
    const [kept, since] = (this.store.get(name) ?? "").split("@");
    // after a quarter of an hour the same tap is a new wish
    const fresh = Math.abs(this.now() - Number(since)) < 900_000;
    const key = kept && fresh ? kept : this.makeKey();
    this.store.set(name, `${key}@${this.now()}`);
    try {
      const result = await write(key);
      this.store.remove(name);
      return result;
    } catch (problem) {
      if (problem instanceof Problem && !mayPass(problem)) this.store.remove(name);
      throw problem;
    }
  }
}

export function randomKey(): string {
  const hex = () => Math.floor(Math.random() * 0x100000000).toString(16).padStart(8, "0");
  return `${hex()}${hex()}${hex()}${hex()}`;
}
