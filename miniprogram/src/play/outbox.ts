// The outbox: answers kept on the phone until the service has given a receipt for each.
//
// Every answer lies in storage under a key of its own, so that putting one is one small write, a killed app loses nothing,
// and two windows of the same browser cannot overwrite each other's. Sending twice is harmless: the service counts a ticket
// once. So the rule is simple: send everything that lies here, remove exactly what a receipt names, and try again otherwise.

import type { Answer, AnswersReply, ChoiceWord, Receipt } from "@/api/contract";
import { mayPass, Problem } from "@/api/problem";
import type { Store } from "@/platform/types";

export interface Waiting {
  matchup_id: string;
  ticket: string;
  choice: ChoiceWord;
  took_ms: number;
  why: string[];
  /** Order of putting, for sending the oldest first; not a time that anyone decides by. */
  put_at: number;
}

export type OutboxState = "idle" | "sending" | "waiting";

export interface OutboxParts {
  store: Store;
  send: (answers: Answer[]) => Promise<AnswersReply>;
  /** After each receipt, in the order of the batch; `null` totals when the service refused the answer as a whole. */
  onReceipt: (answer: Waiting, receipt: Receipt, totals: AnswersReply["fertilizer"] | null) => void;
  onChange?: () => void;
  now?: () => number;
  chance?: () => number;
  later?: (callback: () => void, delay_ms: number) => unknown;
  cancel?: (handle: unknown) => void;
}

const BATCH = 20;
const FIRST_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 60_000;

export class Outbox {
  state: OutboxState = "idle";
  private player_id: string | null = null;
  private failures = 0;
  private timer: unknown = null;
  private again = false;
  private flushing: Promise<void> | null = null;
  /** Only while storage refuses: better to lose these with the app than at once. */
  private readonly unstored = new Map<string, Waiting>();

  constructor(private readonly parts: OutboxParts) {}

  /** Whose answers are sent: tickets of one player are worth nothing in the hands of another. */
  open(player_id: string): void {
    if (this.player_id === player_id) return;
    this.player_id = player_id;
    this.unstored.clear();
    this.failures = 0;
    this.parts.onChange?.();
  }

  /** Nobody plays: nothing is sent, and nothing more is kept. */
  close(): void {
    this.player_id = null;
    this.unstored.clear();
    this.cancelTimer();
    this.become("idle");
    this.parts.onChange?.();
  }

  get size(): number {
    return this.waiting().length;
  }

  has(matchup_id: string): boolean {
    return this.waiting().some((one) => one.matchup_id === matchup_id);
  }

  /** Keep an answer and send it soon. A second answer to the same matchup is a double tap: the first stands. */
  put(answer: Omit<Waiting, "put_at">): boolean {
    if (this.player_id === null || this.has(answer.matchup_id)) return false;
    const waiting: Waiting = { ...answer, put_at: (this.parts.now ?? Date.now)() };
    if (!this.parts.store.set(this.key(answer.matchup_id), JSON.stringify(waiting))) {
      this.unstored.set(answer.matchup_id, waiting);
    }
    this.parts.onChange?.();
    void this.flush();
    return true;
  }

  /** Send all that waits, now: called on each answer, when the network comes back, when the app is opened. */
  flush(): Promise<void> {
    this.cancelTimer();
    if (this.flushing) {
      // what was put meanwhile goes with the next batch of the running flush
      this.again = true;
      return this.flushing;
    }
    this.flushing = this.run().finally(() => {
      this.flushing = null;
    });
    return this.flushing;
  }

  private async run(): Promise<void> {
    do {
      this.again = false;
      for (;;) {
        const batch = this.waiting().slice(0, BATCH);
        if (!batch.length) break;
        this.become("sending");
        const passed = await this.sendBatch(batch);
        if (!passed) return;
      }
    } while (this.again);
    this.become("idle");
  }

