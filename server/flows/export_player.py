"""Export a player: everything that is held of one person, in one document."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from game.matchup import Choice
from rewards.farm import Tree
from rewards.prizes import FulfilmentOrder
from server.edge.wire import rfc3339
from server.flows.give_address import open_address
from server.secrets import SealBroken, Vault
from server.stores import cases, farm, ledger, players, prizes, standings, votes
from server.stores.db import AsyncConnection

ALL = 1_000_000


async def export_player(
    conn: AsyncConnection, player_id: UUID, *, vault: Vault | None, now: datetime
) -> dict[str, Any] | None:
    """Facts, votes, fertilizer, trees, orders with their addresses, and what review thinks; None for an unknown player.

    Without a `vault` the addresses stay closed: only their player and those who send the boxes see them.

    Others stay out of it: of a family tree it says how many grow it, of an invitation when it was, never who.
    """
    player = await players.find(conn, player_id)
    if player is None:
        return None
    return {
        "exported_at": rfc3339(now),
        "player": {
            "player_id": str(player.player_id),
            "created_at": rfc3339(player.created_at),
            "nickname": player.nickname,
            "gender": player.gender,
            "birth_year": player.birth_year,
            "interests": list(player.interests),
            "region": player.region,
            "consent": player.consent,
            "standing": player.standing,
            "standing_reasons": list(player.standing_reasons),
        },
        "log_ins": [
            {"platform": platform, "first_at": rfc3339(at)}
            for platform, at in await players.platforms_of(conn, player_id)
        ],
        "sessions": [
            {"opened_at": rfc3339(opened), "expires_at": rfc3339(ends)}
            for opened, ends in await players.sessions_of(conn, player_id)
        ],
        "votes": [
            {
                "test_id": str(row.test_id),
                "left": row.left_title,
                "right": row.right_title,
                "choice": Choice(row.choice).word,
                "took_ms": row.took_ms,
                "answered_at": rfc3339(row.answered_at),
                "offer_g": row.offer_g,
            }
            for row in await votes.of_player(conn, player_id)
        ],
        "wallet": [
            {
                "transfer_id": str(line.transfer.id),
                "at": rfc3339(line.transfer.at),
                "reason": line.transfer.reason.value,
                "amount_g": line.amount_g,
            }
            for line in await ledger.wallet(conn, player_id, before=None, limit=ALL)
        ],
        "promises": [
            {
                "matchup_id": str(one.matchup_id),
                "amount_g": one.amount_g,
                "state": one.state,
                "earned_at": rfc3339(one.earned_at),
                "held_until": rfc3339(one.held_until),
                "reason": one.void_reason,
            }
            for one in await farm.promises_of(conn, player_id, limit=ALL)
        ],
        "trees": [_tree(tree, player_id) for tree in await farm.trees_of(conn, player_id)],
        **_plain(await farm.held_of(conn, player_id)),
        "orders": [await _order(conn, order, vault) for order in await prizes.orders_of(conn, player_id)],
        "appeals": [
            {"at": rfc3339(one.at), "text": one.text, "state": one.state, "answer": one.answer}
            for one in await cases.appeals_of(conn, player_id, limit=ALL)
        ],
        "verdicts": [
            {"at": rfc3339(one.at), "standing": one.opinion.standing, "reasons": list(one.opinion.reasons)}
            for one in await standings.verdicts_on(conn, player_id, limit=ALL)
        ],
    }


def _tree(tree: Tree, player_id: UUID) -> dict[str, Any]:
    own = tree.member(player_id)
    assert own is not None
    return {
        "tree_id": str(tree.id),
        "variety": tree.terms.variety,
        "planted_at": rfc3339(tree.planted_at),
        "joined_at": rfc3339(own.joined_at),
        "requirement_g": tree.requirement_g,
        "applied_g": tree.applied_g,
        "growers": len(tree.members),
        "harvested_at": rfc3339(own.harvested_at) if own.harvested_at is not None else None,
        "donated": own.donated,
    }


async def _order(conn: AsyncConnection, order: FulfilmentOrder, vault: Vault | None) -> dict[str, Any]:
    sealed = await prizes.sealed_address(conn, order.id)
    address: dict[str, str] | None = None
    if sealed is not None and vault is not None:
        try:
            given = open_address(sealed, order.id, vault)
            address = {name: getattr(given, name) for name in given.__dataclass_fields__}
        except SealBroken:
            address = None  # its key was retired: nobody can read it any more
    return {
        "redemption_id": str(order.id),
        "tree_id": str(order.tree_id),
        "variety": order.variety,
        "state": order.state.value,
        "made_at": rfc3339(order.made_at),
        "carrier": order.carrier,
        "tracking_no": order.tracking_no,
        "address_given": sealed is not None,
        "address": address,
        "steps": [{"state": state.value, "at": rfc3339(at)} for state, at in await prizes.moves_of(conn, order.id)],
        "damage_reports": [
            {
                "at": rfc3339(report.reported_at),
                "text": report.text,
                "state": report.state.value,
                "answer": report.answer,
            }
            for report, _ in await prizes.reports_of(conn, order.id)
        ],
    }


def _plain(value: Any) -> Any:
    """Rows as JSON has them: moments as in all replies, days as YYYY-MM-DD, ids as text."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
