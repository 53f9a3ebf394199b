"""The player's own facts: read, consent to and withdraw, take along, delete."""

from datetime import datetime
from typing import Any, Literal

import pydantic
from aiohttp import web

from game.segments import INTERESTS
from server.api.appeals import AppealReply, ReasonReply, appeal_reply, reason_words
from server.edge.problems import Problem
from server.edge.wire import Reply, Route, Wire, json_bytes, rfc3339
from server.flows.check_player_text import check_player_text
from server.flows.export_player import export_player
from server.flows.forget_player import forget_player
from server.secrets import vault_of
from server.stores import cases, players
from server.stores.db import reading, transaction

AGE_BANDS = {"under_18": 16, "18-24": 21, "25-29": 27, "30-39": 35, "40-49": 45, "50-59": 55, "60+": 65}


class MeBody(Wire):
    """Facts to change. A fact that is given is consented to; null withdraws it together with the consent."""

    nickname: str | None = pydantic.Field(default=None, max_length=20)
    gender: Literal["female", "male", "other"] | None = None
    birth_year: int | None = pydantic.Field(default=None, ge=1900, le=2100)
    age_band: Literal["under_18", "18-24", "25-29", "30-39", "40-49", "50-59", "60+"] | None = None
    interests: list[str] | None = pydantic.Field(default=None, max_length=10)
    region: str | None = pydantic.Field(default=None, max_length=40)


class MeReply(Reply):
    """What the service knows of a player."""

    player_id: str
    nickname: str
    gender: str | None
    birth_year: int | None
    interests: list[str]
    region: str | None
    consent: dict[str, bool]
    standing: str
    standing_reasons: list[str]
    standing_words: list[ReasonReply]
    appeals: list[AppealReply]
    created_at: str


async def _me(call: Any, conn: Any) -> players.Player:
    player = await players.find(conn, call.who.player_id)
    if player is None:
        raise Problem("player_gone")
    return player


async def _reply(conn: Any, player: players.Player) -> dict[str, Any]:
    return {
        "player_id": str(player.player_id),
        "nickname": player.nickname,
        "gender": player.gender,
        "birth_year": player.birth_year,
        "interests": list(player.interests),
        "region": player.region,
        "consent": player.consent,
        "standing": player.standing,
        "standing_reasons": list(player.standing_reasons),
        "standing_words": reason_words(player.standing_reasons),
        "appeals": [appeal_reply(each) for each in await cases.appeals_of(conn, player.player_id)],
        "created_at": rfc3339(player.created_at),
    }


async def get_me(call: Any) -> dict[str, Any]:
    """The player's own facts."""
    async with reading(call.shell.engine) as conn:
        return await _reply(conn, await _me(call, conn))


async def patch_me(call: Any) -> dict[str, Any]:
    """Change facts; what is given is consented to, what is set to null is withdrawn."""
    given = call.body.model_fields_set
    shell = call.shell
    for field in ("nickname", "region"):
        if field in given:
            await check_player_text(
                shell.engine,
                shell.platforms.text_checks,
                vault_of(shell.config),
                player_id=call.who.player_id,
                text=getattr(call.body, field) or "",
                field=field,
            )
    async with transaction(call.shell.engine) as conn:
        player = await _me(call, conn)
        changes, consent = _changes(call.body, given, player, call.now)
        await players.update_facts(conn, player.player_id, {**changes, "consent": consent})
        return await _reply(conn, await _me(call, conn))


def _changes(
    body: MeBody, given: set[str], player: players.Player, now: datetime
) -> tuple[dict[str, Any], dict[str, bool]]:
    changes: dict[str, Any] = {}
    consent = dict(player.consent)
    if "nickname" in given:
        changes["nickname"] = body.nickname or ""
    for field in ("gender", "region"):
        if field in given:
            changes[field] = getattr(body, field)
            consent[field] = changes[field] is not None
    if "age_band" in given or "birth_year" in given:
        # A band is all that a rule needs; the middle of it stands for the year.
        year = body.birth_year if body.birth_year is not None else None
        if year is None and body.age_band is not None:
            year = now.year - AGE_BANDS[body.age_band]
        changes["birth_year"] = year
        consent["age"] = year is not None
    if "interests" in given:
        unknown = sorted(set(body.interests or ()) - set(INTERESTS))
        if unknown:
            raise Problem(
                "field_invalid",
                field="interests",
                params={"field_name": "interests", "problem": f"{unknown[0]} is unknown; use {', '.join(INTERESTS)}"},
            )
        changes["interests"] = sorted(set(body.interests or ()))
        consent["interests"] = bool(body.interests)
    return changes, consent


async def delete_me(call: Any) -> None:
    """Forget this player: identity and facts go, votes and book entries stay without anyone behind them."""
    async with transaction(call.shell.engine) as conn:
        await forget_player(conn, call.who.player_id, now=call.now)
    await call.shell.revocations.refresh(call.now)


async def get_export(call: Any) -> web.Response:
    """Everything that the service holds of this player, as one JSON file."""
    async with reading(call.shell.engine) as conn:
        document = await export_player(conn, call.who.player_id, vault=vault_of(call.shell.config), now=call.now)
    if document is None:
        raise Problem("player_gone")
    return web.Response(
        body=json_bytes(document),
        content_type="application/json",
        headers={"Content-Disposition": 'attachment; filename="my-xuankuan.json"'},
    )


ROUTES = (
    Route(method="GET", path="/v1/me", handler=get_me, summary="Own facts", reply=MeReply, problems=(401, 503)),
    # Neither platform's own request knows PATCH (wx.request, my.request), so the same is there under a name they have.
    *(
        Route(
            method=method,
            path="/v1/me",
            handler=patch_me,
            summary="Change own facts",
            body=MeBody,
            reply=MeReply,
            problems=(401, 413, 415, 422, 503),
        )
        for method in ("PATCH", "POST")
    ),
    Route(
        method="DELETE", path="/v1/me", handler=delete_me, summary="Delete the account", status=204, problems=(401, 503)
    ),
    Route(
        method="GET",
        path="/v1/me/export",
        handler=get_export,
        summary="Own data",
        reply=dict[str, Any],
        problems=(401, 503),
    ),
)
