"""Review by people: cases with their evidence, appeals and answers, payments taken back by two, and merchants' staff."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Literal
from uuid import UUID

import pydantic

from admin.api.ops_pages import Filters
from admin.api.tests import cursor_of, read_cursor
from admin.roles import May
from game.errors import AppealAnswered, CaseClosed
from game.standing import SUGGESTION_WORDS, CaseState, Outcome, Suggestion, words_for
from server.edge.problems import Problem
from server.edge.wire import REQUEST_ID, Call, Reply, Route, Wire, rfc3339
from server.flows.answer_appeal import answer_appeal
from server.flows.judge_case import judge_case
from server.flows.link_player import link_text
from server.flows.reverse_payments import propose_reversals, reverse_payments
from server.ids import uuid7
from server.stores import audit, cases, evidence, players, standings, tests
from server.stores.cases import Appeal, Case
from server.stores.db import AsyncConnection, reading, transaction
from server.stores.evidence import Answer, Link, Pace
from server.stores.standings import Verdict

CHINA = timezone(timedelta(hours=8))
EACH_DRAWN, MOST_DRAWN = 400, 6
SEE, JUDGE, MONEY = May.SEE_CASES.value, May.JUDGE_CASES.value, May.MOVE_MONEY.value


class AppealsQuery(Filters):
    """Which page, and in which state (all, unless named)."""

    state: Literal["open", "lifted", "upheld"] | None = None
    cursor: str | None = pydantic.Field(default=None, max_length=200)
    limit: int = pydantic.Field(default=20, ge=1, le=100)


class CasesQuery(AppealsQuery):
    """Which page, in which state, of which kind, for which reason (all, unless named)."""

    kind: Literal["player", "group", "manual"] | None = None
    reason: str | None = pydantic.Field(default=None, max_length=40)


class ReasonReply(Reply):
    """A reason code with its sentence in both languages."""

    code: str
    zh: str
    en: str


class CaseReply(Reply):
    """A case: whom it is about, why it was opened, what review suggests, how it ended."""

    case_id: str
    kind: str
    state: str
    player_ids: list[str]
    reasons: list[ReasonReply]
    suggestion: ReasonReply
    opened_at: str
    opened_by: str
    judged_at: str | None
    judged_by: str | None
    note: str


class CasesReply(Reply):
    """A page of cases, newest first; `next` is the cursor of the page after it."""

    cases: list[CaseReply]
    next: str | None


class VerdictReply(Reply):
    """One verdict on record, with the figures behind it."""

    verdict_no: int
    player_id: str
    at: str
    who: str
    standing: str
    reasons: list[str]
    weight: float
    p_abusive: float
    votes: int
    evidence: dict[str, Any]


class PaymentReply(Reply):
    """Grams paid to a player of the case for a vote."""

    transfer_id: str
    player_id: str
    amount_g: int
    at: str
    reversed: bool


class ReversalReply(Reply):
    """A payment that one person proposed to take back, and what became of it."""

    transfer_id: str
    player_id: str
    amount_g: int
    proposed_by: str
    proposed_at: str
    approved_by: str | None
    approved_at: str | None
    reversal_id: str | None


class AppealReply(Reply):
    """An appeal as an operator sees it."""

    appeal_id: str
    player_id: str
    case_id: str | None
    state: str
    text: str
    at: str
    answer: str | None
    answered_at: str | None
    answered_by: str | None


class AppealsReply(Reply):
    """A page of appeals, newest first; `next` is the cursor of the page after it."""

    appeals: list[AppealReply]
    next: str | None


class CaseFileReply(CaseReply):
    """A case with all that an operator needs to judge it."""

    evidence: dict[str, Any]
    verdicts: list[VerdictReply]
    platform_risks: dict[str, list[dict[str, Any]]]
    payments: list[PaymentReply]
    reversals: list[ReversalReply]
    appeals: list[AppealReply]


class AnswerSeenReply(Reply):
    """One answer on record; `took_ms` is 0 where the client did not say."""

    test_id: str
    at: str
    choice: str
    took_ms: int


class PaceReply(Reply):
    """How long others took on the same tests: 10th, 50th and 90th percentile in ms, of so many answers."""

    low_ms: int
    median_ms: int
    high_ms: int
    answers: int


class PlayerEvidenceReply(Reply):
    """The newest answers of one player, oldest first."""

    player_id: str
    answers: list[AnswerSeenReply]
    others: PaceReply | None


class LinkReply(Reply):
    """That an account has a thing of this kind; the same number is the same thing, which nobody can read."""

    player_id: str
    kind: str
    number: int


class EvidenceReply(Reply):
    """What the drawings of a case are made of."""

    players: list[PlayerEvidenceReply]
    links: list[LinkReply]


class OpenBody(Wire):
    """A case that a person opens."""

    player_ids: list[UUID] = pydantic.Field(min_length=1, max_length=200)
    reasons: list[str] = pydantic.Field(min_length=1, max_length=6)
    note: str = pydantic.Field(min_length=4, max_length=500)


class JudgeBody(Wire):
    """A person's word on a case, and why. `seen`: the state in which it was looked at; another one is a refusal."""

    outcome: Literal["lifted", "upheld"]
    seen: Literal["open", "upheld"] | None = None
    note: str = pydantic.Field(min_length=4, max_length=500)


