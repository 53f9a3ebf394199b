// Links that friends and family share: kept on the phone until the service has heard who sent them.

import { ref } from "vue";

import { mayPass, Problem } from "@/api/problem";
import { phoneStore, shareCard, type Shared } from "@/platform";

import { client, once, reach, service } from "./orchard";

const ID = /^[\w-]{8,64}$/;

/** The tree that this player was asked to grow together, until they have answered. */
export const askedToJoin = ref<string | null>(phoneStore.get("asked"));

/** What the page was opened with: `by` is who shared the link, `tree` the tree that they grow. */
export function noteLink(query: Record<string, unknown> | undefined): void {
  const { by, tree } = query ?? {};
  if (typeof by === "string" && ID.test(by) && by !== client.player_id) phoneStore.set("by", by);
  if (typeof tree === "string" && ID.test(tree)) {
    phoneStore.set("asked", tree);
    askedToJoin.value = tree;
  }
}

export function answered(): void {
  phoneStore.remove("asked");
  askedToJoin.value = null;
}

/** Tell the service who brought this player here. Whether that counts is the service's to say; the player need not know. */
export async function tellWhoInvited(): Promise<void> {
  const by = phoneStore.get("by");
  if (!by) return;
  try {
    if (by !== client.player_id) await reach(() => once.run(`invited.${by}`, (key) => service.invitedBy(by, key)));
  } catch (problem) {
    if (!(problem instanceof Problem) || mayPass(problem)) return; // the next look at the orchard tells it again
  }
  phoneStore.remove("by");
}

/** A card that leads a friend here, or, with a tree, one of the family to it. */
export function invitation(title: string, tree_id: string | null = null): Shared {
  const told = [client.player_id ? `by=${client.player_id}` : "", tree_id ? `tree=${tree_id}` : ""].filter(Boolean);
  return shareCard(title, told.length ? `?${told.join("&")}` : "");
}
