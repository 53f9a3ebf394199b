// What came over the wire, read with suspicion: each field is checked or given a harmless value, so that a page never
// shows "undefined" and a hotel's log-in page is never taken for a tree.

import type {
  AnswersReply, Appeal, Farm, FarmChange, Figure, Matchup, Me, Name, Notice, Receipt, Redemption, Round, Rules,
  Session, ShownStyle, Stage, StageMark, Standing, Task, Taste, Tree, Variety, WalletPage,
} from "./contract";

/** The answer has not the shape of what was asked for. */
export class Unreadable extends Error {
  constructor(what: string) {
    super(`this is not ${what}`);
    this.name = "Unreadable";
  }
}

type Fields = Record<string, unknown>;

export function fields(value: unknown): Fields | null {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : null;
}

function must(value: unknown, what: string): Fields {
  const found = fields(value);
  if (!found) throw new Unreadable(what);
  return found;
}

export function text(value: unknown, otherwise = ""): string {
  return typeof value === "string" ? value : otherwise;
}

export function textOrNull(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

/** A whole number; grams are never rounded for show, so a fraction is as wrong as a word. */
export function whole(value: unknown, otherwise = 0): number {
  return typeof value === "number" && Number.isSafeInteger(value) ? value : otherwise;
}

function wholeOrNull(value: unknown): number | null {
  return typeof value === "number" && Number.isSafeInteger(value) ? value : null;
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : [];
}

function strings(value: unknown): string[] {
  return list(value).filter((one): one is string => typeof one === "string");
}

function oneOf<T extends string>(value: unknown, known: readonly T[], otherwise: T): T {
  return known.includes(value as T) ? (value as T) : otherwise;
}

const STAGES: readonly Stage[] = ["seed", "sprout", "sapling", "blossom", "fruiting", "ripe"];
const STANDINGS: readonly Standing[] = ["trusted", "watched", "muted"];

export function readSession(value: unknown): Session {
  const body = must(value, "a session");
  const player = must(body["player"], "a session");
  const token = text(body["token"]);
  const player_id = text(player["player_id"], text(player["id"]));
  if (!token || !player_id) throw new Unreadable("a session");
  return {
    token,
    expires_at: text(body["expires_at"]),
    player: { player_id, nickname: text(player["nickname"]), standing: oneOf(player["standing"], STANDINGS, "trusted") },
  };
}

function readShownStyle(value: unknown): ShownStyle | null {
  const body = fields(value);
  if (!body || typeof body["style_id"] !== "string") return null;
  const urls = fields(body["image_urls"]) ?? {};
  const image_urls: ShownStyle["image_urls"] = {};
  for (const size of ["small", "medium", "large"] as const) {
    const url = textOrNull(urls[size]);
    if (url) image_urls[size] = url;
  }
  const image_url = text(body["image_url"], image_urls.medium ?? "");
  return image_url ? { style_id: body["style_id"], title: text(body["title"]), image_url, image_urls } : null;
}

export function readMatchup(value: unknown): Matchup | null {
  const body = fields(value);
  if (!body) return null;
  const left = readShownStyle(body["left"]);
  const right = readShownStyle(body["right"]);
  const matchup_id = text(body["matchup_id"]);
  const ticket = text(body["ticket"]);
  if (!left || !right || !matchup_id || !ticket) return null;
  return {
    matchup_id, ticket, left, right,
    question: text(body["question"]),
    offer_g: whole(body["offer_g"]),
    expires_at: text(body["expires_at"]),
  };
}

export function readRound(value: unknown): Round {
  const body = must(value, "a round");
  if (!Array.isArray(body["matchups"])) throw new Unreadable("a round");
  return {
    round_id: text(body["round_id"]),
    // a matchup that cannot be read is not shown, and the others are
    matchups: list(body["matchups"]).map(readMatchup).filter((one): one is Matchup => one !== null),
    reason: textOrNull(body["reason"]),
    detail: textOrNull(body["detail"]),
  };
}

function readReceipt(value: unknown): Receipt {
  const body = must(value, "a receipt");
  const status = body["status"];
  // a status that we do not know must not be taken for a receipt: the answer stays in the outbox
  if (status !== "counted" && status !== "repeated" && status !== "refused") throw new Unreadable("a receipt");
  return {
    matchup_id: textOrNull(body["matchup_id"]),
    status,
    code: textOrNull(body["code"]),
    grant_g: whole(body["grant_g"]),
    detail: textOrNull(body["detail"]),
    agreement: wholeOrNull(body["agreement"]),
  };
}

export function readAnswersReply(value: unknown): AnswersReply {
  const body = must(value, "receipts");
  if (!Array.isArray(body["receipts"])) throw new Unreadable("receipts");
  const fertilizer = must(body["fertilizer"], "receipts");
  return {
    receipts: list(body["receipts"]).map(readReceipt),
    fertilizer: { available_g: whole(fertilizer["available_g"]), held_g: whole(fertilizer["held_g"]) },
  };
}

/** A name in both languages, or one word for both. */
export function readName(value: unknown, otherwise = ""): Name {
  const body = fields(value);
  if (!body) return { zh: text(value, otherwise), en: text(value, otherwise) };
  const zh = text(body["zh"], otherwise);
  return { zh, en: text(body["en"], zh) };
}

function readStageMarks(value: unknown): StageMark[] {
  return list(value).flatMap((one) => {
    const body = fields(one) ?? {};
    const stage = STAGES.find((known) => known === body["stage"]);
    return stage ? [{ stage, at_g: whole(body["at_g"]), award_g: whole(body["award_g"]) }] : [];
  });
}

function readTree(value: unknown): Tree | null {
  const body = fields(value);
  if (!body) return null;
  const applied_g = whole(body["applied_g"]);
  const requirement_g = whole(body["requirement_g"]);
  const variety = text(body["variety"]);
  const stage = oneOf(body["stage"], STAGES, "seed");
  return {
    tree_id: text(body["tree_id"]),
    variety,
    name: readName(body["variety_name"], variety),
    stage,
    applied_g,
    requirement_g,
    missing_g: whole(body["missing_g"], Math.max(0, requirement_g - applied_g)),
    next_stage: STAGES.find((known) => known === body["next_stage"]) ?? STAGES[STAGES.indexOf(stage) + 1] ?? null,
    next_stage_at_g: wholeOrNull(body["next_stage_at_g"]),
    ripe: body["ripe"] === true,
    stages: readStageMarks(body["stages"]),
    boxes: whole(body["boxes"], 1),
    family_open: body["family_open"] === true,
    prize_set_aside: body["prize_set_aside"] === true,
  };
}

function readVariety(value: unknown): Variety | null {
  const body = fields(value);
  const variety = text(body?.["code"] ?? body?.["variety"]);
  if (!body || !variety) return null;
  return { variety, name: readName(body["name"] ?? body["title"], variety), requirement_g: whole(body["requirement_g"]) };
}

function readTask(value: unknown): Task | null {
  const body = fields(value);
  if (!body) return null;
  const code = text(body["code"]);
  return {
    code,
    name: readName(body["name"], code),
    amount_g: whole(body["amount_g"]),
    progress: whole(body["progress"]),
    target: whole(body["target"]),
    done: body["state"] === "done",
  };
}

const TERMS = [
  ["requirement_g", "g"], ["application_g", "g"], ["applications_per_day", "times"], ["paid_choices_per_day", "times"],
  ["daily_claim_g", "g"], ["streak_days", "days"], ["streak_g", "g"], ["family_members", "people"],
] as const;

function readRules(value: unknown): Rules {
  const body = fields(value) ?? {};
  const terms = fields(body["terms"]) ?? body;
  const figures: Figure[] = [];
  const add = (name: string, given: unknown, unit: string) => {
    const figure = wholeOrNull(given);
    if (figure !== null) figures.push({ name, value: figure, unit });
  };
  add("choice_g", body["choice_g"], "g");
  for (const [name, unit] of TERMS) add(name, terms[name], unit);
  add("wallet_cap_g", body["wallet_cap_g"], "g");
  add("expiry_days", body["expiry_days"], "days");
  const awards = new Map(list(terms["stage_awards"]).map((one) => [fields(one)?.["name"], whole(fields(one)?.["value"])]));
  return {
    frozen: terms["frozen"] === true,
    figures,
    stages: list(terms["stages"]).flatMap((one) => {
      const mark = fields(one) ?? {};
      const stage = STAGES.find((known) => known === mark["name"]);
      return stage ? [{ stage, at_g: whole(mark["value"]), award_g: awards.get(stage) ?? 0 }] : [];
    }),
  };
}

function readInvite(tasks: Task[], rules: unknown): Farm["invite"] {
  const task = tasks.find((one) => one.code === "invite" && !one.done);
  if (!task) return null;
  const kind = list(fields(rules)?.["kinds"]).map(fields).find((one) => one?.["code"] === "invite");
  const votes = list(kind?.["figures"]).map(fields).find((one) => one?.["name"] === "invite_vetted_votes");
  return { amount_g: task.amount_g, votes: whole(votes?.["value"]) };
}

function readNotice(value: unknown): Notice | null {
  const body = fields(value);
  if (!body || typeof body["kind"] !== "string") return null;
  return {
    kind: body["kind"],
    id: textOrNull(body["notice_id"]),
    text: textOrNull(body["text"]),
    amount_g: wholeOrNull(body["amount_g"]),
    at: textOrNull(body["at"]),
  };
}

function present<T>(value: T | null): value is T {
  return value !== null;
}

export function isFarm(value: unknown): boolean {
  return Array.isArray(fields(value)?.["varieties"]);
}

export function readFarm(value: unknown): Farm {
  const body = must(value, "a farm");
  if (!isFarm(body)) throw new Unreadable("a farm");
  const today = fields(body["today"]) ?? {};
  const claim = fields(today["claim"]) ?? {};
  const applications = fields(today["applications"]) ?? {};
  const choices = fields(today["choices"]) ?? {};
  const streak = fields(body["streak"]) ?? {};
  const forecast = fields(body["forecast"]);
  const standing = fields(body["standing"]) ?? {};
  const rules = readRules(body["rules"]);
  const choice_g = whole(choices["each_g"], 10);
  const tasks = list(body["tasks"]).map(readTask).filter(present);
  return {
    tree: readTree(body["tree"]),
    varieties: list(body["varieties"]).map(readVariety).filter(present),
    available_g: whole(body["available_g"]),
    held_g: whole(body["held_g"]),
    application_g: whole(applications["each_g"], 50),
    applications_left_today: whole(applications["left"]),
    daily: { available: claim["claimed"] === false, amount_g: whole(claim["amount_g"]) },
    streak: { days: whole(streak["days"]), bonus_g: whole(streak["bonus_g"]), goal_days: whole(streak["target_days"], 7) },
    choice_g,
    paid_choices_left_today: whole(choices["left"]),
    forecast: forecast ? { missing_g: whole(forecast["missing_g"]), days: wholeOrNull(forecast["days"]) } : null,
    invite: readInvite(tasks, body["rules"]),
    tasks,
    notices: [
      ...list(body["notices"]).map(readNotice).filter(present),
      ...list(body["expiring"]).flatMap((one) => {
        const body = fields(one) ?? {};
        const at = textOrNull(body["expires_on"]);
        return [{ kind: "fertilizer_expires", id: at, text: null, amount_g: whole(body["amount_g"]), at }];
      }),
    ],
    rules: { ...rules, figures: [{ name: "choice_g", value: choice_g, unit: "g" }, ...rules.figures] },
    standing: oneOf(standing["standing"], STANDINGS, "trusted"),
  };
}

/** The answer to a write: the farm itself, or what the write brought with the farm inside; null where there is no farm. */
export function readFarmChange(value: unknown): FarmChange | null {
  const body = must(value, "a farm");
  const farm = isFarm(body) ? body : body["farm"];
  if (!isFarm(farm)) return null;
  return {
    farm: readFarm(farm),
    amount_g: wholeOrNull(body["amount_g"]),
    stages: STAGES.filter((stage) => list(body["stages"]).includes(stage)),
    awards: list(body["awards"]).flatMap((one) => {
      const award = fields(one) ?? {};
      const kind = text(award["kind"]);
      return [{ kind, name: readName(award["name"], kind), amount_g: whole(award["amount_g"]) }];
    }),
    redemption_id: textOrNull(body["redemption_id"]),
  };
}

export function readWallet(value: unknown): WalletPage {
  const body = must(value, "a wallet");
  if (!Array.isArray(body["lines"])) throw new Unreadable("a wallet");
  const promises = list(body["promises"]).map((one, index): WalletPage["entries"][number] => {
    const promise = fields(one) ?? {};
    const kind = text(promise["kind"]);
    return {
      id: `promise.${text(promise["matchup_id"], `${index}`)}.${kind}`,
      at: textOrNull(promise["earned_at"]),
      amount_g: whole(promise["amount_g"]),
      reason: kind,
      name: readName(promise["text"]),
      state: promise["state"] === "voided" ? "voided" : "held",
    };
  });
  const lines = list(body["lines"]).map((one, index): WalletPage["entries"][number] => {
    const line = fields(one) ?? {};
    return {
      id: text(line["transfer_id"], `${index}`),
      at: textOrNull(line["at"]),
      amount_g: whole(line["amount_g"]),
      reason: text(line["kind"], text(line["reason"])),
      name: readName(line["text"]),
      state: null,
    };
  });
  const cursor = body["next_cursor"];
  return {
    entries: [...promises, ...lines],
    next_cursor: typeof cursor === "number" ? `${cursor}` : textOrNull(cursor),
    available_g: wholeOrNull(body["available_g"]),
    held_g: wholeOrNull(body["held_g"]),
  };
}

function readRedemption(value: unknown): Redemption | null {
  const body = fields(value);
  if (!body) return null;
  const redemption_id = text(body["redemption_id"]);
  if (!redemption_id) return null;
  const variety = text(body["variety"]);
  const state = text(body["state"]);
  const address = fields(body["address"]);
  return {
    redemption_id,
    variety,
    name: readName(body["variety_name"], variety),
    state,
    state_name: fields(body["state_name"]) ? readName(body["state_name"], state) : null,
    carrier: textOrNull(body["carrier"]),
    tracking: textOrNull(body["tracking_no"]),
    at: textOrNull(body["made_at"]),
    address: address
      ? {
          name: text(address["name"]), phone: text(address["phone"]), province: text(address["province"]),
          city: text(address["city"]), district: text(address["district"]), street: text(address["street"]),
        }
      : null,
    address_editable: body["address_editable"] === true,
    substitutes: list(body["substitutes"]).map(readVariety).filter(present),
    damage_until: textOrNull(body["damage_until"]),
    damage: list(body["damage"]).flatMap((one) => {
      const found = fields(one);
      if (!found) return [];
      return [{ report_id: text(found["report_id"]), text: text(found["text"]), state: text(found["state"]), answer: textOrNull(found["answer"]) }];
    }),
  };
}

export function readRedemptions(value: unknown): Redemption[] {
  const body = must(value, "redemptions");
  const found = body["redemptions"];
  if (!Array.isArray(found)) throw new Unreadable("redemptions");
  return (found as unknown[]).map(readRedemption).filter(present);
}

export function readTaste(value: unknown): Taste {
  const body = must(value, "a taste");
  if (!Array.isArray(body["favourites"])) throw new Unreadable("a taste");
  return {
    choices: whole(body["choices"]),
    favourites: list(body["favourites"]).flatMap((one) => {
      const found = fields(one);
      if (!found) return [];
      return [{ attribute: text(found["attribute"]), level: text(found["level"]), share_permille: whole(found["share_permille"]), n: whole(found["n"]) }];
    }),
    cards: list(body["cards"]).flatMap((one) => {
      const found = fields(one);
      if (!found) return [];
      return [{
        kind: text(found["kind"], "card"),
        title: text(found["title"]),
        text: textOrNull(found["text"]),
        image_url: textOrNull(found["image_url"]),
        chosen: found["chosen"] === true,
        amount_g: wholeOrNull(found["bonus_g"]),
      }];
    }),
  };
}

function readAppeal(value: unknown): Appeal | null {
  const body = fields(value);
  if (!body) return null;
  return {
    appeal_id: text(body["appeal_id"]),
    state: text(body["state"], "open"),
    text: text(body["text"]),
    answer: textOrNull(body["answer"]),
    at: textOrNull(body["at"]),
  };
}

export function readMe(value: unknown): Me {
  const body = must(value, "a player");
  const player_id = text(body["player_id"]);
  if (!player_id) throw new Unreadable("a player");
  const consent: Record<string, boolean> = {};
  for (const [name, given] of Object.entries(fields(body["consent"]) ?? {})) consent[name] = given === true;
  const genders = ["female", "male", "other"] as const;
  return {
    player_id,
    nickname: text(body["nickname"]),
    gender: genders.find((one) => one === body["gender"]) ?? null,
    age_band: textOrNull(body["age_band"]) ?? bandOfYear(body["birth_year"]),
    interests: strings(body["interests"]),
    consent,
    standing: oneOf(body["standing"], STANDINGS, "trusted"),
    reasons: list(body["standing_words"]).map((one) => readName(one, text(fields(one)?.["code"]))),
    appeals: list(body["appeals"]).map(readAppeal).filter(present),
  };
}

export const AGE_BANDS = ["18-24", "25-29", "30-39", "40-49", "50-59", "60+"] as const;

/** The band of a birth year that the service keeps as the middle of the band which was given. */
function bandOfYear(value: unknown): string | null {
  const year = wholeOrNull(value);
  if (year === null) return null;
  const age = new Date().getFullYear() - year;
  if (age < 18) return "under_18";
  return AGE_BANDS.find((band) => band.endsWith("+") || age <= Number(band.split("-")[1])) ?? null;
}