class JudgedReply(CaseReply):
    """The case as it ended, and the grams that came back to its players."""

    restored_g: int


class ProposeBody(Wire):
    """Payments to take back, and why. Moves nothing until another person approves."""

    transfer_ids: list[UUID] = pydantic.Field(min_length=1, max_length=500)
    note: str = pydantic.Field(min_length=4, max_length=500)


class ProposedReply(Reply):
    """How many payments are proposed anew."""

    proposed: int


class ApproveBody(Wire):
    """Why the second person agrees."""

    note: str = pydantic.Field(min_length=4, max_length=500)


class TakenBackReply(Reply):
    """What was taken back; `short` are payments whose grams have left the wallet: what fed a tree stays."""

    amount_g: int
    payments: int
    short: list[str]


class AnswerBody(Wire):
    """The answer that the player will read."""

    outcome: Literal["lifted", "upheld"]
    answer: str = pydantic.Field(min_length=4, max_length=500)


class AnsweredReply(AppealReply):
    """The appeal with its answer, and the grams that came back."""

    restored_g: int


class StaffLinkBody(Wire):
    """Somebody of a merchant's people: a device or payee as it was told, a phone number, or a player's id."""

    merchant_id: UUID
    kind: Literal["device", "phone", "payee", "player"]
    value: str = pydantic.Field(min_length=3, max_length=200)


class StaffLinkReply(Reply):
    """That it is known now; `new` unless it was before."""

    merchant_id: str
    kind: str
    new: bool


def case_reply(case: Case) -> dict[str, Any]:
    """A case as told."""
    zh, en = SUGGESTION_WORDS[Suggestion(case.suggestion)]
    return {
        "case_id": str(case.case_id),
        "kind": case.kind,
        "state": case.state.value,
        "player_ids": [str(player_id) for player_id in case.player_ids],
        "reasons": [{"code": one.code, "zh": one.zh, "en": one.en} for one in words_for(case.reasons)],
        "suggestion": {"code": case.suggestion, "zh": zh, "en": en},
        "opened_at": rfc3339(case.opened_at),
        "opened_by": case.opened_by,
        "judged_at": _moment(case.judged_at),
        "judged_by": case.judged_by,
        "note": case.note,
    }


def _moment(at: datetime | None) -> str | None:
    return rfc3339(at) if at is not None else None


def verdict_reply(verdict: Verdict) -> dict[str, Any]:
    """A verdict as told."""
    return {
        "verdict_no": verdict.verdict_no,
        "player_id": str(verdict.player_id),
        "at": rfc3339(verdict.at),
        "who": verdict.who,
        "standing": verdict.opinion.standing,
        "reasons": list(verdict.opinion.reasons),
        "weight": verdict.opinion.weight,
        "p_abusive": verdict.opinion.p_abusive,
        "votes": verdict.votes,
        "evidence": verdict.evidence,
    }


def appeal_reply(appeal: Appeal) -> dict[str, Any]:
    """An appeal as an operator sees it."""
    return {
        "appeal_id": str(appeal.appeal_id),
        "player_id": str(appeal.player_id),
        "case_id": str(appeal.case_id) if appeal.case_id else None,
        "state": appeal.state.value,
        "text": appeal.text,
        "at": rfc3339(appeal.at),
        "answer": appeal.answer,
        "answered_at": _moment(appeal.answered_at),
        "answered_by": appeal.answered_by,
    }


def _state(call: Call) -> CaseState | None:
    return CaseState(call.query.state) if call.query.state else None


