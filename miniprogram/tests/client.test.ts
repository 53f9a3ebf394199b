// Laws of the calls: one session that renews itself, and every answer either understood or named.

import { describe, expect, test } from "vitest";

import { Client } from "@/api/client";
import { ServiceClock } from "@/api/clock";
import { Once } from "@/api/once";
import { mayPass, Problem } from "@/api/problem";
import { readAnswersReply, readFarm, readFarmChange, readRound, readWallet, Unreadable } from "@/api/read";
import { answerOf, sendHttp } from "@/platform/http";
import { NoNetwork, type HttpRequest } from "@/platform/types";

import { an_answer, MapStore, type Handler } from "./a_phone";

function a_client(handle: Handler, { store = new MapStore(), clock = new ServiceClock(), code = "c1" } = {}) {
  const requests: HttpRequest[] = [];
  const client = new Client({
    send: async (request) => {
      requests.push(request);
      return handle(request);
    },
    upload: ({ url, headers }) => Promise.resolve(handle({ method: "POST", url, headers, timeout_ms: 0 })),
    store, clock, address: "https://play.example", device: () => "d-1", language: () => "zh",
    logInCode: () => Promise.resolve({ platform: "guest", code }),
  });
  return { client, requests, store, clock };
}

let issued = 0;
const a_session = (player_id = "p1", expires_at = "2099-01-01T00:00:00Z") =>
  an_answer(201, { token: `token-${++issued}`, expires_at, player: { player_id, nickname: "", standing: "trusted", new: false } }, { date: "Sun, 22 Nov 2026 03:00:00 GMT" });

describe("the client", () => {
  test("logs in once, however many calls wait for it", async () => {
    const { client, requests } = a_client((request) => (request.url.endsWith("/sessions") ? a_session() : an_answer(200, { ok: true })));
    await Promise.all(Array.from({ length: 10 }, () => client.call("GET", "/v1/farm")));
    expect(requests.filter((one) => one.url.endsWith("/v1/sessions")).length).toBe(1);
    expect(requests[requests.length - 1]?.headers["authorization"]).toMatch(/^Bearer token-/);
  });

  test("remembers its session over a restart", async () => {
    const store = new MapStore();
    const handle: Handler = (request) => (request.url.endsWith("/sessions") ? a_session() : an_answer(200, {}));
    await a_client(handle, { store }).client.call("GET", "/v1/farm");
    const again = a_client(handle, { store });
    expect(again.client.player_id).toBe("p1");
    await again.client.call("GET", "/v1/farm");
    expect(again.requests.length).toBe(1);
  });

  test("renews a session that the service refuses, and repeats the call once", async () => {
    let refused = 0;
    const { client, requests } = a_client((request) => {
      if (request.url.endsWith("/sessions")) return a_session();
      return refused++ === 0 ? an_answer(401, { code: "token_expired" }) : an_answer(200, { ok: true });
    });
    expect(await client.call("GET", "/v1/farm")).toEqual({ ok: true });
    expect(requests.filter((one) => one.url.endsWith("/v1/farm")).length).toBe(2);
  });

  test("does not log in for ever when the service refuses every session", async () => {
    const { client, requests } = a_client((request) => (request.url.endsWith("/sessions") ? a_session() : an_answer(401, { code: "unauthenticated" })));
    await expect(client.call("GET", "/v1/farm")).rejects.toMatchObject({ code: "unauthenticated" });
    expect(requests.filter((one) => one.url.endsWith("/sessions")).length).toBe(2);
  });

  test("renews a session a minute before it ends, by the service's clock", async () => {
    let ends = "2026-11-22T03:00:30Z";
    const { client, requests } = a_client((request) => (request.url.endsWith("/sessions") ? a_session("p1", ends) : an_answer(200, {})), {
      clock: new ServiceClock(() => Date.parse("2026-11-23T03:00:00Z")), // the phone is a day ahead
    });
    await client.call("GET", "/v1/farm");
    ends = "2026-11-22T04:00:00Z";
    await client.call("GET", "/v1/farm");
    await client.call("GET", "/v1/farm");
    expect(requests.filter((one) => one.url.endsWith("/sessions")).length).toBe(2);
  });

  test("tells who logged in, each time", async () => {
    const seen: string[] = [];
    let player = "p1";
    const { client } = a_client((request) => (request.url.endsWith("/sessions") ? a_session(player) : an_answer(player === "p1" && request.headers["authorization"] ? 401 : 200, {})));
    client.onLogIn((player_id) => seen.push(player_id));
    await client.call("GET", "/v1/me").catch(() => undefined);
    player = "p2";
    client.forget();
    await client.call("GET", "/v1/me");
    expect(seen).toEqual(["p1", "p1", "p2"]);
  });

  test("a refused log-in is a named problem, and the next call tries again", async () => {
    let allowed = false;
    const { client } = a_client((request) => (request.url.endsWith("/sessions") ? (allowed ? a_session() : an_answer(403, { code: "guests_not_allowed" })) : an_answer(200, 1)));
    await expect(client.call("GET", "/v1/farm")).rejects.toMatchObject({ code: "guests_not_allowed" });
    allowed = true;
    expect(await client.call("GET", "/v1/farm")).toBe(1);
  });

  test("a hotel's log-in page is no session and no farm", async () => {
    const { client } = a_client(() => an_answer(200, "<html>log in here</html>"));
    await expect(client.call("GET", "/v1/farm")).rejects.toBeInstanceOf(Unreadable);
    expect(() => readFarm("<html>")).toThrow(Unreadable);
    expect(() => readRound({})).toThrow(Unreadable);
    expect(() => readWallet([])).toThrow(Unreadable);
  });

  test("a problem carries its code, its sentence and when to come back", async () => {
    const { client } = a_client((request) =>
      request.url.endsWith("/sessions") ? a_session() : an_answer(503, { code: "database_away", detail: "recovering", request_id: "r1" }, { "retry-after": "7" }));
    const problem = (await client.call("GET", "/v1/farm").catch((error: unknown) => error)) as Problem;
    expect(problem).toMatchObject({ status: 503, code: "database_away", detail: "recovering", request_id: "r1", retry_after_s: 7 });
    expect(mayPass(problem)).toBe(true);
    expect(mayPass(new Problem(409, "second_tree", "", "", null, null))).toBe(false);
  });

  test("an error page without a code is still a problem", async () => {
    const { client } = a_client((request) => (request.url.endsWith("/sessions") ? a_session() : an_answer(502, "<html>bad gateway</html>")));
    await expect(client.call("GET", "/v1/farm")).rejects.toMatchObject({ code: "http_502" });
  });
});

