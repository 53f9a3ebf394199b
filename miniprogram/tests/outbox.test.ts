// Laws of the outbox: nothing answered is lost, nothing counts twice, and a server in trouble is left in peace.

import { describe, expect, test } from "vitest";

import { Problem } from "@/api/problem";
import type { Receipt } from "@/api/contract";
import { Outbox, type Waiting } from "@/play/outbox";

import { AnswerService, Hands, MapStore, settled } from "./a_phone";

function an_outbox({ store = new MapStore(), service = new AnswerService(), hands = new Hands(), player = "p1" } = {}) {
  const receipts: { answer: Waiting; receipt: Receipt }[] = [];
  const outbox = new Outbox({
    store, send: service.send, later: hands.later, cancel: hands.cancel, chance: () => 0.5, now: () => hands.now++,
    onReceipt: (answer, receipt) => receipts.push({ answer, receipt }),
  });
  outbox.open(player);
  return { outbox, store, service, hands, receipts };
}

function put(outbox: Outbox, id: string, choice: Waiting["choice"] = "left"): boolean {
  return outbox.put({ matchup_id: id, ticket: `t.${id}`, choice, took_ms: 900, why: [] });
}

describe("the outbox", () => {
  test("an answer is on the phone before it is sent, and gone when its receipt arrives", async () => {
    const { outbox, store, service } = an_outbox();
    let open = () => {};
    service.gate = new Promise((resolve) => (open = resolve));
    put(outbox, "a");
    expect([...store.kept.keys()]).toEqual(["outbox.p1.a"]);
    open();
    await settled();
    expect(store.kept.size).toBe(0);
    expect(outbox.size).toBe(0);
    expect([...service.counted.keys()]).toEqual(["t.a"]);
  });

  test("a killed app loses nothing: the next start sends what lies there, oldest first", async () => {
    const store = new MapStore();
    const first = an_outbox({ store });
    first.service.loseRequests = 99;
    for (const id of ["a", "b", "c"]) put(first.outbox, id);
    await settled();
    const second = an_outbox({ store });
    expect(second.outbox.size).toBe(3);
    await second.outbox.flush();
    expect(second.service.batches[0]).toEqual(["t.a", "t.b", "t.c"]);
    expect(store.kept.size).toBe(0);
  });

  test("a reply lost on its way is asked for again, and the answer counts once", async () => {
    const { outbox, service, hands, receipts } = an_outbox();
    service.loseReplies = 2;
    put(outbox, "a");
    await settled();
    await hands.pass(2_000);
    await hands.pass(4_000);
    expect(service.batches.length).toBe(3);
    expect(service.counted.size).toBe(1);
    expect(receipts.map((one) => one.receipt.status)).toEqual(["repeated"]);
  });

  test("a second tap on the same pair does not change the answer", async () => {
    const { outbox, service } = an_outbox();
    service.loseRequests = 1;
    expect(put(outbox, "a", "left")).toBe(true);
    expect(put(outbox, "a", "right")).toBe(false);
    await settled();
    await outbox.flush();
    expect(service.counted.get("t.a")).toBe("left");
  });

  test("the wait doubles up to a minute, and is partly left to chance", async () => {
    const { outbox, service, hands } = an_outbox();
    service.loseRequests = 99;
    put(outbox, "a");
    await settled();
    const waits: number[] = [];
    for (let i = 0; i < 9; i++) {
      waits.push(hands.waits_ms[0] ?? 0);
      await hands.pass(hands.waits_ms[0] ?? 0);
    }
    expect(waits).toEqual([750, 1_500, 3_000, 6_000, 12_000, 24_000, 45_000, 45_000, 45_000]);
  });

  test("a server that says when to come back is believed", async () => {
    const { outbox, service, hands } = an_outbox();
    service.problems = [new Problem(429, "too_many", "", "", 30, null)];
    put(outbox, "a");
    await settled();
    expect(hands.waits_ms).toEqual([30_000]);
    expect(outbox.state).toBe("waiting");
  });

  test("a network that comes back is used at once, whatever the wait", async () => {
    const { outbox, service, hands } = an_outbox();
    service.loseRequests = 6;
    put(outbox, "a");
    await settled();
    for (let i = 0; i < 4; i++) await hands.pass(hands.waits_ms[0] ?? 0);
    service.loseRequests = 0;
    await outbox.flush();
    expect(service.counted.size).toBe(1);
    expect(hands.waits_ms).toEqual([]);
  });

  test("an answer that the service cannot take does not hold up the others", async () => {
    const { outbox, service, receipts, store } = an_outbox();
    service.loseRequests = 1;
    for (const id of ["a", "bad", "c"]) put(outbox, id);
    await settled();
    const send = service.send;
    const outbox2 = new Outbox({
      store,
      send: async (answers) => {
        if (answers.some((one) => one.ticket === "t.bad")) throw new Problem(422, "field_invalid", "no", "", null, null);
        return send(answers);
      },
      onReceipt: (answer, receipt) => receipts.push({ answer, receipt }),
    });
    outbox2.open("p1");
    await outbox2.flush();
    expect([...service.counted.keys()].sort()).toEqual(["t.a", "t.c"]);
    expect(receipts.find((one) => one.answer.matchup_id === "bad")?.receipt).toMatchObject({ status: "refused", code: "field_invalid" });
    expect(store.kept.size).toBe(0);
  });

  test("what is put while a batch is on its way goes with the next one", async () => {
    const { outbox, service } = an_outbox();
    let open = () => {};
    service.gate = new Promise((resolve) => (open = resolve));
    put(outbox, "a");
    put(outbox, "b");
    put(outbox, "c");
    service.gate = null;
    open();
    await settled();
    expect(service.batches).toEqual([["t.a"], ["t.b", "t.c"]]);
  });

  test("a hundred answers go in batches of twenty", async () => {
    const { outbox, service, hands } = an_outbox();
    service.loseRequests = 1;
    for (let i = 0; i < 100; i++) put(outbox, `m${i}`);
    await settled();
    await hands.pass(60_000);
    expect(service.counted.size).toBe(100);
    expect(Math.max(...service.batches.map((one) => one.length))).toBe(20);
  });

  test("receipts may come in any order and leave some out: what is not named stays", async () => {
    const store = new MapStore();
    const named: string[] = [];
    const hands = new Hands();
    const outbox = new Outbox({
      store, later: hands.later, cancel: hands.cancel,
      send: (answers) => Promise.resolve({
        receipts: answers.slice(1).reverse().map((one) => ({ matchup_id: one.ticket.slice(2), status: "counted" as const, code: null, grant_g: 10, detail: null, agreement: null })),
        fertilizer: { available_g: 0, held_g: 0 },
      }),
      onReceipt: (answer) => named.push(answer.matchup_id),
    });
    store.full = true; // keep the first from being sent alone
    outbox.open("p1");
    store.full = false;
    for (const id of ["a", "b", "c"]) store.set(`outbox.p1.${id}`, JSON.stringify({ matchup_id: id, ticket: `t.${id}`, choice: "left", took_ms: 1, why: [], put_at: id.charCodeAt(0) }));
    await outbox.flush();
    expect(named).toEqual(["c", "b"]);
    expect(store.keys()).toEqual(["outbox.p1.a"]);
    // a reply that names nothing of ours is not asked for again at once
    expect(outbox.state).toBe("waiting");
  });

  test("a ticket that the service cannot read is settled by its place in the reply", async () => {
    const store = new MapStore();
    const codes: (string | null)[] = [];
    const outbox = new Outbox({
      store,
      send: () => Promise.resolve({ receipts: [{ matchup_id: null, status: "refused", code: "ticket_malformed", grant_g: 0, detail: null, agreement: null }], fertilizer: { available_g: 0, held_g: 0 } }),
      onReceipt: (_answer, receipt) => codes.push(receipt.code),
    });
    outbox.open("p1");
    put(outbox, "a");
    await settled();
    expect(codes).toEqual(["ticket_malformed"]);
    expect(store.kept.size).toBe(0);
  });

  test("each player's answers are sent by that player alone", async () => {
    const store = new MapStore();
    const { outbox, service } = an_outbox({ store });
    service.loseRequests = 1;
    put(outbox, "a");
    await settled();
    outbox.open("p2");
    expect(outbox.size).toBe(0);
    await outbox.flush();
    expect(service.counted.size).toBe(0);
    outbox.open("p1");
    await outbox.flush();
    expect([...service.counted.keys()]).toEqual(["t.a"]);
  });

  test("receipts that arrive after another player logged in are left for the one who answered", async () => {
    const { outbox, service, store, receipts } = an_outbox();
    let open = () => {};
    service.gate = new Promise((resolve) => (open = resolve));
    put(outbox, "a");
    outbox.open("p2");
    open();
    await settled();
    expect(receipts).toEqual([]);
    expect(store.keys()).toEqual(["outbox.p1.a"]);
  });

  test("two windows of one browser send the same answers without harm", async () => {
    const store = new MapStore();
    const service = new AnswerService();
    const one = an_outbox({ store, service });
    const two = an_outbox({ store, service });
    put(one.outbox, "a");
    put(two.outbox, "b");
    await Promise.all([one.outbox.flush(), two.outbox.flush()]);
    await settled();
    expect(service.counted.size).toBe(2);
    expect(store.kept.size).toBe(0);
  });

  test("a full phone keeps answers in memory rather than losing them", async () => {
    const { outbox, service, store, hands } = an_outbox();
    store.full = true;
    service.loseRequests = 1;
    put(outbox, "a");
    await settled();
    expect(outbox.size).toBe(1);
    await hands.pass(5_000);
    expect(service.counted.size).toBe(1);
    expect(outbox.size).toBe(0);
  });

  test("half a record, as a killed app may leave it, is thrown away and stops nothing", async () => {
    const { outbox, store, service } = an_outbox();
    store.set("outbox.p1.broken", '{"matchup_id": "bro');
    put(outbox, "a");
    await settled();
    expect(service.counted.size).toBe(1);
    expect(store.kept.size).toBe(0);
  });

  test("after the account is gone nothing is sent any more", async () => {
    const { outbox, service, hands } = an_outbox();
    service.loseRequests = 1;
    put(outbox, "a");
    await settled();
    outbox.close();
    await hands.pass(100_000);
    expect(service.batches.length).toBe(1);
    expect(put(outbox, "b")).toBe(false);
  });

  test("whatever is lost on the way, everything arrives once in the end", async () => {
    for (let seed = 1; seed <= 40; seed++) {
      let state = seed;
      const chance = () => ((state = (state * 1103515245 + 12345) % 2147483648) / 2147483648);
      const store = new MapStore();
      const service = new AnswerService();
      const hands = new Hands();
      let current = an_outbox({ store, service, hands });
      const wanted = 25;
      for (let i = 0; i < wanted; i++) {
        put(current.outbox, `m${i}`, chance() < 0.5 ? "left" : "right");
        if (chance() < 0.4) service.loseRequests = 1;
        if (chance() < 0.4) service.loseReplies = 1;
        if (chance() < 0.2) service.problems.push(new Problem(503, "database_away", "", "", null, null));
        if (chance() < 0.1) current = an_outbox({ store, service, hands }); // killed and started again
        if (chance() < 0.5) await hands.pass(chance() * 5_000);
        else await settled();
      }
      service.loseRequests = service.loseReplies = 0;
      service.problems = [];
      for (let i = 0; i < 5; i++) {
        await hands.pass(60_000);
        await current.outbox.flush();
      }
      expect([...service.counted.keys()].sort(), `seed ${seed}`).toEqual(Array.from({ length: wanted }, (_, i) => `t.m${i}`).sort());
      expect(store.kept.size).toBe(0);
    }
  });
});
