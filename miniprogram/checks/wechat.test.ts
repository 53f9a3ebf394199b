// @vitest-environment jsdom
// The WeChat build, compiled offline by the vendor's own compilers and run in the vendor's simulator: pages come up, a tap is
// an answer, and no update that crosses to the view is large.

import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

import { beforeAll, describe, expect, test } from "vitest";

const require = createRequire(import.meta.url);
const ROOT = join(__dirname, "..", "dist", "build", "mp-weixin");
const LARGEST_UPDATE_BYTES = 20_000;

interface WxRequest {
  url: string;
  method: string;
  header: Record<string, string>;
  data?: string;
  success: (answer: { statusCode: number; data: string; header: Record<string, string> }) => void;
}

const globals = globalThis as unknown as Record<string, unknown>;
const stored = new Map<string, unknown>();
const requests: { method: string; path: string; body: Record<string, unknown> }[] = [];
const updates: { bytes: number; keys: string[] }[] = [];

function style(name: string) {
  const url = `/media/${name}.webp`;
  return { style_id: name, title: `款式${name}`, image_url: url, image_urls: { small: url, medium: url, large: url } };
}

const STAGES = ["seed", "sprout", "sapling", "blossom", "fruiting", "ripe"].map((stage, i) => ({ stage, at_g: [0, 180, 900, 2700, 5400, 9000][i], award_g: 20 }));
const FARM = {
  tree: {
    tree_id: "t1", variety: "apple", variety_name: { zh: "苹果", en: "Apple" }, stage: "sapling", applied_g: 1000, requirement_g: 9000, missing_g: 8000,
    next_stage: "blossom", next_stage_at_g: 2700, ripe: false, stages: STAGES,
  },
  varieties: [{ code: "apple", name: { zh: "苹果", en: "Apple" }, requirement_g: 9000 }],
  available_g: 130, held_g: 20,
  today: { claim: { claimed: false, amount_g: 30 }, applications: { left: 10, each_g: 50 }, choices: { left: 20, each_g: 10 } },
  streak: { days: 2, target_days: 7, bonus_g: 100 },
  forecast: { missing_g: 8000, days: 33 }, tasks: [], expiring: [], rules: {}, standing: { standing: "trusted", reasons: [] },
};

function serve(method: string, path: string, body: Record<string, unknown>): [number, unknown] {
  if (path === "/v1/sessions") return [201, { token: "t", expires_at: "2099-01-01T00:00:00Z", player: { player_id: "p1", nickname: "", standing: "trusted", new: true } }];
  if (path === "/v1/farm" && method === "GET") return [200, FARM];
  if (path === "/v1/rounds") {
    const matchups = Array.from({ length: Number(body["size"]) }, (_, i) => ({
      matchup_id: `m${i}`, ticket: `ticket-${i}`, question: "哪一条更好看？", left: style(`l${i}`), right: style(`r${i}`), offer_g: 10, expires_at: "2099-01-01T00:00:00Z",
    }));
    return [200, { round_id: "r", matchups }];
  }
  if (path === "/v1/answers") {
    const answers = body["answers"] as { ticket: string }[];
    const receipts = answers.map((one) => ({ matchup_id: one.ticket.replace("ticket-", "m"), status: "counted", code: null, grant_g: 10, agreement: 730 }));
    return [200, { receipts, fertilizer: { available_g: 130, held_g: 30 } }];
  }
  return [404, { code: "not_found" }];
}

