"""Players at an operator's desk: found by what is known of them, personal data behind a reason, taken along, forgotten."""

from typing import Any, Literal
from uuid import UUID

import pydantic
from aiohttp import web

from admin.api.ops_cases import AppealReply, CaseReply, VerdictReply, appeal_reply, case_reply, verdict_reply
from admin.api.ops_pages import READS, WRITES, Filters, Reason, number, pack, unpack
from admin.roles import May
from game.standing import words_for
from rewards import ledger as books
from server.api.wallet import LineReply, line_reply
from server.edge.problems import Problem
from server.edge.wire import REQUEST_ID, Call, Reply, Route, Wire, json_bytes, rfc3339
from server.flows.export_player import export_player
from server.flows.forget_player import forget_player
from server.secrets import SealBroken, Vault
from server.stores import audit, cases, farm, ledger, players, prizes, standings
from server.stores.db import AsyncConnection, reading, transaction
from server.stores.players import Identity, Player

SEE, SERVE = May.SEE_PLAYERS.value, May.SERVE_PLAYERS.value
PLATFORMS = ("alipay", "wechat", "guest")
CONFIRM_CHARS = 8


class PlayersQuery(Filters):
    """Which page; of a standing; or who is meant by `text`: a player's id, a platform's user id, or its keyed hash."""

    text: str = pydantic.Field(default="", max_length=200)
    standing: Literal["trusted", "watched", "muted"] | None = None
    cursor: str | None = pydantic.Field(default=None, max_length=300)
    limit: int = pydantic.Field(default=20, ge=1, le=100)


class PlayerRowReply(Reply):
    """A player without personal data."""

    player_id: str
    created_at: str
    standing: str
    weight: float


class PlayersReply(Reply):
    """A page of players, newest first."""

    players: list[PlayerRowReply]
    next: str | None


class WhyReply(Reply):
    """A reason code with its sentence in both languages."""

    code: str
    zh: str
    en: str


class GrownTreeReply(Reply):
    """A tree that a player grows or grew."""

    tree_id: str
    variety: str
    stage: str
    applied_g: int
    requirement_g: int
    planted_at: str


class BoxReply(Reply):
    """An order of a player, without its address."""

    order_id: str
    variety: str
    state: str
    made_at: str
    moved_at: str


class PlayerFileReply(PlayerRowReply):
    """All of a player that needs no reason: what is thought of him, what he has, what he contests. Names stay masked."""

    masked_nickname: str
    platforms: list[str]
    consent: dict[str, bool]
    hold_s: int
    reasons: list[WhyReply]
    available_g: int
    held_g: int
    owed_g: int
    trees: list[GrownTreeReply]
    orders: list[BoxReply]
    cases: list[CaseReply]
    appeals: list[AppealReply]
    verdicts: list[VerdictReply]
    barred_merchants: list[str]


class WhyLook(Wire):
    """Why personal data are looked at."""

    reason: Reason


class PlatformNameReply(Reply):
    """By which name a platform knows the player; null where it cannot be opened."""

    platform: str
    user_id: str | None


class PersonalReply(Reply):
    """Personal data, shown to one person for one reason."""

    nickname: str
    gender: str | None
    birth_year: int | None
    region: str | None
    interests: list[str]
    platform_ids: list[PlatformNameReply]


class PlayerWalletQuery(Wire):
    """Which page of the wallet."""

    cursor: str | None = pydantic.Field(default=None, max_length=300)
    limit: int = pydantic.Field(default=50, ge=1, le=100)


class PlayerWalletReply(Reply):
    """A page of a wallet, newest first."""

    lines: list[LineReply]
    next: str | None


class ForgetBody(Wire):
    """That this player is forgotten, and why; `confirm` repeats the last eight digits of the id."""

    confirm: str = pydantic.Field(max_length=40)
    reason: Reason


def masked(name: str) -> str:
    """A name of which one sees the first character and nothing else, not even the length."""
    return f"{name[0]}**" if name else ""


