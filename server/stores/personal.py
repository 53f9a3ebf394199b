"""Personal data: every column that holds some, why, for how long and for whom.

Columns are named here rather than beside each table, so that the inventory is one list that a person can read;
`docs/privacy.md` shows it, and a test finds the column that somebody forgot.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class Personal:
    """One column with personal data, what it is for, how long it stays, who sees it, and what deletion does to it."""

    table: str
    column: str
    what: str
    purpose: str
    kept: str
    seen_by: str
    on_deletion: str


_PLAYER, _NOBODY = "the player", "nobody"
_ASKED = "reviewers, after entering a reason"

INVENTORY: tuple[Personal, ...] = (
    Personal("platform_identities", "subject", "keyed hash of the openid or user id", "know a player again",
             "until deletion", _NOBODY, "deleted"),
    Personal("platform_identities", "sealed_subject", "openid or user id, sealed", "ask the platform about risk and text; "
             "re-hash when keys rotate", "until deletion", _ASKED, "deleted"),
    Personal("players", "nickname", "chosen name", "shown to family and to oneself", "until deletion",
             "the player, family members, reviewers", "emptied"),
    Personal("players", "gender", "told with consent", "audiences of tests", "until consent is withdrawn", _PLAYER,
             "emptied"),
    Personal("players", "birth_year", "told with consent, a band's middle", "audiences of tests",
             "until consent is withdrawn", _PLAYER, "emptied"),
    Personal("players", "interests", "told with consent", "audiences of tests", "until consent is withdrawn", _PLAYER,
             "emptied"),
    Personal("players", "region", "told with consent", "audiences of tests, prize stock", "until consent is withdrawn",
             _PLAYER, "emptied"),
    Personal("players", "consent", "what was consented to", "prove consent", "until deletion", _PLAYER, "emptied"),
    Personal("player_sessions", "device", "keyed hash of the device", "links between accounts",
             "90 days after the session's end", _NOBODY, "emptied"),
    Personal("player_sessions", "address_block", "keyed hash of the address's /24 or /48", "links between accounts",
             "90 days after the session's end", _NOBODY, "emptied"),
    Personal("address_minutes", "address_block", "the same hash, with a count of votes", "alarm when one address jumps",
             "3 hours", _NOBODY, "ages out"),
    Personal("votes", "device", "four bytes of a hash of the device", "a ticket is answered where it was dealt",
             "with the vote", _NOBODY, "stays, leads to nobody"),
    Personal("player_links", "digest", "keyed hash of payee, phone or delivery address", "links between accounts",
             "until deletion", _NOBODY, "deleted"),
    Personal("staff_links", "digest", "the same of merchants' people", "merchants do not vote on their own tests",
             "until removed", _NOBODY, "not a player's"),
    Personal("platform_risks", "level", "what a platform thinks of an account", "abuse review", "180 days", "reviewers",
             "deleted"),
    Personal("order_addresses", "sealed", "name, phone and address of a delivery, sealed", "send the box",
             "90 days after delivery", "the player, fulfilment after entering a reason",
             "deleted at once, or when a box on its way has arrived"),
    Personal("fulfilment_orders", "tracking_no", "the carrier's number", "follow the box", "with the order",
             "the player, fulfilment", "stays, leads to nobody here"),
    Personal("damage_reports", "text", "what a player wrote of spoilt fruit", "answer and compensate", "with the order",
             "the player, fulfilment", "emptied"),
    Personal("damage_pictures", "sealed", "photo of spoilt fruit, sealed", "answer and compensate",
             "90 days after delivery", "the player, fulfilment", "deleted"),
    Personal("appeals", "text", "what a player wrote", "answer an appeal", "with the appeal", "the player, reviewers",
             "emptied"),
    Personal("appeals", "answer", "what was answered", "answer an appeal", "with the appeal", "the player, reviewers",
             "emptied"),
    Personal("verdicts", "evidence", "figures of play, no identities", "explain a standing", "with the verdict",
             "reviewers", "stays, leads to nobody"),
    Personal("cases", "evidence", "figures of play, no identities", "judge a case", "with the case", "reviewers",
             "stays, leads to nobody"),
    Personal("idempotency_keys", "body", "an answer that was given", "give the same answer again", "24 hours", _NOBODY,
             "deleted"),
    Personal("staff", "name", "an operator's name", "who acted", "while employed", "administrators", "not a player's"),
    Personal("staff", "login", "an operator's login", "who acted", "for ever, in the audit log",
             "administrators, auditors", "not a player's"),
    Personal("staff", "sealed_totp", "second factor, sealed", "sign in", "while set up", _NOBODY, "not a player's"),
    Personal("staff", "sealed_totp_offered", "second factor before it is confirmed, sealed", "sign in", "until confirmed",
             _NOBODY, "not a player's"),
    Personal("webhooks", "sealed_secret", "secret of an address that is told of events, sealed", "sign what is sent",
             "while the address is there", _NOBODY, "not a player's"),
    Personal("console_sessions", "agent", "an operator's browser", "recognise one's own sessions",
             "30 days after the session's end", "the operator, administrators", "not a player's"),
)  # fmt: skip


async def wipe_answers(conn: AsyncConnection, player_id: UUID) -> None:
    """Delete what was kept to answer a player's repeated calls: it may hold what he said."""
    await conn.execute(
        sa.text("delete from idempotency_keys where owner = :owner"), {"owner": f"player_id:{player_id}"}
    )


_RETENTION = (
    # Orders of a deleted player: the box has arrived (or never will), so nobody needs to know where he lives.
    """delete from order_addresses where order_id in (
         select o.order_id from fulfilment_orders o join players p on p.player_id = o.player_id
         where p.deleted_at is not null and o.state not in ('ordered', 'shipped'))""",
    """delete from damage_pictures where picture_id in (
         select d.picture_id from damage_reports d join players p on p.player_id = d.player_id
         where p.deleted_at is not null and d.state <> 'open')""",
    """update player_sessions set device = '', address_block = ''
       where expires_at < cast(:now as timestamptz) - interval '90 days' and (device <> '' or address_block <> '')""",
    "delete from platform_risks where at < cast(:now as timestamptz) - interval '180 days'",
    "delete from console_sessions where expires_at < cast(:now as timestamptz) - interval '30 days'",
    "delete from webhook_deliveries where ended_at < cast(:now as timestamptz) - interval '30 days'",
    "delete from idempotency_keys where claimed_at < cast(:now as timestamptz) - interval '24 hours'",
)


async def forget_old(conn: AsyncConnection, now: datetime) -> int:
    """Delete or empty what is past its time; returns how many rows that were."""
    changed = 0
    for statement in _RETENTION:
        values = {"now": now} if ":now" in statement else {}
        changed += (await conn.execute(sa.text(statement), values)).rowcount
    return changed
