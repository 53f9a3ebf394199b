// The calls of the player's API, one function each.

import type { PickedPicture } from "@/platform/types";

import type { Client } from "./client";
import type { Address, Answer, AnswersReply, Farm, FarmChange, Me, Redemption, Round, Taste, WalletPage } from "./contract";
import { readAnswersReply, readFarm, readFarmChange, readMe, readRedemptions, readRound, readTaste, readWallet } from "./read";

export interface FactsChange {
  gender?: "female" | "male" | "other" | null;
  age_band?: string | null;
  interests?: string[] | null;
}

export class Service {
  constructor(private readonly client: Client) {}

  async round(size: number): Promise<Round> {
    return readRound(await this.client.call("POST", "/v1/rounds", { body: { size } }));
  }

  async answers(answers: Answer[]): Promise<AnswersReply> {
    return readAnswersReply(await this.client.call("POST", "/v1/answers", { body: { answers } }));
  }

  async farm(): Promise<Farm> {
    return readFarm(await this.client.call("GET", "/v1/farm"));
  }

  plant(variety: string, key: string): Promise<FarmChange> {
    return this.farmAfter(this.client.call("POST", "/v1/farm/trees", { body: { variety }, key }));
  }

  claim(key: string): Promise<FarmChange> {
    return this.farmAfter(this.client.call("POST", "/v1/farm/claims", { body: {}, key }));
  }

  apply(times: number, key: string): Promise<FarmChange> {
    return this.farmAfter(this.client.call("POST", "/v1/farm/applications", { body: { times }, key }));
  }

  /** A box for one's own door, or, with `donate`, for those who need it. */
  harvest(key: string, donate: boolean): Promise<FarmChange> {
    return this.farmAfter(this.client.call("POST", "/v1/farm/harvests", { body: donate ? { donate } : {}, key }));
  }

  joinFamily(tree_id: string, key: string): Promise<FarmChange> {
    return this.farmAfter(this.client.call("POST", "/v1/farm/family", { body: { tree_id }, key }));
  }

  /** Says who brought this player here. */
  async invitedBy(inviter_id: string, key: string): Promise<void> {
    await this.client.call("POST", "/v1/farm/invitations", { body: { inviter_id }, key });
  }

  async wallet(cursor: string | null): Promise<WalletPage> {
    const query = cursor ? `?cursor=${encodeURIComponent(cursor)}` : "";
    return readWallet(await this.client.call("GET", `/v1/wallet${query}`));
  }

  async redemptions(): Promise<Redemption[]> {
    return readRedemptions(await this.client.call("GET", "/v1/redemptions"));
  }

  async putAddress(redemption_id: string, address: Address, key: string): Promise<void> {
    await this.client.call("PUT", `/v1/redemptions/${encodeURIComponent(redemption_id)}/address`, { body: address, key });
  }

  async takeSubstitute(redemption_id: string, variety: string, key: string): Promise<void> {
    await this.client.call("POST", `/v1/redemptions/${encodeURIComponent(redemption_id)}/substitute`, { body: { variety }, key });
  }

  async endOrder(redemption_id: string, how: "give_away" | "grams_back", key: string): Promise<void> {
    await this.client.call("POST", `/v1/redemptions/${encodeURIComponent(redemption_id)}/end`, { body: { how }, key });
  }

  async reportDamage(redemption_id: string, picture: PickedPicture, text: string): Promise<void> {
    await this.client.upload(`/v1/redemptions/${encodeURIComponent(redemption_id)}/damage`, picture, { text });
  }

  async taste(): Promise<Taste> {
    return readTaste(await this.client.call("GET", "/v1/taste"));
  }

  async me(): Promise<Me> {
    return readMe(await this.client.call("GET", "/v1/me"));
  }

  async changeMe(change: FactsChange): Promise<Me> {
    return readMe(await this.client.call("POST", "/v1/me", { body: change }));
  }

  exportMe(): Promise<unknown> {
    return this.client.call("GET", "/v1/me/export");
  }

  async deleteMe(): Promise<void> {
    await this.client.call("DELETE", "/v1/me");
  }

  async appeal(text: string, key: string): Promise<void> {
    await this.client.call("POST", "/v1/appeals", { body: { text }, key });
  }

  /** The farm as a write left it: in the answer where the service sends it along, else fetched. */
  private async farmAfter(write: Promise<unknown>): Promise<FarmChange> {
    return readFarmChange(await write) ?? { farm: await this.farm(), amount_g: null, stages: [], awards: [], redemption_id: null };
  }
}
