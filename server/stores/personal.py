"""Personal data: every column that holds some, why, for how long and for whom; and what is exported and wiped.

Columns are named here rather than beside each table, so that the inventory is one list that a person can read;
`docs/privacy.md` is written from it, and a test finds the column that somebody forgot.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from server.stores.db import metadata
from server.stores.prizes import FORGOTTEN


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

REFERENCES = ("player_id", "planter_id", "inviter_id", "invitee_id")
"""Columns that say whose a row is. After deletion the id leads to nobody: the books and the votes need it."""

WITHHELD: dict[str, str] = {
    "case_players": "a case may be about others, too",
    "case_reversals": "the reversal itself is in the wallet",
    "influence": "figures of abuse review would teach how to pass it",
    "player_links": "hashes that say nothing to anybody",
    "grants": "the same as votes and wallet",
    "transfers": "the wallet",
    "votes": "told in words, with the styles that were shown",
    "players": "told in words",
}
"""Tables with a player's rows that the export's list of records leaves out, and why."""

_INNER = ("evidence", "weight", "p_abusive", "digest", "subject", "sealed_subject", "device", "address_block", "who",
          "reason", "hold_s", "answered_by", "rank", "level", "case_id")  # fmt: skip


def exported_tables() -> dict[str, list[str]]:
    """The tables that hold a player's own rows and are exported, each with the columns that say whose they are."""
    found = {}
    for table in metadata.sorted_tables:
        whose = [name for name in REFERENCES if name in table.c]
        if whose and table.name not in WITHHELD:
            found[table.name] = whose
    return found


async def records_of(conn: AsyncConnection, player_id: UUID) -> dict[str, list[dict[str, Any]]]:
    """All rows that are a player's own, by table, without what is the service's alone."""
    found = {}
    for name, whose in exported_tables().items():
        table = metadata.tables[name]
        columns = [column for column in table.c if column.name not in _INNER]
        # Somebody else who is named in a row of one's own (who invited whom) stays unnamed.
        rows = await conn.execute(
            sa.select(*columns).where(sa.or_(*(table.c[column] == player_id for column in whose)))
        )
        found[name] = [
            {
                key: None if key in whose and value != player_id else _plain(value)
                for key, value in row._asdict().items()
            }
            for row in rows
        ]
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    return value if value is None or isinstance(value, bool | int | float | str | list | dict) else str(value)


_WIPED = (
    f"update damage_reports set text = '{FORGOTTEN}', answer = case when answer is null then null else '{FORGOTTEN}' end"  # noqa: S608
    f" where player_id = :player and text <> '{FORGOTTEN}'",
    "delete from damage_pictures where picture_id in"
    " (select picture_id from damage_reports where player_id = :player and state <> 'open')",
    "delete from idempotency_keys where owner = 'player_id:' || :player",
)


async def wipe_player(conn: AsyncConnection, player_id: UUID) -> None:
    """Empty what a player wrote of boxes, and delete photos and what was kept for his calls."""
    for statement in _WIPED:
        whose = str(player_id) if "||" in statement else player_id
        await conn.execute(sa.text(statement), {"player": whose})


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
