// One short message at the foot of the screen, said once.

import { ref } from "vue";

export const message = ref("");
let timer: ReturnType<typeof setTimeout> | null = null;

export function say(text: string, for_ms = 2_600): void {
  message.value = text;
  if (timer) clearTimeout(timer);
  timer = setTimeout(() => {
    message.value = "";
  }, for_ms);
}