describe("one key for one wish", () => {
  const keys = () => {
    let n = 0;
    return () => `k${++n}`;
  };

  test("stays the same until the service has decided", async () => {
    const store = new MapStore();
    const once = new Once(store, keys(), () => 0);
    const used: string[] = [];
    const away = (key: string) => {
      used.push(key);
      return Promise.reject(new NoNetwork("lost"));
    };
    await once.run("apply", away).catch(() => undefined);
    await new Once(store, keys(), () => 1_000).run("apply", away).catch(() => undefined); // the app was killed in between
    await once.run("apply", (key) => Promise.resolve(used.push(key)));
    await once.run("apply", (key) => Promise.resolve(used.push(key)));
    expect(used).toEqual(["k1", "k1", "k1", "k2"]);
  });

  test("is given up when the service refuses, and when it has grown old", async () => {
    const store = new MapStore();
    let now = 0;
    const once = new Once(store, keys(), () => now);
    const used: string[] = [];
    const refuse = (problem: Error) => (key: string) => {
      used.push(key);
      return Promise.reject(problem);
    };
    await once.run("claim", refuse(new Problem(409, "already_claimed", "", "", null, null))).catch(() => undefined);
    await once.run("claim", refuse(new Problem(503, "database_away", "", "", null, null))).catch(() => undefined);
    now += 16 * 60_000;
    await once.run("claim", refuse(new NoNetwork("lost"))).catch(() => undefined);
    expect(used).toEqual(["k1", "k2", "k3"]);
  });
});

