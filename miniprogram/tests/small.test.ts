// Laws of the small things: the stopwatch, figures, words, addresses, drawings.

import { describe, expect, test } from "vitest";

import { drawings } from "../art/drawings";
import { ServiceClock } from "@/api/clock";
import { Problem } from "@/api/problem";
import { checkAddress } from "@/play/address";
import { Stopwatch } from "@/play/stopwatch";
import { NoNetwork } from "@/platform/types";
import { languageOf, sayProblem, wordsOf } from "@/words";
import { grams, moment, percentOfPermille } from "@/words/figures";

describe("the stopwatch", () => {
  test("runs from both pictures visible, not from the first", () => {
    let now = 0;
    const watch = new Stopwatch(() => now);
    watch.saw("left");
    now = 400;
    expect(watch.running).toBe(false);
    watch.saw("right");
    now = 1_400.4;
    expect(watch.took_ms()).toBe(1_000);
  });

  test("leaves out the time out of sight", () => {
    let now = 0;
    const watch = new Stopwatch(() => now);
    watch.saw("left");
    watch.saw("right");
    now = 500;
    watch.pause();
    now = 90_000;
    watch.resume();
    now = 90_300;
    expect(watch.took_ms()).toBe(800);
  });

  test("does not start behind a hidden app", () => {
    let now = 0;
    const watch = new Stopwatch(() => now);
    watch.pause();
    watch.saw("left");
    watch.saw("right");
    now = 5_000;
    expect(watch.took_ms()).toBe(0);
    watch.resume();
    now = 5_250;
    expect(watch.took_ms()).toBe(250);
  });

  test("starts anew with each pair and never says more than ten minutes", () => {
    let now = 0;
    const watch = new Stopwatch(() => now);
    watch.saw("left");
    watch.saw("right");
    now = 10_000_000;
    expect(watch.took_ms()).toBe(600_000);
    watch.reset();
    expect(watch.took_ms()).toBe(0);
    expect(watch.running).toBe(false);
  });
});

describe("the service's time", () => {
  test("is unknown until the service was heard, and then nothing is over by the phone's word", () => {
    const clock = new ServiceClock(() => Date.parse("2030-01-01T00:00:00Z"));
    expect(clock.isOver("2026-11-22T03:00:00Z")).toBe(false);
    clock.note("not a date");
    expect(clock.now_ms()).toBe(null);
    clock.note("Sun, 22 Nov 2026 03:00:00 GMT");
    expect(clock.isOver("2026-11-22T03:00:05Z")).toBe(false);
    expect(clock.isOver("2026-11-22T03:00:05Z", 10_000)).toBe(true);
    expect(clock.isOver("2026-11-22T02:59:59Z")).toBe(true);
  });
});

describe("figures", () => {
  test("grams are whole and exact, with a space between thousands", () => {
    expect([0, 50, 999, 1_000, 12_345, 1_234_567, -2_500].map(grams)).toEqual(["0", "50", "999", "1\u00a0000", "12\u00a0345", "1\u00a0234\u00a0567", "−2\u00a0500"]);
  });

  test("shares of people are whole per cent", () => {
    expect([0, 4, 5, 640, 996, 1_000].map(percentOfPermille)).toEqual(["0%", "0%", "1%", "64%", "100%", "100%"]);
  });

  test("a moment that cannot be read is not shown", () => {
    expect(moment(null)).toBe("");
    expect(moment("yesterday")).toBe("");
    expect(moment("2026-11-22T03:04:05Z")).toMatch(/^\d\d-\d\d \d\d:\d\d$/);
  });
});

function flat(words: unknown, path = ""): [string, unknown][] {
  if (typeof words !== "object" || words === null) return [[path, words]];
  return Object.entries(words).flatMap(([key, value]) => flat(value, `${path}.${key}`));
}

/** A sentence with something filled in: numbers where it takes numbers, else texts. */
function spoken(value: unknown): string {
  if (typeof value !== "function") return String(value);
  const say = value as (...given: unknown[]) => string;
  try {
    return say(3, 3, 3);
  } catch {
    return say("x", "sprout", 3);
  }
}

describe("words", () => {
  const zh = new Map(flat(wordsOf("zh")));
  const en = new Map(flat(wordsOf("en")));

  test("English has every word that Chinese has, and no other", () => {
    expect([...en.keys()].sort()).toEqual([...zh.keys()].sort());
  });

  test("no sentence is empty, and English has no Chinese in it but the name of Chinese", () => {
    for (const [path, value] of [...zh, ...en]) {
      expect(spoken(value).trim(), path).not.toBe("");
    }
    for (const [path, value] of en) {
      if (!path.includes("settings.language")) expect(spoken(value), path).not.toMatch(/[\u4e00-\u9fff]/);
    }
  });

  test("a phone that speaks neither hears Chinese", () => {
    expect(["zh-CN", "en-US", "en", "fr-FR", "", "enx"].map(languageOf)).toEqual(["zh", "en", "en", "zh", "zh", "zh"]);
  });

  test("a problem is said in our words, else in the service's, else with an apology", () => {
    const words = wordsOf("zh");
    expect(sayProblem(words, new Problem(409, "already_claimed", "detail", "", null, null))).toBe(words.problems["already_claimed"]);
    expect(sayProblem(words, new Problem(409, "brand_new_code", "服务说的话", "", null, null))).toBe("服务说的话");
    expect(sayProblem(words, new Problem(500, "brand_new_code", "", "", null, null))).toBe(words.problems["unknown"]);
    expect(sayProblem(words, new NoNetwork("x"))).toBe(words.problems["no_network"]);
    expect(sayProblem(words, new TypeError("bug"))).toBe(words.problems["unknown"]);
  });
});

describe("an address", () => {
  const good = { name: "林小满", phone: "138 0013 8000", province: "浙江省", city: "杭州市", district: "", street: "文三路 1 号" };

  test("is good with a number that can be called, and needs no district", () => {
    for (const phone of ["13800138000", "+8613800138000", "0571-88886666", "(010) 62345678"]) expect(checkAddress({ ...good, phone })).toEqual({});
  });

  test("names each field that is wrong", () => {
    expect(checkAddress({ ...good, name: "  ", street: "路".repeat(101) })).toEqual({ name: "missing", street: "long" });
    for (const phone of ["12345", "23800138000", "phone", "138001380001234"]) expect(checkAddress({ ...good, phone })).toEqual({ phone: "phone" });
  });
});

describe("the drawings", () => {
  test("are small, whole, and ask nobody for anything", () => {
    for (const [name, text] of Object.entries(drawings())) {
      expect(text.length, name).toBeLessThan(48_000);
      expect(text, name).not.toMatch(/NaN|undefined|Infinity/);
      expect(text.replace(/http:\/\/www\.w3\.org\/\S+?"/g, ""), name).not.toMatch(/https?:/);
      expect(text.split("<g").length, name).toBe(text.split("</g>").length);
      for (const [, id] of text.matchAll(/(?:url\(|href=")#([a-z]+)/g)) expect(text, `${name} #${id}`).toContain(`id="${id}"`);
    }
  });

  test("are the same each time they are drawn", () => {
    expect(drawings()).toEqual(drawings());
  });
});
