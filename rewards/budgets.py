"""Budgets: what a test or the programme may promise; nothing is promised that was not reserved before.

    merchant (fen) -> test escrow (fen) -> platform, vote by vote; the rest back to the merchant
    issuance (g)   -> test budget -> reservation of a block -> player, grant by grant; the rest back

A block is a process's own purse: it deals offers against the block in memory, so no two processes ever share a row.
A dead process's block is given back by anyone, once the last ticket that can have been dealt from it has expired.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID

from rewards import ledger
from rewards.economy import Economy
from rewards.errors import BlockLapsed, BudgetExhausted, BudgetTooSmall, RewardsSwitchedOff
from rewards.ledger import Account, AccountKind, Reason, Transfer


@dataclass(frozen=True, slots=True)
class Rate:
    """What merchants pay: so many fen for so many grams given. A fraction, never a float: 3 fen to 10 g by default."""

    fen: int
    grams: int

    def grams_for(self, budget_fen: int) -> int:
        """The most grams whose charge does not exceed this money."""
        return budget_fen * self.grams // self.fen

    def charge_fen(self, settled_g: int) -> int:
        """What so many settled grams cost together, rounded up once: charge the difference of two such sums."""
        return -(-settled_g * self.fen // self.grams)


def rate_of(economy: Economy) -> Rate:
    """The programme's rate: the price of a vote for the grams of a choice."""
    return Rate(economy.vote_price_fen, economy.choice_g)


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """A test's money turned into grams: `votes` whole votes; what is left over buys nothing and returns at the end."""

    budget_fen: int
    budget_g: int
    votes: int
    rate: Rate


def buy(budget_fen: int, economy: Economy) -> Purchase:
    """What a budget buys: whole votes only, so that the last one is paid in full.

    Raises `BudgetTooSmall`.
    """
    rate = rate_of(economy)
    votes = rate.grams_for(budget_fen) // economy.choice_g if budget_fen > 0 else 0
    if votes < 1:
        raise BudgetTooSmall(budget_fen=budget_fen, price_fen=economy.vote_price_fen)
    return Purchase(budget_fen=budget_fen, budget_g=votes * economy.choice_g, votes=votes, rate=rate)


def funding(
    purchase: Purchase,
    *,
    test_id: UUID,
    merchant_id: UUID,
    part: int,
    fen_transfer_id: UUID,
    grams_transfer_id: UUID,
    now: datetime,
) -> tuple[Transfer, Transfer]:
    """The two transfers of a launch (part 0) or of the n-th top-up: money into escrow, grams into the test's budget."""
    out_biz_no = str(test_id) if part == 0 else f"{test_id}:{part}"
    return (
        Transfer(
            id=fen_transfer_id,
            reason=Reason.TEST_FUNDED,
            out_biz_no=out_biz_no,
            debit=ledger.merchant(merchant_id),
            credit=ledger.test_escrow(test_id),
            amount=purchase.budget_fen,
            at=now,
        ),
        Transfer(
            id=grams_transfer_id,
            reason=Reason.GRAMS_BOUGHT,
            out_biz_no=out_biz_no,
            debit=ledger.ISSUANCE,
            credit=ledger.test_budget(test_id),
            amount=purchase.budget_g,
            at=now,
        ),
    )


def charge(
    *, test_id: UUID, settled_before_g: int, settled_after_g: int, rate: Rate, transfer_id: UUID, now: datetime
) -> Transfer | None:
    """What the votes settled since the last charge cost the merchant; None when that is nothing yet.

    The sum of all charges is exactly `rate.charge_fen(all settled grams)`, however the votes were cut into batches.
    """
    assert 0 <= settled_before_g <= settled_after_g
    amount_fen = rate.charge_fen(settled_after_g) - rate.charge_fen(settled_before_g)
    if amount_fen == 0:
        return None
    return Transfer(
        id=transfer_id,
        reason=Reason.VOTES_CHARGED,
        out_biz_no=f"{test_id}:{settled_after_g}",
        debit=ledger.test_escrow(test_id),
        credit=ledger.PLATFORM,
        amount=amount_fen,
        at=now,
    )