const wx: Record<string, unknown> = {
  getSystemInfoSync: () => ({ windowWidth: 375, windowHeight: 700, pixelRatio: 3, language: "zh_CN", platform: "ios", SDKVersion: "3.4.0", theme: "light" }),
  getAppBaseInfo: () => ({ SDKVersion: "3.4.0", language: "zh_CN", theme: "light" }),
  getWindowInfo: () => ({ windowWidth: 375, windowHeight: 700, pixelRatio: 3 }),
  getDeviceInfo: () => ({ platform: "ios" }),
  getStorageSync: (key: string) => stored.get(key) ?? "",
  setStorageSync: (key: string, value: unknown) => stored.set(key, value),
  removeStorageSync: (key: string) => stored.delete(key),
  getStorageInfoSync: () => ({ keys: [...stored.keys()] }),
  canIUse: () => true,
  login: ({ success }: { success: (answer: { code: string }) => void }) => success({ code: "wx-code" }),
  request: ({ url, method, data, success }: WxRequest) => {
    const body = (data ? JSON.parse(data) : {}) as Record<string, unknown>;
    requests.push({ method, path: url, body });
    const [statusCode, answer] = serve(method, url, body);
    setTimeout(() => success({ statusCode, data: JSON.stringify(answer), header: { Date: "Sun, 22 Nov 2026 03:00:00 GMT" } }));
    return { abort: () => undefined };
  },
  getImageInfo: ({ src, success }: { src: string; success: (answer: { path: string }) => void }) => setTimeout(() => success({ path: src })),
  getNetworkType: ({ success }: { success: (answer: { networkType: string }) => void }) => success({ networkType: "4g" }),
  nextTick: (callback: () => void) => setTimeout(callback),
};
for (const quiet of ["onNetworkStatusChange", "onThemeChange", "setNavigationBarTitle", "setNavigationBarColor", "setBackgroundColor", "vibrateShort", "navigateTo", "reLaunch", "onAppHide", "onAppShow", "onError", "onUnhandledRejection"]) {
  wx[quiet] = () => undefined;
}

interface Instance {
  [name: string]: unknown;
  setData: (data: Record<string, unknown>, callback?: () => void) => void;
}
interface Rendered {
  dom: HTMLElement;
  instance: Instance;
  attach(parent: HTMLElement): void;
}
interface Simulate {
  load(path: string, options: Record<string, unknown>): string;
  render(id: string): Rendered;
}

let simulate: Simulate;

/** Every page and component counts what it sends to the view. */
function count(define: (options: Record<string, unknown>) => void) {
  return (options: Record<string, unknown>) => {
    const lifetimes = (options["lifetimes"] ?? {}) as Record<string, unknown>;
    const attached = (lifetimes["attached"] ?? options["attached"]) as ((this: Instance) => void) | undefined;
    function countingAttached(this: Instance) {
      const plain = this.setData.bind(this);
      this.setData = (data, callback) => {
        updates.push({ bytes: JSON.stringify(data).length, keys: Object.keys(data) });
        plain(data, callback);
      };
      attached?.call(this);
    }
    define({ ...options, attached: countingAttached, lifetimes: { ...lifetimes, attached: countingAttached } });
  };
}

/** The handlers of the two sides of the first pair, by the names that the compiled template gives them. */
async function untilSides(page: Rendered): Promise<{ seen: string; press: string }[]> {
  const wxml = readFileSync(join(ROOT, "pages", "play", "index.wxml"), "utf8");
  const name = (pattern: RegExp) => {
    const found = pattern.exec(wxml)?.[1];
    if (!found) throw new Error(`no ${pattern} in the template`);
    return found;
  };
  const pairs = name(/wx:for="\{\{(\w+)\}\}" wx:for-item="pair"/);
  const sides = name(/wx:for="\{\{pair\.(\w+)\}\}" wx:for-item="side"/);
  const seen = name(/bindseen="\{\{side\.(\w+)\}\}"/);
  const press = name(/class="side-tap"[^>]*bindpress="\{\{side\.(\w+)\}\}"/);
  const first = () => ((page.instance["data"] as Record<string, unknown>)[pairs] as Record<string, unknown>[] | undefined)?.[0];
  await until(() => first()?.[sides]);
  return (first()![sides] as Record<string, string>[]).map((side) => ({ seen: side[seen]!, press: side[press]! }));
}

async function until(what: () => unknown, within_ms = 4_000): Promise<void> {
  const end = Date.now() + within_ms;
  while (!what() && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 10));
  if (!what()) throw new Error("it did not come");
}

function open(page: string): Rendered {
  const rendered = simulate.render(simulate.load(join(ROOT, "pages", page, "index"), { rootPath: ROOT, compiler: "official" }));
  const parent = document.createElement("div");
  document.body.append(parent);
  rendered.attach(parent);
  for (const step of ["onLoad", "onShow", "onReady"]) (rendered.instance[step] as ((query: object) => void) | undefined)?.call(rendered.instance, {});
  return rendered;
}

