"""/ops/cases and /ops/appeals: suspicion with its evidence drawn, a person's word on it, and words for the player."""

import dataclasses
from typing import Any, Literal
from uuid import UUID

from aiohttp import web

from admin.api.ops_cases import (
    EACH_DRAWN,
    MOST_DRAWN,
    AppealsQuery,
    CasesQuery,
    case_file,
    get_appeals,
    get_cases,
    shown_of,
)
from admin.console.ops import drawings
from admin.console.ops.money_words import in_language
from admin.console.ops.page import ops_page
from admin.roles import May
from game.abuse.verdict import REASONS
from server.edge.problems import Problem
from server.edge.wire import Call, Route, wants_english
from server.stores import audit, cases, staff
from server.stores.db import reading

KIND_WORDS = {
    "player": ("单个玩家", "One player"),
    "group": ("关联账号", "Linked accounts"),
    "manual": ("人工", "By hand"),
}
CASE_STATE_WORDS = {"open": ("待处理", "Open"), "lifted": ("已撤销", "Lifted"), "upheld": ("已维持", "Upheld")}
STANDING_WORDS = {"trusted": ("正常", "Trusted"), "watched": ("观察", "Watched"), "muted": ("静音", "Muted")}
CASE_ACTS = {
    "case.open": ("立案", "opened"),
    "case.upheld": ("维持处理", "upheld"),
    "case.lifted": ("撤销处理", "lifted"),
    "case.propose_reversals": ("提出追回发放", "proposed to take payments back"),
    "case.reverse_payments": ("批准追回发放", "approved taking payments back"),
}
AppealChoice = Literal["open", "lifted", "upheld", "all"]


class CasesPageQuery(CasesQuery):
    """The open ones, unless others are asked for."""

    state: AppealChoice | None = "open"  # type: ignore[assignment]


class AppealsPageQuery(AppealsQuery):
    """The open ones, unless others are asked for."""

    state: AppealChoice | None = "open"  # type: ignore[assignment]


def words_of(table: dict[str, tuple[str, str]], call: Call) -> dict[str, str]:
    """One language of a table of words."""
    return in_language(table, english=wants_english(call.request))


def without_all(call: Call) -> Call:
    """The call with the API's own query: "all" is no state."""
    if call.query.state != "all":
        return call
    return dataclasses.replace(call, query=call.query.model_copy(update={"state": None}))


def case_words(call: Call) -> dict[str, Any]:
    """What pages about cases call things."""
    return {
        "kind_words": words_of(KIND_WORDS, call),
        "case_words": words_of(CASE_STATE_WORDS, call),
        "standing_words": words_of(STANDING_WORDS, call),
        "reason_words": words_of({code: (reason.zh, reason.en) for code, reason in REASONS.items()}, call),
        "short": lambda text: drawings.short(UUID(text)),
    }


async def get_cases_page(call: Call) -> web.Response:
    """Cases with filters, newest first."""
    told = await get_cases(without_all(call))
    return ops_page(call, "ops/cases.html", told=told, state=call.query.state, **case_words(call))


async def get_case_page(call: Call) -> web.Response:
    """A case with its evidence drawn, and what may be done about it."""
    english = wants_english(call.request)
    async with reading(call.shell.engine) as conn:
        case = await cases.find(conn, call.path_uuid("case_id"))
        if case is None:
            raise Problem("not_found")
        told = await case_file(conn, case)
        shown = await shown_of(conn, case.player_ids)
        history = await audit.lines(conn, object_id=case.case_id, limit=50)
        names = await staff.logins(conn, [UUID(one["proposed_by"]) for one in told["reversals"]])
    waiting = [one for one in told["reversals"] if one["reversal_id"] is None]
    return ops_page(
        call,
        "ops/case.html",
        case=told,
        drawn=[
            {
                "player_id": str(player_id),
                "drawings": [
                    drawings.timeline(answers, english=english),
                    drawings.side_runs(answers, english=english),
                    drawings.response_times(answers, shown.paces[player_id], english=english),
                ],
            }
            for player_id, answers in shown.answers.items()
        ],
        graph=drawings.linked_accounts(case.player_ids, shown.links, english=english),
        figures=figures_of(told["verdicts"]),
        more=max(0, len(case.player_ids) - MOST_DRAWN),
        each=EACH_DRAWN,
        history=history,
        waiting=waiting,
        proposers={str(user_id): login for user_id, login in names.items()},
        mine=any(one["proposed_by"] == str(call.who.user_id) for one in waiting),
        may_judge=call.who.may(May.JUDGE_CASES),
        may_move=call.who.may(May.MOVE_MONEY),
        acts=words_of(CASE_ACTS, call),
        **case_words(call),
    )


def figures_of(verdicts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The figures behind the newest verdict of review on each player, flat: signal, what it measures, value, and what
    the signal says in nats against honest."""
    rows = []
    seen = set()
    for verdict in verdicts:
        evidence = verdict["evidence"]
        if verdict["player_id"] in seen or "figures" not in evidence:
            continue
        seen.add(verdict["player_id"])
        for signal, measures in sorted(evidence["figures"].items()):
            told = ", ".join(f"{name} {value:g}" for name, value in sorted(measures.items()))
            rows.append(
                {
                    "player_id": verdict["player_id"],
                    "signal": signal,
                    "told": told,
                    "nats": evidence.get("nats", {}).get(signal),
                }
            )
    return rows


async def get_appeals_page(call: Call) -> web.Response:
    """Appeals, newest first, each with the form that answers it."""
    told = await get_appeals(without_all(call))
    return ops_page(
        call,
        "ops/appeals.html",
        told=told,
        state=call.query.state,
        may_judge=call.who.may(May.JUDGE_CASES),
        **case_words(call),
    )


SEE = May.SEE_CASES.value
ROUTES: tuple[Route, ...] = (
    Route(method="GET", path="/ops/cases", handler=get_cases_page, summary="Cases", auth=SEE, query=CasesPageQuery,
          media="text/html"),
    Route(method="GET", path="/ops/cases/{case_id}", handler=get_case_page, summary="A case", auth=SEE,
          media="text/html"),
    Route(method="GET", path="/ops/appeals", handler=get_appeals_page, summary="Appeals", auth=SEE,
          query=AppealsPageQuery, media="text/html"),
)  # fmt: skip