def refund(
    *,
    test_id: UUID,
    merchant_id: UUID,
    part: int,
    escrow_fen: int,
    budget_g: int,
    settled_g: int,
    promised_g: int,
    rate: Rate,
    fen_transfer_id: UUID,
    grams_transfer_id: UUID,
    now: datetime,
) -> tuple[Transfer, ...]:
    """What returns to the merchant of a test that is over: none, one or two transfers; `part` counts them from 0.

    At the decision everything returns but the price of what is still promised (`promised_g`: in blocks and held
    grants); as that is settled or released, further parts return, until both balances are zero. The sum is exact:
    the merchant has then paid `rate.charge_fen(settled_g)` and not one fen more.
    """
    kept_fen = rate.charge_fen(settled_g + promised_g) - rate.charge_fen(settled_g)
    refund_fen = escrow_fen - kept_fen
    assert refund_fen >= 0, f"escrow of {escrow_fen} fen for promises of {kept_fen}"
    out_biz_no = f"{test_id}:{part}"
    transfers: list[Transfer] = []
    if refund_fen:
        transfers.append(
            Transfer(
                id=fen_transfer_id,
                reason=Reason.TEST_REFUNDED,
                out_biz_no=out_biz_no,
                debit=ledger.test_escrow(test_id),
                credit=ledger.merchant(merchant_id),
                amount=refund_fen,
                at=now,
            )
        )
    if budget_g:
        transfers.append(
            Transfer(
                id=grams_transfer_id,
                reason=Reason.GRAMS_RETURNED,
                out_biz_no=out_biz_no,
                debit=ledger.test_budget(test_id),
                credit=ledger.ISSUANCE,
                amount=budget_g,
                at=now,
            )
        )
    return tuple(transfers)