async def get_cases(call: Call) -> dict[str, Any]:
    """Cases, newest first."""
    before = read_cursor(call.query.cursor) if call.query.cursor else None
    async with reading(call.shell.engine) as conn:
        found = await cases.page(
            conn, state=_state(call), kind=call.query.kind, reason=call.query.reason, before=before,
            limit=call.query.limit,
        )  # fmt: skip
    more = len(found) == call.query.limit
    return {
        "cases": [case_reply(case) for case in found],
        "next": cursor_of(found[-1].opened_at, found[-1].case_id) if more else None,
    }


async def get_case(call: Call) -> dict[str, Any]:
    """A case with verdicts, figures, payments, appeals and what the platforms said."""
    async with reading(call.shell.engine) as conn:
        case = await cases.find(conn, call.path_uuid("case_id"))
        if case is None:
            raise Problem("not_found")
        return await case_file(conn, case)


async def case_file(conn: AsyncConnection, case: Case) -> dict[str, Any]:
    """A case with all that an operator needs to judge it."""
    verdicts = [one for player_id in case.player_ids for one in await standings.verdicts_on(conn, player_id, limit=20)]
    appeals = [one for player_id in case.player_ids for one in await cases.appeals_of(conn, player_id)]
    risks = await standings.risks_of(conn, case.player_ids)
    return {
        **case_reply(case),
        "evidence": case.evidence,
        "verdicts": [verdict_reply(one) for one in verdicts],
        "platform_risks": {
            str(player_id): [
                {"platform": risk.platform, "level": risk.level, "rank": risk.rank, "at": rfc3339(risk.at)}
                for risk in said
            ]
            for player_id, said in risks.items()
        },
        "payments": [
            {
                "transfer_id": str(one.transfer_id),
                "player_id": str(one.player_id),
                "amount_g": one.amount_g,
                "at": rfc3339(one.at),
                "reversed": one.reversed,
            }
            for one in await cases.payments_to(conn, case.player_ids)
        ],
        "reversals": [
            {
                "transfer_id": str(one.transfer_id),
                "player_id": str(one.player_id),
                "amount_g": one.amount_g,
                "proposed_by": str(one.proposed_by),
                "proposed_at": rfc3339(one.proposed_at),
                "approved_by": str(one.approved_by) if one.approved_by else None,
                "approved_at": _moment(one.approved_at),
                "reversal_id": str(one.reversal_id) if one.reversal_id else None,
            }
            for one in await cases.reversals_of(conn, case.case_id)
        ],
        "appeals": [appeal_reply(one) for one in appeals],
    }


@dataclass(frozen=True, slots=True)
class Shown:
    """What a case is drawn from."""

    answers: dict[UUID, list[Answer]]
    paces: dict[UUID, Pace | None]
    links: list[Link]


async def shown_of(conn: AsyncConnection, player_ids: Sequence[UUID]) -> Shown:
    """The newest answers of the first few players of a case, the pace of others on the same tests, and all links."""
    drawn = player_ids[:MOST_DRAWN]
    answers = await evidence.answers_of(conn, drawn, each=EACH_DRAWN)
    paces = {}
    for player_id, own in answers.items():
        recent = list(dict.fromkeys(one.test_id for one in reversed(own)))[:5]
        paces[player_id] = await evidence.pace_of_others(conn, recent, player_ids)
    return Shown(answers, paces, await evidence.links_of(conn, player_ids))


async def get_evidence(call: Call) -> dict[str, Any]:
    """What the drawings of a case are made of: answers one by one, the pace of others, links as numbered things."""
    async with reading(call.shell.engine) as conn:
        case = await cases.find(conn, call.path_uuid("case_id"))
        if case is None:
            raise Problem("not_found")
        shown = await shown_of(conn, case.player_ids)
    numbers: dict[tuple[str, bytes], int] = {}
    return {
        "players": [
            {
                "player_id": str(player_id),
                "answers": [
                    {
                        "test_id": str(one.test_id),
                        "at": rfc3339(one.at),
                        "choice": one.choice.word,
                        "took_ms": one.took_ms,
                    }
                    for one in own
                ],
                "others": dataclasses.asdict(pace) if (pace := shown.paces[player_id]) else None,
            }
            for player_id, own in shown.answers.items()
        ],
        "links": [
            {
                "player_id": str(link.player_id),
                "kind": link.kind,
                "number": numbers.setdefault((link.kind, link.thing), len(numbers) + 1),
            }
            for link in shown.links
        ],
    }


