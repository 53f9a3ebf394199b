// The round of five that is being played: it goes on where it was left.

import { computed, reactive } from "vue";

import type { ChoiceWord, Matchup } from "@/api/contract";

import { receipts } from "./orchard";

export const ROUND_SIZE = 5;

export interface Played {
  matchup: Matchup;
  choice: ChoiceWord;
  source: string | null;
}

export const played = reactive<Played[]>([]);

export const isRoundOver = computed(() => played.length >= ROUND_SIZE);

/** Grams of this round that have a receipt, and answers that have none yet. */
export const roundSum = computed(() => {
  let earned_g = 0;
  let unknown = 0;
  for (const one of played) {
    const receipt = receipts.get(one.matchup.matchup_id);
    if (!receipt) unknown += 1;
    else if (receipt.status !== "refused") earned_g += receipt.grant_g;
  }
  return { earned_g, unknown };
});

export function beginRound(): void {
  played.splice(0, played.length);
}