# --- blocks ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A reservation out of one budget: offers are made until `lapses_at`, the rest is given back from `releasable_at`.

    The difference is the life of the last ticket and a grace for answers that are on their way into the database.
    `offer_g` is what one offer takes: what a choice was worth when the budget was bought, whatever it is worth by now.
    """

    id: UUID
    budget: Account
    offer_g: int
    reserved_g: int
    reserved_at: datetime
    lapses_at: datetime
    releasable_at: datetime


def block_size_g(budget_left_g: int, economy: Economy) -> int:
    """How much the next block takes: its usual size, or a quarter of what is left when that is less; whole offers.

    The quarter keeps several processes from each hoarding the end of a budget. 0 when not one offer is left.
    """
    usual, quarter, left = (g // economy.choice_g for g in (economy.block_g, budget_left_g // 4, budget_left_g))
    return min(max(quarter, 1), max(usual, 1), left) * economy.choice_g


def reserve(
    *, block_id: UUID, budget: Account, wanted_g: int, left_g: int, transfer_id: UUID, now: datetime, economy: Economy
) -> tuple[Block, Transfer]:
    """A block and its transfer. The database refuses the transfer too, should another process have been quicker.

    Raises `BudgetExhausted`.
    """
    assert budget.kind in (AccountKind.TEST_BUDGET, AccountKind.PROGRAMME_BUDGET)
    if wanted_g > left_g:
        raise BudgetExhausted(left_g=left_g, wanted_g=wanted_g)
    lapses_at = now + economy.block_life
    block = Block(
        id=block_id,
        budget=budget,
        offer_g=economy.choice_g,
        reserved_g=wanted_g,
        reserved_at=now,
        lapses_at=lapses_at,
        releasable_at=lapses_at + economy.ticket_life + economy.block_grace,
    )
    transfer = Transfer(
        id=transfer_id,
        reason=Reason.BLOCK_RESERVED,
        out_biz_no=str(block_id),
        debit=budget,
        credit=ledger.reservation(block_id),
        amount=wanted_g,
        at=now,
    )
    return block, transfer


@dataclass(frozen=True, slots=True, kw_only=True)
class Purse:
    """What one process knows of its own block: how much of it is not offered yet.

    An offer that ran out unanswered is not offered again from here: that is only safe once nobody can answer it any
    more, and then the whole block goes back anyway.
    """

    block: Block
    unoffered_g: int

    def offer(self, amount_g: int, now: datetime) -> "Purse":
        """The purse after one more offer.

        Raises `BlockLapsed` and `BudgetExhausted`.
        """
        assert amount_g > 0
        if now >= self.block.lapses_at:
            raise BlockLapsed(block_id=self.block.id, lapses_at=self.block.lapses_at)
        if amount_g > self.unoffered_g:
            raise BudgetExhausted(left_g=self.unoffered_g, wanted_g=amount_g)
        return replace(self, unoffered_g=self.unoffered_g - amount_g)


def releasable_g(block: Block, *, balance_g: int, held_g: int, now: datetime) -> int:
    """How much of a block's balance nobody can claim: nothing while a ticket can live, then all but the held grants.

    A settled grant has left the balance, a voided one goes back to the budget by itself. What is still held stays.
    """
    assert 0 <= held_g <= balance_g, f"block {block.id} holds {balance_g} g for {held_g} g of promises"
    return 0 if now < block.releasable_at else balance_g - held_g


def release(
    block: Block, *, balance_g: int, held_g: int, part: int, transfer_id: UUID, now: datetime
) -> Transfer | None:
    """The transfer that gives back what is releasable, None when that is nothing; `part` counts from 0."""
    amount_g = releasable_g(block, balance_g=balance_g, held_g=held_g, now=now)
    if amount_g == 0:
        return None
    return Transfer(
        id=transfer_id,
        reason=Reason.BLOCK_RELEASED,
        out_biz_no=f"{block.id}:{part}",
        debit=ledger.reservation(block.id),
        credit=block.budget,
        amount=amount_g,
        at=now,
    )


# --- caps, alerts, switches ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """What may be promised at most, in grams; None is no cap. Counted on what is reserved, not on what is paid."""

    day_g: int | None = None
    total_g: int | None = None


def left_under(caps: Caps, *, reserved_today_g: int, reserved_total_g: int) -> int | None:
    """How much more may be reserved, None without a cap, never below zero."""
    rests = [
        cap - used
        for cap, used in ((caps.day_g, reserved_today_g), (caps.total_g, reserved_total_g))
        if cap is not None
    ]
    return max(0, min(rests)) if rests else None


def over_alert(*, used: int, cap: int, economy: Economy) -> bool:
    """Whether the soft alert sounds: at 80 % of a cap by default. Nothing stops because of it."""
    return used * 1000 >= cap * economy.alert_permille


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """The kill switches: all rewards, one test's, one kind's. They stop new offers; what is promised is settled."""

    everything: bool = False
    tests: frozenset[UUID] = frozenset()
    kinds: frozenset[str] = frozenset()


def must_be_on(switches: Switches, *, kind: str, test_id: UUID | None = None) -> None:
    """Raises `RewardsSwitchedOff` naming the switch, when one of them forbids a new offer of this kind."""
    if switches.everything:
        raise RewardsSwitchedOff(switch="all")
    if test_id is not None and test_id in switches.tests:
        raise RewardsSwitchedOff(switch=f"test {test_id}")
    if kind in switches.kinds:
        raise RewardsSwitchedOff(switch=f"kind {kind}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayerDay:
    """What one player was offered and paid on one programme day, for the caps of that day."""

    player_id: UUID
    day: date
    choices: int = 0


def paid_choices_left(today: PlayerDay, *, wallet_g: int, held_g: int, cap: int, economy: Economy) -> int:
    """How many more paid matchups this player may be dealt today: under the day's cap, and with room in the wallet.

    The cap binds what is dealt. An offer that was dealt is paid, should the wallet stand above its cap by then.
    """
    by_day = cap - today.choices
    by_wallet = room_left_g(wallet_g=wallet_g, promised_g=held_g, economy=economy) // economy.choice_g
    return max(0, min(by_day, by_wallet))


def room_left_g(*, wallet_g: int, promised_g: int, economy: Economy) -> int:
    """How many more grams may be offered to a player whose wallet holds so many, with so many on their way."""
    return max(0, economy.wallet_cap_g - wallet_g - promised_g)