describe("what came over the wire", () => {
  test("a receipt with an unknown status is no receipt", () => {
    const reply = (status: string) => ({ receipts: [{ matchup_id: "a", status }], fertilizer: { available_g: 1, held_g: 0 } });
    expect(readAnswersReply(reply("counted")).receipts[0]).toMatchObject({ grant_g: 0, agreement: null });
    expect(() => readAnswersReply(reply("maybe"))).toThrow(Unreadable);
  });

  test("a matchup without a picture is left out of its round", () => {
    const style = { style_id: "s", title: "t", image_url: "/a.webp", image_urls: {} };
    const good = { matchup_id: "a", ticket: "t", question: "?", left: style, right: style, offer_g: 10, expires_at: "" };
    const read = readRound({ matchups: [good, { ...good, matchup_id: "b", right: { ...style, image_url: "" } }, null, 7] });
    expect(read.matchups.map((one) => one.matchup_id)).toEqual(["a"]);
  });

  test("grams that are no whole number are not shown", () => {
    const farm = readFarm({ varieties: [], available_g: 12.5, tree: { applied_g: "9", requirement_g: 9000 } });
    expect(farm.available_g).toBe(0);
    expect(farm.tree).toMatchObject({ applied_g: 0, requirement_g: 9000, missing_g: 9000, stage: "seed" });
  });

  test("the answer to a write is a farm, a farm inside, or nothing of the kind", () => {
    const farm = { varieties: [], available_g: 5 };
    expect(readFarmChange(farm)?.farm.available_g).toBe(5);
    expect(readFarmChange({ farm, awards: [{ kind: "stage_award", name: { zh: "奖" }, amount_g: 20 }], stages: ["sprout", "x"] })).toMatchObject({
      awards: [{ name: { zh: "奖", en: "奖" }, amount_g: 20 }], stages: ["sprout"],
    });
    expect(readFarmChange({ hello: 1 })).toBe(null);
  });

  test("a wallet shows promises before what has arrived", () => {
    const page = readWallet({
      available_g: 10, held_g: 10, next_cursor: 51,
      lines: [{ transfer_id: "t1", at: "2026-11-22T03:00:00Z", amount_g: -50, reason: "fertilizer_applied", kind: null, text: { zh: "施肥", en: "Fed" } }],
      promises: [{ matchup_id: "m1", kind: "per_vote", amount_g: 10, state: "held", earned_at: "2026-11-22T03:00:00Z", text: { zh: "审核中", en: "Held" } }],
    });
    expect(page.entries.map((one) => [one.reason, one.amount_g, one.state])).toEqual([["per_vote", 10, "held"], ["fertilizer_applied", -50, null]]);
    expect(page.next_cursor).toBe("51");
  });
});

describe("an answer, as the platforms tell it", () => {
  test("is read by WeChat's names and by Alipay's", () => {
    const body = { code: "not_found" };
    const told = [
      { statusCode: 404, header: { Date: "now" }, data: JSON.stringify(body) },
      { status: 404, headers: { date: "now" }, data: body },
    ];
    for (const one of told) expect(answerOf(one)).toEqual({ status: 404, body, headers: { date: "now" } });
  });

  const uni = (request: (options: UniApp.RequestOptions & { fail: (problem: object) => void }) => void) => {
    (globalThis as Record<string, unknown>)["uni"] = { request };
  };

  test("with a status outside 200-299, which Alipay calls a failure, is still an answer", async () => {
    uni((options) => options.fail({ error: 19, errorMessage: "http status error", status: 409, headers: {}, data: '{"code":"already_claimed"}' }));
    expect(await sendHttp({ method: "POST", url: "https://x", headers: {}, timeout_ms: 1 })).toEqual({ status: 409, body: { code: "already_claimed" }, headers: {} });
  });

  test("that never came is no network", async () => {
    uni((options) => options.fail({ error: 12, errorMessage: "network error" }));
    await expect(sendHttp({ method: "GET", url: "https://x", headers: {}, timeout_ms: 1 })).rejects.toBeInstanceOf(NoNetwork);
  });
});

describe("a picture that is sent", () => {
  test("goes out again under a new session where the old one had expired", async () => {
    let refused = 0;
    const { client } = a_client((request) => {
      if (request.url.endsWith("/sessions")) return a_session();
      return refused++ === 0 ? an_answer(401, { code: "token_expired" }) : an_answer(201, { ok: request.headers["authorization"] });
    });
    const sent = (await client.upload("/v1/redemptions/r/damage", { path: "tmp://a.jpg" }, { text: "压坏了" })) as { ok: string };
    expect(sent.ok).toMatch(/^Bearer token-/);
    expect(refused).toBe(2);
  });
});