function handle(page: Rendered, handler: string): void {
  (page.instance[handler] as (event: object) => void)({ type: "press", detail: { __args__: [] }, target: {}, currentTarget: { dataset: {} } });
}

beforeAll(() => {
  if (!existsSync(join(ROOT, "app.json"))) throw new Error("build it first: npm run build:mp-weixin");
  globals["wx"] = wx;
  const app: Record<string, unknown> = { globalData: {} };
  globals["getApp"] = () => app;
  globals["getCurrentPages"] = () => [];
  globals["App"] = (options: Record<string, unknown>) => Object.assign(app, options);
  globals["Page"] = () => undefined; // pages are components, too; only the framework looks for this
  simulate = require("miniprogram-simulate") as Simulate;
  globals["Component"] = count(globals["Component"] as (options: Record<string, unknown>) => void);
  require(join(ROOT, "app.js"));
  (app["onLaunch"] as (options: object) => void)({});
  (app["onShow"] as (options: object) => void)({});
});

/** What the vendor's compilers hand out is the text of a program that returns a function of paths. */
function runProgram(text: string): (path: string) => unknown {
  // eslint-disable-next-line @typescript-eslint/no-implied-eval, @typescript-eslint/no-unsafe-call
  return new Function(text)() as (path: string) => unknown;
}

describe("the WeChat build", () => {
  test("every template and style sheet passes the vendor's compilers", () => {
    const compiler = require("miniprogram-compiler") as { wxmlToJs(root: string): string; wxssToJs(root: string): string };
    const app = JSON.parse(readFileSync(join(ROOT, "app.json"), "utf8")) as { pages: string[] };
    const gwx = runProgram(compiler.wxmlToJs(ROOT));
    for (const page of app.pages) expect(typeof gwx(`${page}.wxml`), page).toBe("function");
    const styleOf = runProgram(compiler.wxssToJs(ROOT));
    expect(styleOf("app.wxss") ?? styleOf("./app.wxss")).toBeTruthy();
  });

  test("the orchard shows the tree to the gram", async () => {
    const page = open("orchard");
    await until(() => page.dom.textContent?.includes("8\u00a0000"));
    const text = page.dom.textContent ?? "";
    expect(text).toContain("苹果树 · 树苗");
    expect(text).toContain("1\u00a0000 / 9\u00a0000 克");
    expect(text).toContain("还差 8\u00a0000 克成熟");
    expect(text).toContain("按你的节奏约 33 天");
    expect(requests.find((one) => one.path === "/v1/sessions")?.body).toMatchObject({ platform: "wechat", code: "wx-code" });
  });

  test("a tap on a picture is an answer, and the next pair is there", async () => {
    const page = open("play");
    await until(() => page.dom.textContent?.includes("哪一条更好看？"));
    const sides = await untilSides(page);
    // the simulator draws no pixels, so the images are told by hand that they are seen
    for (const side of sides) handle(page, side.seen);
    await new Promise((resolve) => setTimeout(resolve, 350));
    handle(page, sides[0]!.press);
    await until(() => requests.some((one) => one.path === "/v1/answers"));
    const [answer] = requests.find((one) => one.path === "/v1/answers")!.body["answers"] as Record<string, unknown>[];
    expect(answer).toMatchObject({ ticket: "ticket-0", choice: "left" });
    expect(answer!["took_ms"]).toBeGreaterThanOrEqual(300);
    expect(page.dom.textContent).toContain("哪一条更好看？");
    await until(() => page.dom.textContent?.includes("73%"));
    expect([...stored.keys()].filter((key) => key.includes("outbox"))).toEqual([]);
  });

  test("nothing that crosses to the view is over 20 kB", () => {
    expect(updates.length).toBeGreaterThan(3);
    const largest = updates.reduce((a, b) => (a.bytes > b.bytes ? a : b));
    expect(largest.bytes, largest.keys.join(",")).toBeLessThan(LARGEST_UPDATE_BYTES);
    console.log(`largest update ${largest.bytes} bytes of ${updates.length}`);
  });
});
