// Laws of the deck: a pair is shown only whole, the next one is there already, and nobody is asked in vain.

import { describe, expect, test } from "vitest";

import { ServiceClock } from "@/api/clock";
import type { Matchup, Round } from "@/api/contract";
import { Problem } from "@/api/problem";
import { Deck } from "@/play/deck";
import { NoNetwork } from "@/platform/types";

import { a_matchup, Hands, MapStore, settled } from "./a_phone";

interface World {
  deal?: (size: number, call: number) => Round | Promise<Round>;
  broken?: Set<string>;
  online?: () => boolean;
  answered?: Set<string>;
  clock?: ServiceClock;
  store?: MapStore;
}

function round(matchups: Matchup[], reason: string | null = null): Round {
  return { round_id: "r", matchups, reason, detail: null };
}

function a_deck(world: World = {}) {
  const hands = new Hands();
  const asked: number[] = [];
  const fetched: string[] = [];
  let count = 0;
  const deal = world.deal ?? ((size: number) => round(Array.from({ length: size }, () => a_matchup(`m${count++}`))));
  const deck = new Deck({
    deal: async (size) => {
      asked.push(size);
      return deal(size, asked.length);
    },
    fetchPicture: async (url) => {
      fetched.push(url);
      await Promise.resolve();
      if (world.broken?.has(url) || !(world.online?.() ?? true)) throw new Error("broken");
      return url;
    },
    addressOf: (style) => style.image_url,
    online: world.online ?? (() => true),
    answered: (id) => world.answered?.has(id) ?? false,
    clock: world.clock ?? new ServiceClock(),
    store: world.store ?? new MapStore(),
    now: () => hands.now,
    later: hands.later,
  });
  deck.open("p1");
  return { deck, hands, asked, fetched };
}

const ids = (deck: Deck) => deck.ready.map((one) => one.matchup.matchup_id);

