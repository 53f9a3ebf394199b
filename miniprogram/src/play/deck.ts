// The deck: pairs dealt ahead, whose pictures are already on the phone, so that the next pair is there before the finger is up.

import type { ServiceClock } from "@/api/clock";
import type { Matchup, Round, ShownStyle } from "@/api/contract";
import { mayPass, Problem } from "@/api/problem";
import { readMatchup } from "@/api/read";
import { NoNetwork, type Store } from "@/platform/types";

/** A pair whose two pictures are on the phone; the sources are what an image shows. */
export interface Pair {
  matchup: Matchup;
  leftSource: string;
  rightSource: string;
}

export type DeckState = "idle" | "dealing" | "away";

export interface DeckParts {
  deal: (size: number) => Promise<Round>;
  fetchPicture: (url: string) => Promise<string>;
  /** Which address of a style's picture fits this screen. */
  addressOf: (style: ShownStyle) => string;
  online: () => boolean;
  answered: (matchup_id: string) => boolean;
  clock: ServiceClock;
  store: Store;
  onChange?: () => void;
  wanted?: number;
  now?: () => number;
  later?: (callback: () => void, delay_ms: number) => unknown;
}

const WANTED = 10;
const REFILL_AT = 5;
// Time to look and to choose: a pair that ends sooner would only be refused.
const LAST_SECONDS_MS = 20_000;
const ASK_AGAIN_MS = 60_000;

export class Deck {
  /** Pairs that can be shown at once, in the order in which they were dealt. */
  ready: Pair[] = [];
  state: DeckState = "idle";
  /** Why the last deal was empty, until there is something again. */
  reason: string | null = null;
  detail: string | null = null;
  /** Pairs left out because a picture could not be had. */
  skipped = 0;
  /** What last kept the deck from being dealt, for words on the screen. */
  problem: unknown = null;

  private dealt: Matchup[] = [];
  private player_id: string | null = null;
  private askAgainAt = 0;
  private filling: Promise<void> | null = null;
  private fetching: Promise<void> | null = null;

  constructor(private readonly parts: DeckParts) {}

  /** Take up the pairs that this player was dealt and has not answered, perhaps before the app was killed. */
  open(player_id: string): void {
    if (this.player_id === player_id) return;
    this.player_id = player_id;
    this.ready = [];
    this.dealt = this.remembered().filter((one) => this.isGood(one));
    this.reason = null;
    this.askAgainAt = 0;
    this.changed();
  }

  close(): void {
    this.player_id = null;
    this.ready = [];
    this.dealt = [];
    this.reason = null;
    this.changed();
  }

  get current(): Pair | null {
    return this.ready[0] ?? null;
  }

  get next(): Pair | null {
    return this.ready[1] ?? null;
  }

  /** The pair was answered or is not to be shown: on to the next. */
  drop(matchup_id: string): void {
    this.ready = this.ready.filter((one) => one.matchup.matchup_id !== matchup_id);
    this.dealt = this.dealt.filter((one) => one.matchup_id !== matchup_id);
    this.remember();
    this.changed();
    void this.fill();
  }

  /** Leave out what has expired meanwhile, as after a night with the app open. */
  prune(): void {
    const good = this.ready.filter((one) => this.isGood(one.matchup));
    if (good.length === this.ready.length) return;
    this.ready = good;
    this.dealt = this.dealt.filter((one) => this.isGood(one));
    this.remember();
    this.changed();
  }

  /** Deal and fetch until enough is ready. Never rejects: what keeps it is in `problem`, `reason` and `state`. */
  fill(wish: { now?: boolean } = {}): Promise<void> {
    if (wish.now) this.askAgainAt = 0;
    this.filling ??= this.run().finally(() => {
      this.filling = null;
    });
    return this.filling;
  }

  private async run(): Promise<void> {
    const fetched = this.fetchPictures();
    if (this.dealt.length <= REFILL_AT && (this.parts.now ?? Date.now)() >= this.askAgainAt) await this.dealMore();
    await fetched;
    await this.fetchPictures();
  }

