// Something that a page fetches: what came, what went wrong, and doing it again.

import { ref, shallowRef, type Ref, type ShallowRef } from "vue";

import { reach } from "./orchard";

export interface Loaded<T> {
  value: ShallowRef<T | null>;
  problem: ShallowRef<unknown>;
  busy: Ref<boolean>;
  load: () => Promise<void>;
}

export function loading<T>(fetch: () => Promise<T>): Loaded<T> {
  const value = shallowRef<T | null>(null);
  const problem = shallowRef<unknown>(null);
  const busy = ref(false);
  let turn = 0;
  async function load(): Promise<void> {
    const mine = ++turn;
    busy.value = true;
    try {
      const found = await reach(fetch);
      if (mine !== turn) return;
      value.value = found;
      problem.value = null;
    } catch (error) {
      if (mine === turn) problem.value = error;
    } finally {
      if (mine === turn) busy.value = false;
    }
  }
  return { value, problem, busy, load };
}