async def post_cases(call: Call) -> dict[str, Any]:
    """Open a case by hand. It changes nobody's standing: judging it does."""
    body = call.body
    async with transaction(call.shell.engine) as conn:
        known = await standings.known_of(conn, body.player_ids)
        if len(known) < len(set(body.player_ids)):
            raise Problem("not_found")
        case_id = await cases.open_case(
            conn,
            case_id=uuid7(),
            kind="manual",
            player_ids=body.player_ids,
            opened_by=call.who.name,
            reasons=body.reasons,
            suggestion=Suggestion.LOOK.value,
            evidence={"note": body.note},
            now=call.now,
        )
        if case_id is None:
            raise Problem("case_exists")
        await audit.write(
            conn,
            who=call.who.name,
            what="case.open",
            object_id=case_id,
            after={"player_ids": [str(one) for one in body.player_ids], "reasons": body.reasons},
            why=body.note,
            now=call.now,
            request_id=call.request[REQUEST_ID],
        )
        case = await cases.find(conn, case_id)
    assert case is not None
    return case_reply(case)


OUTCOME_WORDS = {"lifted": ("撤销了处理", "lifted it"), "upheld": ("维持了处理", "upheld it")}


def first_was(code: str, state: str, who: str | None, at: datetime | None, note: str | None) -> Problem:
    """The refusal of whoever came second: what the first one did, when, and in which words."""
    zh, en = OUTCOME_WORDS.get(state, (state, state))
    moment = at.astimezone(CHINA).strftime("%m-%d %H:%M") if at else ""
    return Problem(
        code,
        sentence=f'{who} {en} at {moment} (China time): "{note}". Reload the page; new evidence is a new case.',
        sentence_zh=f"{who} 已在 {moment} {zh}:“{note}”。请刷新页面;有新证据请另开一案。",
        extra={"state": state, "by": who, "at": _moment(at), "note": note},
    )


async def post_judgement(call: Call) -> dict[str, Any]:
    """Lift or uphold; lifting gives back what was voided or reversed. Who comes second is told what the first did."""
    case_id = call.path_uuid("case_id")
    try:
        async with transaction(call.shell.engine) as conn:
            judged = await judge_case(
                conn,
                case_id,
                Outcome(call.body.outcome),
                who=call.who.name,
                note=call.body.note,
                economy=call.shell.economy,
                now=call.now,
                request_id=call.request[REQUEST_ID],
                seen=CaseState(call.body.seen) if call.body.seen else None,
            )
    except CaseClosed as closed:
        async with reading(call.shell.engine) as conn:
            case = await cases.find(conn, case_id)
        assert case is not None
        raise first_was(closed.code, case.state.value, case.judged_by, case.judged_at, case.note) from closed
    if judged is None:
        raise Problem("not_found")
    return {**case_reply(judged.case), "restored_g": judged.restored_g}


async def post_reversals(call: Call) -> dict[str, Any]:
    """Propose payments for reversal: the first of two persons."""
    async with transaction(call.shell.engine) as conn:
        proposed = await propose_reversals(
            conn,
            call.path_uuid("case_id"),
            call.body.transfer_ids,
            proposer=call.who.user_id,
            who=call.who.name,
            note=call.body.note,
            now=call.now,
            request_id=call.request[REQUEST_ID],
        )
    if proposed is None:
        raise Problem("not_found")
    return {"proposed": proposed}


async def post_approval(call: Call) -> dict[str, Any]:
    """Approve what another person proposed; the books get one reversal for each payment."""
    async with transaction(call.shell.engine) as conn:
        taken = await reverse_payments(
            conn,
            call.path_uuid("case_id"),
            approver=call.who.user_id,
            who=call.who.name,
            note=call.body.note,
            now=call.now,
            request_id=call.request[REQUEST_ID],
        )
    if taken is None:
        raise Problem("not_found")
    return {"amount_g": taken.amount_g, "payments": taken.payments, "short": [str(one) for one in taken.short]}


async def get_appeals(call: Call) -> dict[str, Any]:
    """Appeals, newest first."""
    before = read_cursor(call.query.cursor) if call.query.cursor else None
    async with reading(call.shell.engine) as conn:
        found = await cases.appeals_page(conn, state=_state(call), before=before, limit=call.query.limit)
    more = len(found) == call.query.limit
    return {
        "appeals": [appeal_reply(appeal) for appeal in found],
        "next": cursor_of(found[-1].at, found[-1].appeal_id) if more else None,
    }