  private async dealMore(): Promise<void> {
    this.state = "dealing";
    this.changed();
    const player_id = this.player_id;
    try {
      const wanted = (this.parts.wanted ?? WANTED) - this.dealt.length;
      const round = await this.parts.deal(wanted);
      if (player_id !== this.player_id && player_id !== null) return;
      const fresh = round.matchups.filter((one) => this.isGood(one) && !this.isKnown(one));
      this.dealt.push(...fresh);
      this.reason = round.matchups.length ? null : (round.reason ?? "no_test_open");
      this.detail = round.matchups.length ? null : round.detail;
      // fewer than asked for is all that there is for now
      if (fresh.length < wanted) this.askAgainAt = (this.parts.now ?? Date.now)() + ASK_AGAIN_MS;
      this.problem = null;
      this.state = "idle";
      this.remember();
    } catch (problem) {
      this.problem = problem;
      this.state = problem instanceof NoNetwork || mayPass(problem) ? "away" : "idle";
      const wait_s = problem instanceof Problem ? (problem.retry_after_s ?? 5) : 3;
      this.askAgainAt = (this.parts.now ?? Date.now)() + wait_s * 1000;
      if (this.state === "away") (this.parts.later ?? setTimeout)(() => void this.fill(), wait_s * 1000 + 50);
    }
    this.changed();
  }

  private fetchPictures(): Promise<void> {
    this.fetching ??= this.fetchAll().finally(() => {
      this.fetching = null;
    });
    return this.fetching;
  }

  /** The first pair alone, so that it is soonest there; the others two at a time. */
  private async fetchAll(): Promise<void> {
    const waiting = () => this.dealt.filter((one) => !this.ready.some((pair) => pair.matchup.matchup_id === one.matchup_id));
    if (!this.ready.length) {
      const first = waiting()[0];
      if (first) await this.fetchPair(first);
    }
    const rest = waiting();
    const worker = async () => {
      for (let one = rest.shift(); one; one = rest.shift()) await this.fetchPair(one);
    };
    await Promise.all([worker(), worker()]);
  }

  private async fetchPair(matchup: Matchup): Promise<void> {
    try {
      const [leftSource, rightSource] = await Promise.all([
        this.fetchWithRetry(this.parts.addressOf(matchup.left)),
        this.fetchWithRetry(this.parts.addressOf(matchup.right)),
      ]);
      if (!this.dealt.includes(matchup)) return; // dropped, or another player, while its pictures were under way
      this.ready.push({ matchup, leftSource, rightSource });
      const order = new Map(this.dealt.map((one, index) => [one.matchup_id, index]));
      // the pair on the screen stays where it is; only what is not yet seen is put in order
      const [shown, ...rest] = this.ready;
      rest.sort((a, b) => (order.get(a.matchup.matchup_id) ?? 0) - (order.get(b.matchup.matchup_id) ?? 0));
      this.ready = shown ? [shown, ...rest] : rest;
    } catch {
      // Without a network no picture can be had, and the pair is not to blame: it stays and is tried again.
      if (!this.parts.online()) return;
      this.dealt = this.dealt.filter((one) => one !== matchup);
      this.skipped += 1;
      this.remember();
    }
    this.changed();
  }

  private async fetchWithRetry(url: string): Promise<string> {
    try {
      return await this.parts.fetchPicture(url);
    } catch (problem) {
      if (!this.parts.online()) throw problem;
      return this.parts.fetchPicture(url);
    }
  }

  private isGood(matchup: Matchup): boolean {
    return !this.parts.answered(matchup.matchup_id) && !this.parts.clock.isOver(matchup.expires_at, LAST_SECONDS_MS);
  }

  private isKnown(matchup: Matchup): boolean {
    return this.dealt.some((one) => one.matchup_id === matchup.matchup_id);
  }

  private remember(): void {
    if (this.player_id === null) return;
    this.parts.store.set(`deck.${this.player_id}`, JSON.stringify(this.dealt));
  }

  private remembered(): Matchup[] {
    try {
      const kept: unknown = JSON.parse(this.parts.store.get(`deck.${this.player_id}`) ?? "[]");
      return Array.isArray(kept) ? kept.map(readMatchup).filter((one): one is Matchup => one !== null) : [];
    } catch {
      return [];
    }
  }

  private changed(): void {
    this.parts.onChange?.();
  }
}
