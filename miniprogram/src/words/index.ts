// The words of the chosen language, and a sentence for everything that can go wrong.

import { Problem } from "@/api/problem";
import { Unreadable } from "@/api/read";
import { NoNetwork } from "@/platform/types";

import { en } from "./en";
import { zh, type Words } from "./zh";

export type { Words };
export { day, grams, moment, percentOfPermille } from "./figures";

export type Language = "zh" | "en";

export function wordsOf(language: Language): Words {
  return language === "en" ? en : zh;
}

/** Chinese unless the phone clearly speaks something else. */
export function languageOf(tag: string): Language {
  return /^en\b/i.test(tag) ? "en" : "zh";
}

/** Our own words for a code where we have them, else the service's sentence, else a plain apology. */
export function sayProblem(words: Words, problem: unknown): string {
  if (problem instanceof NoNetwork) return words.problems["no_network"]!;
  if (problem instanceof Unreadable) return words.problems["unreadable"]!;
  if (problem instanceof Problem) return sayCode(words, problem.code, problem.detail);
  return words.problems["unknown"]!;
}

export function sayCode(words: Words, code: string | null, detail: string | null): string {
  return (code && words.problems[code]) || detail || words.problems["unknown"]!;
}