async def post_answer(call: Call) -> dict[str, Any]:
    """Answer an appeal in words that the player will read. Who comes second is told what the first answered."""
    appeal_id = call.path_uuid("appeal_id")
    try:
        async with transaction(call.shell.engine) as conn:
            answered = await answer_appeal(
                conn,
                appeal_id,
                Outcome(call.body.outcome),
                answer=call.body.answer,
                who=call.who.name,
                economy=call.shell.economy,
                now=call.now,
                request_id=call.request[REQUEST_ID],
            )
    except AppealAnswered as closed:
        async with reading(call.shell.engine) as conn:
            appeal = await cases.find_appeal(conn, appeal_id)
        assert appeal is not None
        raise first_was(
            closed.code, appeal.state.value, appeal.answered_by, appeal.answered_at, appeal.answer
        ) from closed
    if answered is None:
        raise Problem("not_found")
    return {**appeal_reply(answered.appeal), "restored_g": answered.restored_g}


async def post_staff_link(call: Call) -> dict[str, Any]:
    """Note one of a merchant's people, who is then never dealt that merchant's tests. Only a keyed hash is kept."""
    body, shell = call.body, call.shell
    async with transaction(shell.engine) as conn:
        if await tests.merchant_name(conn, body.merchant_id) is None:
            raise Problem("not_found")
        if body.kind == "player":
            digest = _player_id(body.value).bytes
            if await players.find(conn, UUID(bytes=digest)) is None:
                raise Problem("not_found")
        else:
            digest = shell.vault.digest(link_text(body.kind, body.value))
        new = await standings.link_staff(
            conn, body.merchant_id, kind=body.kind, digest=digest, added_by=call.who.name, now=call.now
        )
        if new:
            await audit.write(
                conn,
                who=call.who.name,
                what="merchant.link_staff",
                object_id=body.merchant_id,
                after={"kind": body.kind},
                now=call.now,
                request_id=call.request[REQUEST_ID],
            )
    return {"merchant_id": str(body.merchant_id), "kind": body.kind, "new": new}


def _player_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Problem(
            "field_invalid", field="value", params={"field_name": "value", "problem": "send the player's id"}
        ) from None


_READ = (401, 403, 404, 422, 503)
_WRITE = (401, 403, 404, 409, 413, 415, 422, 503)
ROUTES = (
    Route(
        method="GET", path="/v1/ops/cases", handler=get_cases, summary="Cases", auth=SEE, query=CasesQuery,
        reply=CasesReply, problems=(401, 403, 422, 503),
    ),
    Route(
        method="POST", path="/v1/ops/cases", handler=post_cases, summary="Open a case", auth=JUDGE, body=OpenBody,
        reply=CaseReply, status=201, problems=_WRITE, idempotent=True,
    ),
    Route(
        method="GET", path="/v1/ops/cases/{case_id}", handler=get_case, summary="A case with its evidence", auth=SEE,
        reply=CaseFileReply, problems=_READ,
    ),
    Route(
        method="GET", path="/v1/ops/cases/{case_id}/evidence", handler=get_evidence,
        summary="What a case is drawn from", auth=SEE, reply=EvidenceReply, problems=_READ,
    ),
    Route(
        method="POST", path="/v1/ops/cases/{case_id}/judge", handler=post_judgement, summary="Judge a case",
        auth=JUDGE, body=JudgeBody, reply=JudgedReply, problems=_WRITE, idempotent=True,
    ),
    Route(
        method="POST", path="/v1/ops/cases/{case_id}/reversals", handler=post_reversals,
        summary="Propose payments to take back", auth=JUDGE, body=ProposeBody, reply=ProposedReply, status=201,
        problems=_WRITE, idempotent=True,
    ),
    Route(
        method="POST", path="/v1/ops/cases/{case_id}/reversals/approve", handler=post_approval,
        summary="Approve what another person proposed", auth=MONEY, body=ApproveBody, reply=TakenBackReply,
        problems=_WRITE, idempotent=True,
    ),
    Route(
        method="GET", path="/v1/ops/appeals", handler=get_appeals, summary="Appeals", auth=SEE, query=AppealsQuery,
        reply=AppealsReply, problems=(401, 403, 422, 503),
    ),
    Route(
        method="POST", path="/v1/ops/appeals/{appeal_id}/answer", handler=post_answer, summary="Answer an appeal",
        auth=JUDGE, body=AnswerBody, reply=AnsweredReply, problems=_WRITE, idempotent=True,
    ),
    Route(
        method="POST", path="/v1/ops/staff-links", handler=post_staff_link, summary="Note a merchant's people",
        auth=May.MANAGE_MERCHANTS.value, body=StaffLinkBody, reply=StaffLinkReply, status=201, problems=_WRITE,
        idempotent=True,
    ),
)  # fmt: skip