def _row(player: Player) -> dict[str, Any]:
    return {
        "player_id": str(player.player_id),
        "created_at": rfc3339(player.created_at),
        "standing": player.standing,
        "weight": round(player.weight, 3),
    }


async def _meant(call: Call, conn: AsyncConnection, text: str) -> list[Player]:
    """Who is meant: at most a few, for a platform's id may be known to several platforms."""
    found: list[UUID] = []
    keyed: list[tuple[str, bytes]] = []
    try:
        as_id = UUID(text)
    except ValueError:
        vault: Vault = call.shell.vault
        keyed = [(name, hashed) for name in PLATFORMS for hashed in vault.names_of(f"{name}:{text}")]
    else:
        found.append(as_id)
        keyed.append(("", as_id.bytes))
    found += await players.by_subjects(conn, keyed)
    seen = [await players.find(conn, player_id) for player_id in dict.fromkeys(found)]
    return [player for player in seen if player is not None]


async def get_players(call: Call) -> dict[str, Any]:
    """Players, newest first; with `text`, those who are meant by it."""
    asked = call.query
    before = unpack(asked.cursor, UUID)
    async with reading(call.shell.engine) as conn:
        if asked.text.strip():
            found = await _meant(call, conn, asked.text.strip())
            more = False
        else:
            found = await players.page(
                conn, standing=asked.standing, before=before[0] if before else None, limit=asked.limit + 1
            )
            more, found = len(found) > asked.limit, found[: asked.limit]
    return {"players": [_row(one) for one in found], "next": pack(found[-1].player_id) if more else None}


async def _player(conn: AsyncConnection, call: Call) -> Player:
    player = await players.find(conn, call.path_uuid("player_id"))
    if player is None:
        raise Problem("not_found")
    return player


async def get_player(call: Call) -> dict[str, Any]:
    """One player with standing, reasons, trees, orders, cases and appeals; names masked."""
    async with reading(call.shell.engine) as conn:
        player = await _player(conn, call)
        player_id = player.player_id
        return {
            **_row(player),
            "masked_nickname": masked(player.nickname),
            "platforms": [one.platform for one in await players.identities_of(conn, player_id)],
            "consent": player.consent,
            "hold_s": player.hold_s,
            "reasons": [{"code": one.code, "zh": one.zh, "en": one.en} for one in words_for(player.standing_reasons)],
            "available_g": await ledger.balance(conn, books.player(player_id)),
            "held_g": await farm.held_g(conn, player_id),
            "owed_g": await farm.owed_g(conn, player_id),
            "trees": [
                {
                    "tree_id": str(tree.id),
                    "variety": tree.terms.variety,
                    "stage": tree.stage.value,
                    "applied_g": tree.applied_g,
                    "requirement_g": tree.requirement_g,
                    "planted_at": rfc3339(tree.planted_at),
                }
                for tree in reversed(await farm.trees_of(conn, player_id))
            ],
            "orders": [
                {
                    "order_id": str(order.id),
                    "variety": order.variety,
                    "state": order.state.value,
                    "made_at": rfc3339(order.made_at),
                    "moved_at": rfc3339(order.moved_at),
                }
                for order in await prizes.orders_of(conn, player_id)
            ],
            "cases": [case_reply(one) for one in await cases.of_player(conn, player_id)],
            "appeals": [appeal_reply(one) for one in await cases.appeals_of(conn, player_id)],
            "verdicts": [verdict_reply(one) for one in await standings.verdicts_on(conn, player_id, limit=20)],
            "barred_merchants": sorted(str(one) for one in await standings.barred_merchants(conn, player_id)),
        }


async def get_moves(call: Call) -> dict[str, Any]:
    """The player's ledger, newest first."""
    before = unpack(call.query.cursor, number)
    async with reading(call.shell.engine) as conn:
        player = await _player(conn, call)
        lines = await ledger.wallet(
            conn, player.player_id, before=before[0] if before else None, limit=call.query.limit + 1
        )
    shown, more = lines[: call.query.limit], len(lines) > call.query.limit
    return {
        "lines": [line_reply(line.transfer, line.amount_g) for line in shown],
        "next": pack(shown[-1].seq) if more else None,
    }


