"""The rules that players can rely on, those of them that concern rewards: each is a test with its name."""

import ast
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path

import pytest

import rewards
from rewards import farm, ledger
from rewards.budgets import Purse, Switches, must_be_on, releasable_g
from rewards.economy import DEFAULT, changed
from rewards.errors import NotReversible, RewardsSwitchedOff
from rewards.farm import GrowthStage
from rewards.grants import GrantState, VoidReason, hold, settle, void
from rewards.grants import HoldClass as Held
from rewards.kinds import KINDS
from rewards.ledger import IRREVERSIBLE, Book, Posting, Reason, reversal_of
from tests.rewards.builders import MIA, NOON, a_block, a_transfer, a_tree, an_id
from tests.rewards.test_farm import apply

SOURCES = sorted(Path(rewards.__file__).parent.rglob("*.py"))


def test_rule_1_exact_whole_grams_everywhere():
    """What is missing is the whole number of grams that is missing, to the last one; a share is never shown for it."""
    tree = a_tree(applied_g=8_999)
    assert (tree.missing_g, tree.ripe) == (1, False)
    done = apply(tree, wallet_g=1)
    assert (done.amount_g, done.tree.missing_g, done.tree.ripe) == (1, 0, True)
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            where = f"{source.name}:{getattr(node, 'lineno', 0)}"
            assert not (isinstance(node, ast.Constant) and isinstance(node.value, float)), f"a float in {where}"
            assert not (isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div)), f"/ in {where}"
            assert not (isinstance(node, ast.Name) and node.id == "float"), f"float in {where}"


def test_rule_2_requirement_and_caps_are_frozen_when_a_tree_is_planted():
    """Whatever the economy becomes, the tree goes by the figures of its planting day."""
    tree = a_tree()
    harder = changed(
        DEFAULT, {"apple.requirement_g": 20_000, "applications_per_day": 1, "application_g": 5, "daily_claim_g": 1}
    )
    assert a_tree(economy=harder).requirement_g == 20_000
    assert (tree.requirement_g, tree.terms.applications_per_day, tree.terms.daily_claim_g) == (9_000, 10, 30)
    assert apply(tree, times=10).amount_g == 500
    promised = {field.name for field in fields(farm.Terms)}
    assert {"box_g", "application_g", "applications_per_day", "paid_choices_per_day", "daily_claim_g"} <= promised


def test_rule_3_an_offer_is_honoured_although_its_test_is_stopped():
    """A switch and an ended test stop new offers; the grams of a dealt one stay reserved until it is paid."""
    block = a_block()
    purse = Purse(block=block, unoffered_g=block.reserved_g).offer(10, NOON)
    with pytest.raises(RewardsSwitchedOff):
        must_be_on(Switches(everything=True), kind="per_vote", test_id=block.budget.owner)
    assert purse.unoffered_g == 990
    last_moment = block.lapses_at + DEFAULT.ticket_life
    assert releasable_g(block, balance_g=1_000, held_g=0, now=last_moment) == 0
    grant = hold(
        grant_id=an_id(), player_id=MIA, kind="per_vote", amount_g=10, block_id=block.id, held_as=Held.NEW,
        now=last_moment, economy=DEFAULT,
    )  # fmt: skip
    much_later = block.releasable_at + timedelta(days=30)
    assert releasable_g(block, balance_g=1_000, held_g=10, now=much_later) == 990
    settled, transfer = settle(grant, transfer_id=an_id(), now=much_later)
    assert (settled.state, transfer.amount) == (GrantState.SETTLED, 10)


def test_rule_4_caps_are_checked_on_the_sum():
    """A batch of 5 at 199 of 200 applies 1, not 5."""
    tree = a_tree(economy=changed(DEFAULT, {"applications_per_day": 200, "apple.requirement_g": 100_000}))
    done = apply(tree, times=5, applied_today=199)
    assert (done.times, done.amount_g) == (1, 50)


def test_rule_5_nobody_is_throttled_silently_and_progress_is_never_taken_back():
    """A voided grant has a reason code; what reached a tree cannot be reversed; a tree's grams only grow."""
    grant = hold(
        grant_id=an_id(), player_id=MIA, kind="per_vote", amount_g=10, block_id=an_id(), held_as=Held.MUTED, now=NOON,
        economy=DEFAULT,
    )  # fmt: skip
    voided, _ = void(
        grant, budget=ledger.test_budget(an_id()), void_reason=VoidReason.ABUSE, transfer_id=an_id(), now=NOON
    )
    assert voided.void_reason == "abuse"
    assert Reason.FERTILIZER_APPLIED in IRREVERSIBLE
    applied = a_transfer(reason=Reason.FERTILIZER_APPLIED, debit=ledger.player(MIA), credit=ledger.tree(an_id()))
    with pytest.raises(NotReversible):
        reversal_of(applied, transfer_id=an_id(), now=NOON)
    joined = farm.join(a_tree(applied_g=179), player_id=an_id(), growing=None, now=NOON)
    assert (joined.applied_g, joined.stage) == (179, GrowthStage.SEED)


def test_rule_6_sending_anything_twice_late_or_out_of_order_counts_it_once():
    """A fact has one name, so the same facts in any order and number leave the same book."""

    def facts():
        return [a_transfer(out_biz_no=str(number), amount=10 + number) for number in range(4)]

    once, shuffled = Book(), Book()
    for transfer in facts():
        once.post(transfer)
    for transfer in [*facts()[::-1], *facts()]:
        shuffled.post(replace(transfer, at=NOON + timedelta(hours=3)))
    assert shuffled.balances == once.balances
    assert shuffled.post(facts()[2]) is Posting.EXISTS


def test_rule_7_no_reward_is_random_and_every_amount_is_known_beforehand():
    """No rule of reward draws anything; only the simulator has a generator, and no kind imports it."""
    for source in SOURCES:
        text = source.read_text(encoding="utf-8")
        if source.name != "simulate.py":
            assert "numpy" not in text
            assert "rng" not in text
    silent = {code for code, kind in KINDS.items() if not kind.figures(DEFAULT)}
    assert silent == {"restored"}  # which gives again exactly what was voided
