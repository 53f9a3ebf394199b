// The service as its player's API documents it: names as they are on the wire.

export type ChoiceWord = "left" | "right" | "neither" | "unclear";
export type Standing = "trusted" | "watched" | "muted";
export type Stage = "seed" | "sprout" | "sapling" | "blossom" | "fruiting" | "ripe";

export interface Player {
  player_id: string;
  nickname: string;
  standing: Standing;
}

export interface Session {
  token: string;
  expires_at: string;
  player: Player;
}

export interface ShownStyle {
  style_id: string;
  title: string;
  image_url: string;
  image_urls: Partial<Record<"small" | "medium" | "large", string>>;
}

export interface Matchup {
  matchup_id: string;
  ticket: string;
  question: string;
  left: ShownStyle;
  right: ShownStyle;
  offer_g: number;
  expires_at: string;
}

export interface Round {
  round_id: string;
  matchups: Matchup[];
  reason: string | null;
  detail: string | null;
}

export interface Answer {
  ticket: string;
  choice: ChoiceWord;
  took_ms: number;
  why?: string[];
}

export interface Receipt {
  matchup_id: string | null;
  status: "counted" | "repeated" | "refused";
  code: string | null;
  grant_g: number;
  detail: string | null;
  /** Of a thousand players like this one, how many chose the same; null where there are too few. */
  agreement: number | null;
}

export interface Fertilizer {
  available_g: number;
  held_g: number;
}

export interface AnswersReply {
  receipts: Receipt[];
  fertilizer: Fertilizer;
}

/** A name in each language that the client speaks. */
export interface Name {
  zh: string;
  en: string;
}

export interface StageMark {
  stage: Stage;
  at_g: number;
  award_g: number;
}

export interface Tree {
  tree_id: string;
  variety: string;
  name: Name;
  stage: Stage;
  applied_g: number;
  requirement_g: number;
  missing_g: number;
  next_stage: Stage | null;
  next_stage_at_g: number | null;
  ripe: boolean;
  stages: StageMark[];
  /** Boxes that it bears: one for each who grows it. */
  boxes: number;
  /** Whether one more of the family may still join. */
  family_open: boolean;
  /** Whether this player's box is set aside in the stock already. */
  prize_set_aside: boolean;
}

export interface Variety {
  variety: string;
  name: Name;
  requirement_g: number;
}

export interface Notice {
  kind: string;
  id: string | null;
  text: string | null;
  amount_g: number | null;
  at: string | null;
}

/** A task that is not made of the farm's own fields: shown as it comes. */
export interface Task {
  code: string;
  name: Name;
  amount_g: number;
  progress: number;
  target: number;
  done: boolean;
}

export interface Figure {
  name: string;
  value: number;
  unit: string;
}

export interface Rules {
  /** Whether these figures are a planted tree's own. */
  frozen: boolean;
  figures: Figure[];
  stages: StageMark[];
}

export interface Farm {
  tree: Tree | null;
  varieties: Variety[];
  available_g: number;
  held_g: number;
  application_g: number;
  applications_left_today: number;
  daily: { available: boolean; amount_g: number };
  streak: { days: number; bonus_g: number; goal_days: number };
  choice_g: number;
  paid_choices_left_today: number;
  forecast: { missing_g: number; days: number | null } | null;
  /** What a friend's coming brings, and after how many of the friend's own choices; null where no more are rewarded. */
  invite: { amount_g: number; votes: number } | null;
  tasks: Task[];
  notices: Notice[];
  rules: Rules;
  standing: Standing;
}

/** A farm after something was done to it, and what that brought. */
export interface FarmChange {
  farm: Farm;
  amount_g: number | null;
  stages: Stage[];
  awards: { kind: string; name: Name; amount_g: number }[];
  redemption_id: string | null;
}

export interface WalletEntry {
  id: string;
  at: string | null;
  amount_g: number;
  /** What it was for: a reward kind where there is one, else the reason of the transfer. */
  reason: string;
  name: Name;
  /** `null` for grams that came or went; else a promise that is on its way or was cancelled. */
  state: "held" | "voided" | null;
}

export interface WalletPage {
  entries: WalletEntry[];
  next_cursor: string | null;
  available_g: number | null;
  held_g: number | null;
}

export interface Redemption {
  redemption_id: string;
  variety: string;
  name: Name;
  state: string;
  state_name: Name | null;
  carrier: string | null;
  tracking: string | null;
  at: string | null;
  address: Address | null;
  address_editable: boolean;
  substitutes: Variety[];
  /** Until when damage can be reported; null where it cannot. */
  damage_until: string | null;
  damage: Damage[];
}

export interface Damage {
  report_id: string;
  text: string;
  state: string;
  answer: string | null;
}

export interface Address {
  name: string;
  phone: string;
  province: string;
  city: string;
  district: string;
  street: string;
}

export interface Favourite {
  attribute: string;
  level: string;
  share_permille: number;
  n: number;
}

export interface TasteCard {
  kind: string;
  title: string;
  text: string | null;
  image_url: string | null;
  /** Whether the player chose it when they met it. */
  chosen: boolean;
  amount_g: number | null;
}

export interface Taste {
  choices: number;
  favourites: Favourite[];
  cards: TasteCard[];
}

export interface Me {
  player_id: string;
  nickname: string;
  gender: "female" | "male" | "other" | null;
  age_band: string | null;
  interests: string[];
  consent: Record<string, boolean>;
  standing: Standing;
  /** Why, in sentences. */
  reasons: Name[];
  appeals: Appeal[];
}

export interface Appeal {
  appeal_id: string;
  state: string;
  text: string;
  answer: string | null;
  at: string | null;
}