def _opened(call: Call, identity: Identity) -> str | None:
    if identity.sealed_subject is None:
        return None
    vault: Vault = call.shell.vault
    try:
        return vault.open(identity.sealed_subject, about=identity.subject).decode()
    except SealBroken:
        return None


async def post_reveal(call: Call) -> dict[str, Any]:
    """Personal data in the clear, for a reason that stays on record with whoever looked."""
    async with transaction(call.shell.engine) as conn:
        player = await _player(conn, call)
        known = await players.identities_of(conn, player.player_id)
        await _note(call, conn, "player.reveal", player.player_id, after={"shown": "personal data"})
    return {
        "nickname": player.nickname,
        "gender": player.gender,
        "birth_year": player.birth_year,
        "region": player.region,
        "interests": list(player.interests),
        "platform_ids": [{"platform": one.platform, "user_id": _opened(call, one)} for one in known],
    }


async def _note(call: Call, conn: AsyncConnection, what: str, player_id: UUID, *, after: Any = None) -> None:
    await audit.write(
        conn, who=call.who.name, what=what, object_id=player_id, after=after, why=call.body.reason, now=call.now,
        request_id=call.request[REQUEST_ID],
    )  # fmt: skip


async def post_export(call: Call) -> web.Response:
    """Everything that is held of this player, as the app gives it but for addresses: for who asks by letter or telephone."""
    async with transaction(call.shell.engine) as conn:
        player_id = call.path_uuid("player_id")
        document = await export_player(conn, player_id, vault=None, now=call.now)
        if document is None:
            raise Problem("not_found")
        await _note(call, conn, "player.export", player_id)
    return web.Response(
        body=json_bytes(document),
        content_type="application/json",
        headers={
            "Content-Disposition": f'attachment; filename="xuankuan-{player_id}.json"',
            "Cache-Control": "no-store",
        },
    )


async def post_forget(call: Call) -> None:
    """Forget this player, as the app does: identity and facts go, votes and book entries stay."""
    player_id = call.path_uuid("player_id")
    if call.body.confirm.strip().lower() != player_id.hex[-CONFIRM_CHARS:]:
        raise Problem("confirm_differs", field="confirm", params={"wanted": player_id.hex[-CONFIRM_CHARS:]})
    async with transaction(call.shell.engine) as conn:
        await players.lock(conn, player_id)
        await _player(conn, call)
        await forget_player(conn, player_id, now=call.now)
        await _note(call, conn, "player.forget", player_id)


ROUTES = (
    Route(method="GET", path="/v1/ops/players", handler=get_players, summary="Players", auth=SEE, query=PlayersQuery,
          reply=PlayersReply, problems=(401, 403, 422, 503)),
    Route(method="GET", path="/v1/ops/players/{player_id}", handler=get_player, summary="A player", auth=SEE,
          reply=PlayerFileReply, problems=READS),
    Route(method="GET", path="/v1/ops/players/{player_id}/wallet", handler=get_moves, summary="A player's ledger",
          auth=SEE, query=PlayerWalletQuery, reply=PlayerWalletReply, problems=READS),
    # Not kept for an Idempotency-Key: personal data stand in the answer and nowhere else.
    Route(method="POST", path="/v1/ops/players/{player_id}/reveal", handler=post_reveal,
          summary="Personal data, for a reason", auth=SERVE, body=WhyLook, reply=PersonalReply, problems=WRITES),
    Route(method="POST", path="/v1/ops/players/{player_id}/export", handler=post_export, summary="A player's own data",
          auth=SERVE, body=WhyLook, reply=dict[str, Any], problems=WRITES),
    Route(method="POST", path="/v1/ops/players/{player_id}/forget", handler=post_forget, summary="Forget a player",
          auth=SERVE, body=ForgetBody, status=204, problems=WRITES, idempotent=True),
)  # fmt: skip
