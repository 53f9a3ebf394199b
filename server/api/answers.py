"""POST /v1/answers: any number of answers at once, in any order, safely repeated."""

from typing import Any

import pydantic

from game.judging import Answer
from server.edge.limits import Limit, retry_after_s
from server.edge.problems import Problem, problem_of
from server.edge.wire import Reply, Route, Wire, wants_english
from server.flows.cast_votes import Receipt, cast_votes

MAX_ANSWERS = 200
ANSWERS = Limit("answers", rate_per_s=5.0, burst=400)
DEVICE_ANSWERS = Limit("device-answers", rate_per_s=10.0, burst=800)
WHY_CHIPS = ("neckline", "colour", "sleeve", "length", "cut", "fabric", "pattern", "price", "style", "other")


class AnswerBody(Wire):
    """One answer: the ticket as it was dealt, the choice, and the time from both pictures visible to the tap."""

    ticket: str = pydantic.Field(max_length=400)
    choice: str = pydantic.Field(max_length=20)
    took_ms: int = 0
    why: tuple[str, ...] = pydantic.Field(default=(), max_length=len(WHY_CHIPS))


class AnswersBody(Wire):
    """Answers as they wait on the phone."""

    answers: list[AnswerBody] = pydantic.Field(max_length=MAX_ANSWERS)


class ReceiptReply(Reply):
    """What an answer came to."""

    matchup_id: str | None
    status: str
    code: str | None
    grant_g: int
    detail: str | None = None
    agreement: int | None = None


class PurseReply(Reply):
    """Grams that can be used, and grams that are promised and not settled yet."""

    available_g: int
    held_g: int


class ReceiptsReply(Reply):
    """One receipt for each answer, in the order sent."""

    receipts: list[ReceiptReply]
    fertilizer: PurseReply


async def post_answers(call: Any) -> dict[str, Any]:
    """Put answers on record; the receipts say what each came to."""
    shell, who, body = call.shell, call.who, call.body
    cost = max(1, len(body.answers))
    for limit, key in ((ANSWERS, who.player_id.hex), (DEVICE_ANSWERS, who.device.hex())):
        wait_s = await shell.limiter.wait_s(limit, key, call.now.timestamp(), cost=cost)
        if wait_s > 0:
            raise Problem("too_many", params={"retry_after_s": retry_after_s(wait_s)})
    receipts, fertilizer = await cast_votes(
        shell.desk,
        [
            Answer(
                answer.ticket, answer.choice, answer.took_ms, tuple(chip for chip in answer.why if chip in WHY_CHIPS)
            )
            for answer in body.answers
        ],
        keys=shell.config.ticket_keys,
        player_id=who.player_id,
        device=who.device,
        now=call.now,
    )
    shell.dealer.answered(
        who.player_id, [receipt.matchup.matchup_id for receipt in receipts if receipt.matchup is not None]
    )
    return {
        "receipts": [
            _receipt(call, receipt, answer.choice) for receipt, answer in zip(receipts, body.answers, strict=True)
        ],
        "fertilizer": {"available_g": fertilizer.available_g, "held_g": fertilizer.held_g},
    }


def _receipt(call: Any, receipt: Receipt, choice: str) -> dict[str, Any]:
    shell = call.shell
    problem = problem_of(receipt.refusal) if receipt.refusal is not None else None
    shell.metrics.answers.labels(receipt.status, problem.code if problem else "").inc()
    body: dict[str, Any] = {
        "matchup_id": str(receipt.matchup.matchup_id) if receipt.matchup else None,
        "status": receipt.status,
        "code": problem.code if problem else None,
        "grant_g": receipt.grant_g,
    }
    if problem is not None:
        body["detail"] = problem.detail(english=wants_english(call.request))
    elif receipt.matchup is not None:
        body["agreement"] = shell.dealer.agreement(receipt.matchup, choice)
    return body


ROUTES = (
    Route(
        method="POST",
        path="/v1/answers",
        handler=post_answers,
        summary="Answer matchups",
        body=AnswersBody,
        reply=ReceiptsReply,
        problems=(401, 413, 415, 422, 429, 503),
    ),
)
