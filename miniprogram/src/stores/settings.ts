// What the player has set for this phone: look, size, motion, language; and how the phone's own wishes are followed.

import { computed, reactive, ref } from "vue";

import { onSurroundingsChange, phoneStore, screenFacts } from "@/platform";
import { languageOf, wordsOf, type Language } from "@/words";

export interface Settings {
  theme: "auto" | "light" | "dark";
  elder: boolean;
  motion: "auto" | "off";
  language: "auto" | Language;
  chips: boolean;
}

function remembered(): Settings {
  const standard: Settings = { theme: "auto", elder: false, motion: "auto", language: "auto", chips: true };
  try {
    const kept = JSON.parse(phoneStore.get("settings") ?? "{}") as Partial<Settings>;
    return {
      theme: kept.theme === "light" || kept.theme === "dark" ? kept.theme : "auto",
      elder: kept.elder === true,
      motion: kept.motion === "off" ? "off" : "auto",
      language: kept.language === "zh" || kept.language === "en" ? kept.language : "auto",
      chips: kept.chips !== false,
    };
  } catch {
    return standard;
  }
}

export const settings = reactive(remembered());
const screen = ref(screenFacts());
onSurroundingsChange(() => {
  screen.value = screenFacts();
});

export function set<K extends keyof Settings>(name: K, value: Settings[K]): void {
  settings[name] = value;
  phoneStore.set("settings", JSON.stringify(settings));
}

export const isDark = computed(() => settings.theme === "dark" || (settings.theme === "auto" && screen.value.dark));
export const isStill = computed(() => settings.motion === "off" || screen.value.less_motion);
export const language = computed<Language>(() => (settings.language === "auto" ? languageOf(screen.value.language) : settings.language));

/** The words of the chosen language. */
export const words = computed(() => wordsOf(language.value));

/** Classes of a page's root. */
export const look = computed(() => [isDark.value ? "night" : "day", { elder: settings.elder, still: isStill.value }]);

export const background = computed(() => (isDark.value ? "#141b18" : "#fbf7ef"));
