"""GET /v1/wallet: the ledger of one's own, every gram with its reason, newest first."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import pydantic

from rewards import ledger as books
from rewards.kinds import KINDS
from rewards.ledger import Reason, Transfer
from server.api.farm import NameReply, kind_name
from server.edge.problems import Problem
from server.edge.wire import Reply, Route, Wire
from server.stores import farm, ledger, players
from server.stores.db import reading

PAGE = 50
PROMISES = 50

WORDS = {
    Reason.GRANT_SETTLED: ("选款所得", "Earned by choosing"),
    Reason.PROGRAMME_AWARDED: ("平台奖励", "From the programme"),
    Reason.FERTILIZER_APPLIED: ("给果树施肥", "Applied to the tree"),
    Reason.TREE_HARVESTED: ("果树收获", "Tree harvested"),
    Reason.TREE_DONATED: ("果树捐赠", "Tree donated"),
    Reason.FERTILIZER_EXPIRED: ("长期未使用,已过期", "Expired, unused for too long"),
    Reason.REVERSAL: ("更正", "Corrected"),
}

VOIDED = {
    "abuse": ("审核认为不是认真的选择,可以申诉", "Review took it for no honest choice; you can appeal"),
    "not_vested": ("未在期限内达成", "Not reached in time"),
    "operator": ("由运营人员取消", "Voided by an operator"),
}


class WalletQuery(Wire):
    """Where to go on: the `next_cursor` of the page before."""

    cursor: int | None = pydantic.Field(default=None, ge=1, le=2**62)


class LineReply(Reply):
    """One movement. `amount_g` is below zero where fertilizer left the wallet."""

    transfer_id: UUID
    at: datetime
    amount_g: int
    reason: str
    kind: str | None
    text: NameReply


class PromiseReply(Reply):
    """A reward that is not in the wallet: under review until a moment, or voided with a reason code."""

    matchup_id: UUID
    kind: str
    amount_g: int
    state: Literal["held", "voided"]
    earned_at: datetime
    held_until: datetime
    reason: str | None
    text: NameReply


class WalletReply(Reply):
    """One page of the wallet. `promises` stands on the first page only."""

    available_g: int
    held_g: int
    owed_g: int
    lines: list[LineReply]
    promises: list[PromiseReply]
    next_cursor: int | None


async def get_wallet(call: Any) -> WalletReply:
    """Every gram that came or went, with its reason; a page of fifty, newest first."""
    player_id, cursor = call.who.player_id, call.query.cursor
    async with reading(call.shell.engine) as conn:
        if await players.find(conn, player_id) is None:
            raise Problem("player_gone")
        # Harvests are in one's ledger too, though the grams left the wallet before: shown with 0.
        lines = await ledger.wallet(conn, player_id, before=cursor, limit=PAGE)
        promises = await farm.promises_of(conn, player_id, limit=PROMISES) if cursor is None else []
        return WalletReply(
            available_g=await ledger.balance(conn, books.player(player_id)),
            held_g=await farm.held_g(conn, player_id),
            owed_g=await farm.owed_g(conn, player_id),
            lines=[line_reply(line.transfer, line.amount_g) for line in lines],
            promises=[_promise(one) for one in promises],
            next_cursor=lines[-1].seq if len(lines) == PAGE else None,
        )


def line_reply(transfer: Transfer, amount_g: int) -> LineReply:
    """One movement as told; `amount_g` as it stands in the wallet."""
    kind = transfer.out_biz_no.partition(":")[0] if transfer.reason is Reason.PROGRAMME_AWARDED else None
    zh, en = WORDS.get(transfer.reason, (transfer.reason.value, transfer.reason.value))
    return LineReply(
        transfer_id=transfer.id,
        at=transfer.at,
        amount_g=amount_g,
        reason=transfer.reason.value,
        kind=kind,
        text=kind_name(kind) if kind is not None and kind in KINDS else NameReply(zh=zh, en=en),
    )


def _promise(promise: farm.Promise) -> PromiseReply:
    zh, en = "审核中,到期自动到账", "Under review; it arrives by itself"
    if promise.void_reason is not None:
        zh, en = VOIDED.get(promise.void_reason, (promise.void_reason, promise.void_reason))
    return PromiseReply(
        matchup_id=promise.matchup_id,
        kind=promise.kind,
        amount_g=promise.amount_g,
        state="held" if promise.state == "held" else "voided",
        earned_at=promise.earned_at,
        held_until=promise.held_until,
        reason=promise.void_reason,
        text=NameReply(zh=zh, en=en),
    )


ROUTES = (
    Route(
        method="GET",
        path="/v1/wallet",
        handler=get_wallet,
        summary="The ledger of one's own",
        query=WalletQuery,
        reply=WalletReply,
        problems=(401, 422, 503),
    ),
)
