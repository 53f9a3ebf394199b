// Everything that pages share: the service, who plays, the farm, the outbox, the deck, and how the network is.

import { computed, reactive, ref, shallowRef } from "vue";

import { Client } from "@/api/client";
import { ServiceClock } from "@/api/clock";
import type { Farm, FarmChange, Fertilizer, Receipt, ShownStyle } from "@/api/contract";
import { Once, randomKey } from "@/api/once";
import { Problem } from "@/api/problem";
import { readFarm } from "@/api/read";
import { Service } from "@/api/service";
import { deviceId, fetchPicture, forgetGuest, logInCode, NoNetwork, onNetwork, phoneStore, screenFacts, sendHttp, serviceAddress, uploadHttp } from "@/platform";
import { Deck, type Pair } from "@/play/deck";
import { Outbox, type OutboxState, type Waiting } from "@/play/outbox";

import { language } from "./settings";

const clock = new ServiceClock();
export const client = new Client({
  send: sendHttp,
  upload: uploadHttp,
  store: phoneStore,
  clock,
  address: serviceAddress(),
  logInCode,
  device: deviceId,
  language: () => language.value,
});
export const service = new Service(client);
export const once = new Once(phoneStore, randomKey);

// --- network

export const online = ref(true);
/** The last call got no answer although there is a network: the service, or the way to it, is down. */
export const away = ref(false);

/** Runs a call and notes whether the service could be reached. */
export async function reach<T>(call: () => Promise<T>): Promise<T> {
  try {
    const result = await call();
    away.value = false;
    return result;
  } catch (problem) {
    away.value = problem instanceof NoNetwork || (problem instanceof Problem && problem.status >= 500);
    throw problem;
  }
}

// --- farm

export const farm = shallowRef<Farm | null>(null);
export const farmProblem = shallowRef<unknown>(null);

let cachedFor: string | null = null;

function showCachedFarm(player_id: string): void {
  if (cachedFor === player_id) return;
  cachedFor = player_id;
  farm.value = null;
  try {
    const kept = phoneStore.get(`farm.${player_id}`);
    if (kept) farm.value = readFarm(JSON.parse(kept));
  } catch {
    // an old shape: the service will tell
  }
}

let freshest = 0;

/** Fetch the farm; the cached one stays on the screen until then. Never rejects: see `farmProblem`. */
export async function refreshFarm(): Promise<void> {
  const turn = ++freshest;
  try {
    const body = await reach(() => client.call("GET", "/v1/farm"));
    if (turn !== freshest) return; // a newer look is under way or done
    farm.value = readFarm(body);
    farmProblem.value = null;
    if (client.player_id) phoneStore.set(`farm.${client.player_id}`, JSON.stringify(body));
  } catch (problem) {
    if (turn === freshest) farmProblem.value = problem;
  }
}

/** What a write did to the farm. Rejects with what went wrong. */
export async function change(wish: string, write: (key: string) => Promise<FarmChange>): Promise<FarmChange> {
  const done = await reach(() => once.run(wish, write));
  freshest += 1;
  farm.value = done.farm;
  farmProblem.value = null;
  return done;
}

// --- outbox

export interface Told {
  answer: Waiting;
  receipt: Receipt;
}

/** The latest receipt, for the strip under the pictures. */
export const told = shallowRef<Told | null>(null);
export const fertilizer = shallowRef<Fertilizer | null>(null);
export const waitingCount = ref(0);
export const outboxState = ref<OutboxState>("idle");
/** What became of the answers of this round, by matchup. */
export const receipts = reactive(new Map<string, Receipt>());

export const outbox: Outbox = new Outbox({
  store: phoneStore,
  send: (answers) => reach(() => service.answers(answers)),
  onReceipt: (answer, receipt, totals) => {
    receipts.set(answer.matchup_id, receipt);
    told.value = { answer, receipt };
    if (!totals) return;
    fertilizer.value = totals;
    if (farm.value) farm.value = { ...farm.value, ...totals };
  },
  onChange: () => {
    waitingCount.value = outbox.size;
    outboxState.value = outbox.state;
  },
});

// --- deck

export const pairs = shallowRef<readonly Pair[]>([]);
export const deckFacts = shallowRef<Pick<Deck, "state" | "reason" | "detail" | "skipped" | "problem">>({
  state: "idle", reason: null, detail: null, skipped: 0, problem: null,
});

const screen = screenFacts();
// One picture takes a little less than half of the screen.
const pictureWidth_px = (Math.min(screen.width_px, 520) / 2 - 14) * Math.min(screen.pixel_ratio, 2.5);

/** The smallest of a style's pictures that is sharp at this width; the service makes them 360, 720 and 1080 wide. */
export function pictureOf(style: ShownStyle, width_px = pictureWidth_px): string {
  const { small, medium, large } = style.image_urls;
  const chosen = width_px <= 400 ? (small ?? medium ?? large) : width_px <= 800 ? (medium ?? large) : (large ?? medium);
  return absolute(chosen ?? style.image_url);
}

export function largestPicture(style: ShownStyle): string {
  return pictureOf(style, 10_000);
}

/** Mini-programs have no origin of their own to which an address could be relative. */
export function absolute(url: string): string {
  return url.startsWith("/") ? serviceAddress() + url : url;
}

export const deck: Deck = new Deck({
  deal: (size) => reach(() => service.round(size)),
  fetchPicture,
  addressOf: pictureOf,
  online: () => online.value,
  answered: (matchup_id) => outbox.has(matchup_id) || receipts.has(matchup_id),
  clock,
  store: phoneStore,
  onChange: () => {
    pairs.value = deck.ready;
    deckFacts.value = { state: deck.state, reason: deck.reason, detail: deck.detail, skipped: deck.skipped, problem: deck.problem };
  },
});

export const farmIsStale = computed(() => farm.value !== null && farmProblem.value !== null);

// --- beginning

function enter(player_id: string): void {
  showCachedFarm(player_id);
  outbox.open(player_id);
  deck.open(player_id);
  void outbox.flush(); // what was answered before the app was killed
}

let begun = false;

/** Called once when the app is launched: what is on the phone is shown at once, then the service is asked. */
export function begin(): void {
  if (begun) return;
  begun = true;
  client.onLogIn(enter);
  if (client.player_id) enter(client.player_id);
  // log-in and first deal are under way while the first page is still being fetched; who needs them waits for these
  client.open().then(() => deck.fill(), () => undefined);
  onNetwork((now) => {
    const back = now && !online.value;
    online.value = now;
    if (back) comeBack();
  });
}

/** The app came to the front, or the network came back: send what waits, look again, deal again. */
export function comeBack(): void {
  deck.prune();
  void outbox.flush();
  void refreshFarm();
  void deck.fill({ now: deck.state === "away" });
}

/** After the account was deleted: nothing of this player stays on the phone, and the next call is another player's. */
export function forgetPlayer(): void {
  const player_id = client.player_id;
  for (const key of phoneStore.keys()) if (player_id && key.includes(player_id)) phoneStore.remove(key);
  client.forget();
  forgetGuest();
  outbox.close();
  deck.close();
  receipts.clear();
  told.value = null;
  fertilizer.value = null;
  farm.value = null;
  cachedFor = null;
}
