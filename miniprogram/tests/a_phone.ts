// The phone and the service as tests see them: storage in a map, time and chance by hand, a service that is a function.

import type { HttpAnswer, HttpRequest, Store } from "@/platform/types";
import { NoNetwork } from "@/platform/types";
import type { AnswersReply, Answer, Matchup, Receipt } from "@/api/contract";

export class MapStore implements Store {
  readonly kept = new Map<string, string>();
  full = false;

  get(key: string): string | null {
    return this.kept.get(key) ?? null;
  }

  set(key: string, value: string): boolean {
    if (this.full) return false;
    this.kept.set(key, value);
    return true;
  }

  remove(key: string): void {
    this.kept.delete(key);
  }

  keys(): string[] {
    return [...this.kept.keys()];
  }
}

/** Timers that run when told to. */
export class Hands {
  now = 1_000_000;
  private readonly timers = new Map<number, { at: number; callback: () => void }>();
  private count = 0;

  readonly later = (callback: () => void, delay_ms: number): unknown => {
    this.count += 1;
    this.timers.set(this.count, { at: this.now + delay_ms, callback });
    return this.count;
  };

  readonly cancel = (handle: unknown): void => {
    this.timers.delete(handle as number);
  };

  get waits_ms(): number[] {
    return [...this.timers.values()].map((one) => one.at - this.now).sort((a, b) => a - b);
  }

  async pass(ms: number): Promise<void> {
    this.now += ms;
    for (const [handle, timer] of [...this.timers]) {
      if (timer.at > this.now) continue;
      this.timers.delete(handle);
      timer.callback();
    }
    await settled();
  }
}

/** Until everything that was under way has been awaited. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 30; i++) await Promise.resolve();
  await new Promise((resolve) => setImmediate(resolve));
  for (let i = 0; i < 30; i++) await Promise.resolve();
}

export function a_matchup(id: string, changes: Partial<Matchup> = {}): Matchup {
  const style = (side: string) => ({ style_id: `${side}-${id}`, title: side, image_url: `/media/${side}-${id}.webp`, image_urls: {} });
  return {
    matchup_id: id, ticket: `t.${id}`, question: "?", left: style("left"), right: style("right"), offer_g: 10,
    expires_at: "2099-01-01T00:00:00Z", ...changes,
  };
}

export function a_receipt(matchup_id: string | null, changes: Partial<Receipt> = {}): Receipt {
  return { matchup_id, status: "counted", code: null, grant_g: 10, detail: null, agreement: 700, ...changes };
}

/** A service that counts each ticket once, as the real one does, and can be made to fail on the way in or on the way out. */
export class AnswerService {
  readonly counted = new Map<string, string>();
  readonly batches: string[][] = [];
  loseRequests = 0;
  loseReplies = 0;
  problems: unknown[] = [];
  gate: Promise<void> | null = null;

  readonly send = async (answers: Answer[]): Promise<AnswersReply> => {
    this.batches.push(answers.map((one) => one.ticket));
    if (this.gate) await this.gate;
    const problem = this.problems.shift();
    if (problem) throw problem as Error;
    if (this.loseRequests-- > 0) throw new NoNetwork("lost on the way in");
    this.loseRequests = Math.max(0, this.loseRequests);
    const receipts = answers.map((one) => {
      const repeated = this.counted.has(one.ticket);
      if (!repeated) this.counted.set(one.ticket, one.choice);
      return a_receipt(one.ticket.slice(2), { status: repeated ? "repeated" : "counted" });
    });
    if (this.loseReplies-- > 0) throw new NoNetwork("lost on the way out");
    this.loseReplies = Math.max(0, this.loseReplies);
    return { receipts, fertilizer: { available_g: this.counted.size * 10, held_g: 0 } };
  };
}

export function an_answer(status: number, body: unknown, headers: Record<string, string> = {}): HttpAnswer {
  return { status, body, headers };
}

export type Handler = (request: HttpRequest) => HttpAnswer | Promise<HttpAnswer>;