  /** Whether to go on with the next batch; when not, a timer is set. */
  private async sendBatch(batch: Waiting[]): Promise<boolean> {
    const player_id = this.player_id;
    try {
      const reply = await this.parts.send(batch.map(toAnswer));
      if (player_id !== this.player_id) return true; // another player logged in meanwhile: these receipts were for other tickets
      const settled = this.settle(batch, reply);
      this.failures = 0;
      // a reply that names none of our answers would be asked for again and again without a pause
      return settled > 0 ? true : this.wait(null);
    } catch (problem) {
      if (problem instanceof Problem && !mayPass(problem) && problem.status !== 401) {
        if (batch.length > 1) {
          // one bad answer must not hold up the others: send them one by one
          for (const one of batch) if (!(await this.sendBatch([one]))) return false;
          return true;
        }
        this.giveUp(batch[0]!, problem);
        return true;
      }
      return this.wait(problem instanceof Problem ? problem.retry_after_s : null);
    }
  }

  private settle(batch: Waiting[], reply: AnswersReply): number {
    const byId = new Map(batch.map((one) => [one.matchup_id, one]));
    let settled = 0;
    reply.receipts.forEach((receipt, index) => {
      // an unreadable ticket has no matchup id; receipts come in the order of the answers
      const answer = receipt.matchup_id ? byId.get(receipt.matchup_id) : reply.receipts.length === batch.length ? batch[index] : undefined;
      if (!answer) return;
      settled += 1;
      this.remove(answer.matchup_id);
      this.parts.onReceipt(answer, receipt, reply.fertilizer);
    });
    this.parts.onChange?.();
    return settled;
  }

  private giveUp(answer: Waiting, problem: Problem): void {
    this.remove(answer.matchup_id);
    const receipt: Receipt = {
      matchup_id: answer.matchup_id, status: "refused", code: problem.code, grant_g: 0, detail: problem.detail, agreement: null,
    };
    this.parts.onReceipt(answer, receipt, null);
    this.parts.onChange?.();
  }

  private wait(retry_after_s: number | null): false {
    this.failures += 1;
    const most = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(this.failures - 1, 10));
    // half fixed, half chance: phones that lost the same server do not all come back in the same second
    const chosen_ms = most / 2 + (most / 2) * (this.parts.chance ?? Math.random)();
    const delay_ms = Math.max(chosen_ms, (retry_after_s ?? 0) * 1000);
    this.become("waiting");
    this.cancelTimer();
    this.timer = (this.parts.later ?? setTimeout)(() => {
      this.timer = null;
      void this.flush();
    }, delay_ms);
    return false;
  }

  private waiting(): Waiting[] {
    if (this.player_id === null) return [];
    const found = [...this.unstored.values()];
    const prefix = this.key("");
    for (const key of this.parts.store.keys()) {
      if (!key.startsWith(prefix)) continue;
      const one = readWaiting(this.parts.store.get(key));
      if (one) found.push(one);
      else this.parts.store.remove(key); // half written when the app was killed: there is no ticket in it to send
    }
    return found.sort((a, b) => a.put_at - b.put_at);
  }

  private remove(matchup_id: string): void {
    this.unstored.delete(matchup_id);
    this.parts.store.remove(this.key(matchup_id));
  }

  private key(matchup_id: string): string {
    return `outbox.${this.player_id}.${matchup_id}`;
  }

  private cancelTimer(): void {
    if (this.timer === null) return;
    (this.parts.cancel ?? ((handle) => clearTimeout(handle as number)))(this.timer);
    this.timer = null;
  }

  private become(state: OutboxState): void {
    if (this.state === state) return;
    this.state = state;
    this.parts.onChange?.();
  }
}

function toAnswer({ ticket, choice, took_ms, why }: Waiting): Answer {
  return why.length ? { ticket, choice, took_ms, why } : { ticket, choice, took_ms };
}

function readWaiting(kept: string | null): Waiting | null {
  if (!kept) return null;
  try {
    const one = JSON.parse(kept) as Partial<Waiting>;
    if (typeof one.matchup_id !== "string" || typeof one.ticket !== "string" || typeof one.choice !== "string") return null;
    return {
      matchup_id: one.matchup_id,
      ticket: one.ticket,
      choice: one.choice,
      took_ms: typeof one.took_ms === "number" ? one.took_ms : 0,
      why: Array.isArray(one.why) ? one.why : [],
      put_at: typeof one.put_at === "number" ? one.put_at : 0,
    };
  } catch {
    return null;
  }
}
