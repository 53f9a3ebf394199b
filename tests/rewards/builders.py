"""Builders for the reward rules' tests: say only what matters to the case."""

import os
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from hypothesis import settings

from rewards import ledger
from rewards.budgets import Block
from rewards.economy import DEFAULT
from rewards.farm import Member, Tree, terms_of
from rewards.grants import Grant
from rewards.ledger import Reason, Transfer
from rewards.prizes import FulfilmentOrder, OrderState

NOON = datetime(2026, 6, 1, 4, tzinfo=UTC)  # twelve o'clock in Beijing
_numbers = count(1)


def an_id(number: int | None = None) -> UUID:
    """A new id, or always the same one for a number."""
    return UUID(int=(1 << 120) + (next(_numbers) if number is None else (1 << 60) + number))


MIA, TOM, ANN = an_id(1), an_id(2), an_id(3)


def a_transfer(**fields: Any) -> Transfer:
    values: dict[str, Any] = {
        "id": an_id(),
        "reason": Reason.PROGRAMME_FUNDED,
        "out_biz_no": str(an_id()),
        "debit": ledger.ISSUANCE,
        "credit": ledger.programme_budget(an_id(9)),
        "amount": 100,
        "at": NOON,
    }
    return Transfer(**(values | fields))


def a_grant(**fields: Any) -> Grant:
    values: dict[str, Any] = {
        "id": an_id(),
        "player_id": MIA,
        "kind": "per_vote",
        "amount_g": 10,
        "block_id": an_id(),
        "held_at": NOON,
        "settle_after": NOON + timedelta(seconds=5),
    }
    return Grant(**(values | fields))


def a_block(**fields: Any) -> Block:
    values: dict[str, Any] = {
        "id": an_id(),
        "budget": ledger.test_budget(an_id(5)),
        "offer_g": 10,
        "reserved_g": 1_000,
        "reserved_at": NOON,
        "lapses_at": NOON + timedelta(minutes=5),
        "releasable_at": NOON + timedelta(minutes=17),
    }
    return Block(**(values | fields))


def a_tree(*growers: UUID, **fields: Any) -> Tree:
    """A tree of Mia's, or of these growers; apples under the default economy."""
    economy = fields.pop("economy", DEFAULT)
    values: dict[str, Any] = {
        "id": an_id(),
        "terms": terms_of(fields.pop("variety", "apple"), economy),
        "members": tuple(Member(grower, NOON) for grower in growers or (MIA,)),
        "planted_at": NOON,
    }
    return Tree(**(values | fields))


def an_order(state: OrderState = OrderState.ADDRESS_NEEDED, **fields: Any) -> FulfilmentOrder:
    values: dict[str, Any] = {
        "id": an_id(),
        "player_id": MIA,
        "tree_id": an_id(),
        "variety": "apple",
        "box_g": 9_000,
        "box_cost_fen": 1_300,
        "state": state,
        "made_at": NOON,
        "moved_at": NOON,
        "delivered_at": NOON if state is OrderState.DELIVERED else None,
    }
    return FulfilmentOrder(**(values | fields))


ADDRESS = {
    "name": "林小美",
    "phone": "138 0013 8000",
    "province": "浙江省",
    "city": "杭州市",
    "district": "西湖区",
    "street": "文三路 1 号 2 单元 301",
}


DEEP = os.environ.get("XUANKUAN_DEEP") == "1"
law = settings(deadline=None, max_examples=2_000 if DEEP else 60)
"""How hard a law is tried: quickly by default, deeply with XUANKUAN_DEEP=1."""