describe("the deck", () => {
  test("ten pairs are dealt and both pictures of each are fetched before they are ready", async () => {
    const { deck, fetched, asked } = a_deck();
    await deck.fill();
    expect(asked).toEqual([10]);
    expect(ids(deck)).toEqual(Array.from({ length: 10 }, (_, i) => `m${i}`));
    expect(fetched.length).toBe(20);
    expect(deck.next?.matchup.matchup_id).toBe("m1");
  });

  test("the first pair is fetched before any other", async () => {
    const { deck, fetched } = a_deck();
    await deck.fill();
    expect(fetched.slice(0, 2)).toEqual(["/media/left-m0.webp", "/media/right-m0.webp"]);
  });

  test("an answered pair gives way at once, and new ones are dealt when half are gone", async () => {
    const { deck, asked } = a_deck();
    await deck.fill();
    for (let i = 0; i < 4; i++) {
      deck.drop(`m${i}`);
      expect(deck.current?.matchup.matchup_id).toBe(`m${i + 1}`);
    }
    await settled();
    expect(asked).toEqual([10]);
    deck.drop("m4");
    await settled();
    expect(asked).toEqual([10, 5]);
    expect(deck.ready.length).toBe(10);
  });

  test("a picture that cannot be had leaves its pair out, and no other", async () => {
    const { deck, fetched } = a_deck({ broken: new Set(["/media/right-m0.webp", "/media/left-m3.webp"]) });
    await deck.fill();
    expect(ids(deck)).not.toContain("m0");
    expect(ids(deck)).not.toContain("m3");
    expect(deck.ready.length).toBe(8);
    expect(deck.skipped).toBe(2);
    expect(fetched.filter((url) => url === "/media/right-m0.webp").length).toBe(2); // one more try, then no more
  });

  test("without a network no pair is blamed: it is fetched when the network is back", async () => {
    let online = false;
    const { deck } = a_deck({ online: () => online });
    await deck.fill();
    expect(deck.ready).toEqual([]);
    expect(deck.skipped).toBe(0);
    online = true;
    await deck.fill();
    expect(deck.ready.length).toBe(10);
  });

  test("an empty round says why and is not asked for again at once", async () => {
    const { deck, asked, hands } = a_deck({ deal: () => round([], "no_test_open") });
    await deck.fill();
    await deck.fill();
    expect(deck.reason).toBe("no_test_open");
    expect(asked.length).toBe(1);
    hands.now += 61_000;
    await deck.fill();
    expect(asked.length).toBe(2);
    await deck.fill({ now: true });
    expect(asked.length).toBe(3);
  });

  test("a service that is away is asked again by itself, after the time that it named", async () => {
    const { deck, hands, asked } = a_deck({
      deal: (size, call) => {
        if (call === 1) throw new NoNetwork("away");
        if (call === 2) throw new Problem(503, "database_away", "", "", 7, null);
        return round(Array.from({ length: size }, (_, i) => a_matchup(`m${i}`)));
      },
    });
    await deck.fill();
    expect(deck.state).toBe("away");
    await hands.pass(3_100);
    expect(asked.length).toBe(2);
    await hands.pass(7_100);
    expect(deck.ready.length).toBe(10);
    expect(deck.state).toBe("idle");
    expect(deck.problem).toBe(null);
  });

  test("a refusal that waiting does not mend is not repeated", async () => {
    const { deck, hands } = a_deck({
      deal: () => {
        throw new Problem(403, "forbidden", "", "", null, null);
      },
    });
    await deck.fill();
    expect(deck.state).toBe("idle");
    expect(deck.problem).toBeInstanceOf(Problem);
    expect(hands.waits_ms).toEqual([]);
  });

  test("a killed app finds the pairs that it was dealt, without those answered or expired", async () => {
    const store = new MapStore();
    const clock = new ServiceClock();
    clock.note("Sun, 22 Nov 2026 03:00:00 GMT");
    const times = ["2026-11-22T03:30:00Z", "2026-11-22T03:30:00Z", "2026-11-22T03:00:10Z", "2026-11-22T02:00:00Z"];
    store.set("deck.p1", JSON.stringify(times.map((expires_at, i) => a_matchup(`m${i}`, { expires_at }))));
    const { deck } = a_deck({ store, clock, answered: new Set(["m1"]), deal: () => round([], "all_pairs_met") });
    await deck.fill();
    expect(ids(deck)).toEqual(["m0"]);
  });

  test("a pair that expires while the app sleeps is left out", async () => {
    let now = Date.parse("2026-11-22T03:00:00Z");
    const clock = new ServiceClock(() => now);
    clock.note("Sun, 22 Nov 2026 03:00:00 GMT");
    const { deck } = a_deck({ clock, deal: (size) => round(Array.from({ length: size }, (_, i) => a_matchup(`m${i}`, { expires_at: "2026-11-22T03:30:00Z" }))) });
    await deck.fill();
    now += 3 * 3_600_000;
    deck.prune();
    expect(deck.ready).toEqual([]);
  });

  test("a phone whose clock is a day off loses no pair", async () => {
    for (const off of [-86_400_000, 86_400_000]) {
      const clock = new ServiceClock(() => Date.parse("2026-11-22T03:00:00Z") + off);
      clock.note("Sun, 22 Nov 2026 03:00:00 GMT");
      const { deck } = a_deck({ clock, deal: (size) => round(Array.from({ length: size }, (_, i) => a_matchup(`m${i}`, { expires_at: "2026-11-22T03:30:00Z" }))) });
      await deck.fill();
      expect(deck.ready.length).toBe(10);
    }
  });

  test("a matchup dealt twice is shown once", async () => {
    const { deck } = a_deck({ deal: () => round([a_matchup("same"), a_matchup("same")].slice(0, 1)) });
    await deck.fill();
    await deck.fill({ now: true });
    expect(ids(deck)).toEqual(["same"]);
  });

  test("another player starts with an empty table", async () => {
    const { deck } = a_deck();
    await deck.fill();
    deck.open("p2");
    expect(deck.ready).toEqual([]);
  });

  test("pairs come in the order dealt, whichever pictures arrive first, and the one on screen stays", async () => {
    const gates = new Map<string, () => void>();
    const store = new MapStore();
    const deck = new Deck({
      deal: () => Promise.resolve(round([a_matchup("a"), a_matchup("b"), a_matchup("c")])),
      fetchPicture: (url) => (url.includes("b.webp") ? new Promise((resolve) => gates.set(url, () => resolve(url))) : Promise.resolve(url)),
      addressOf: (style) => style.image_url,
      online: () => true,
      answered: () => false,
      clock: new ServiceClock(),
      store,
    });
    deck.open("p1");
    const filling = deck.fill();
    await settled();
    expect(ids(deck)).toEqual(["a", "c"]);
    for (const open of gates.values()) open();
    await filling;
    expect(ids(deck)).toEqual(["a", "b", "c"]);
  });
});
