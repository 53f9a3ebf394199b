"""Laws of prizes: no box is promised twice, an order moves only forward and by whom it may, bad files harm nothing."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards import prizes
from rewards.economy import DEFAULT
from rewards.errors import (
    AddressIncomplete,
    AddressIsFixed,
    AddressTooLong,
    CarrierFileUnreadable,
    DamageTextTooLong,
    NotASubstitute,
    NothingToReport,
    NotThisMove,
    NotYourMove,
    OutOfStock,
    PhoneUnreadable,
    ReportedBefore,
    RewardsRefusal,
)
from rewards.prizes import (
    EVERYWHERE,
    MOVES,
    CarrierRow,
    DamageState,
    Mover,
    OrderState,
    RowProblem,
    RowResult,
    Stock,
    move,
)
from tests.rewards.builders import ADDRESS, NOON, a_tree, an_id, an_order, law

S = OrderState

# --- stock ----------------------------------------------------------------------------------------


def stock(week="2026-W23", region=EVERYWHERE, boxes=1, taken=0, variety="apple"):
    return Stock(variety=variety, region=region, week=week, boxes=boxes, taken=taken)


def choose(*stocks, region="华东", from_week="2026-W23"):
    return prizes.choose_stock(stocks, variety="apple", region=region, from_week=from_week)


def test_boxes_are_reserved_at_eighty_percent_growth():
    assert not a_tree(applied_g=7_199).reserves_prize
    assert a_tree(applied_g=7_200).reserves_prize


def test_the_earliest_week_and_ones_own_region_come_first():
    early, late, own = stock(week="2026-W24"), stock(week="2026-W25"), stock(week="2026-W24", region="华东")
    assert choose(late, early) == early
    assert choose(early, own, late) == own


def test_no_box_comes_from_another_region_an_earlier_week_or_an_empty_shelf():
    with pytest.raises(OutOfStock):
        choose(stock(region="华南"), stock(week="2026-W22"), stock(taken=1), stock(variety="pear"))


@law
@given(st.dates(date(2020, 1, 1), date(2040, 12, 31)), st.dates(date(2020, 1, 1), date(2040, 12, 31)))
def test_weeks_sort_as_their_days_do(one, other):
    if one <= other:
        assert prizes.week_of(one) <= prizes.week_of(other)


def test_a_substitute_is_in_stock_and_worth_no_less():
    offered = prizes.substitutes(
        [stock(variety="pear"), stock(variety="mandarin", taken=1)],
        variety="apple",
        box_cost_fen=1_300,
        region="华东",
        from_week="2026-W23",
        varieties=DEFAULT.varieties,
    )
    assert [one.code for one in offered] == ["pear"]
    waiting = an_order(S.BACK_ORDERED)
    assert prizes.substitute(waiting, chosen="pear", offered=offered).variety == "pear"
    with pytest.raises(NotASubstitute):
        prizes.substitute(waiting, chosen="mandarin", offered=offered)
    with pytest.raises(NotThisMove):
        prizes.substitute(an_order(S.PENDING), chosen="pear", offered=offered)


# --- orders ---------------------------------------------------------------------------------------


@law
@given(st.sampled_from(S), st.sampled_from(S), st.sampled_from(Mover))
def test_an_order_moves_only_as_the_table_says_and_by_whom(state, target, mover):
    order = an_order(state)
    movers = MOVES.get((state, target))
    if movers is None:
        with pytest.raises(NotThisMove):
            move(order, target=target, mover=mover, now=NOON)
    elif mover not in movers:
        with pytest.raises(NotYourMove):
            move(order, target=target, mover=mover, now=NOON)
    else:
        assert move(order, target=target, mover=mover, now=NOON).state is target


@pytest.mark.parametrize(
    ("state", "target"),
    [(S.SHIPPED, S.ORDERED), (S.DELIVERED, S.SHIPPED), (S.ORDERED, S.PENDING), (S.COMPENSATED, S.PENDING)],
)
def test_an_order_does_not_move_backwards(state, target):
    with pytest.raises(NotThisMove):
        move(an_order(state), target=target, mover=Mover.FULFILMENT, now=NOON)


def test_every_order_can_still_come_to_an_end():
    ends = {S.DELIVERED, S.CANCELLED, S.COMPENSATED}
    for state in S:
        seen, todo = {state}, [state]
        while todo:
            here = todo.pop()
            todo += [target for (source, target) in MOVES if source is here and target not in seen]
            seen.update(todo)
        assert seen & ends


def test_no_machine_and_no_office_cancels_what_a_player_has_grown():
    assert all(movers == {Mover.PLAYER} for (_, target), movers in MOVES.items() if target is S.CANCELLED)


# --- addresses ------------------------------------------------------------------------------------


def test_an_address_is_tidied():
    address = prizes.read_address(ADDRESS | {"street": "  文三路\n1 号 \t 2 单元 "})
    assert address.phone == "13800138000"
    assert address.street == "文三路 1 号 2 单元"


@pytest.mark.parametrize("field", ["name", "phone", "province", "city", "street"])
def test_an_address_without_a_field_says_which(field):
    with pytest.raises(AddressIncomplete, match=field):
        prizes.read_address(ADDRESS | {field: "  "})


def test_some_cities_have_no_districts():
    assert prizes.read_address(ADDRESS | {"district": ""}).district == ""


@pytest.mark.parametrize("field", list(ADDRESS))
def test_an_address_of_ten_thousand_characters_is_refused_by_field(field):
    with pytest.raises(AddressTooLong) as refusal:
        prizes.read_address(ADDRESS | {field: "长" * 10_000})
    assert refusal.value.params["field"] == field


@pytest.mark.parametrize("phone", ["12345", "call me", "+1 415 555 0100", "23800138000", "138001380001"])
def test_a_phone_that_cannot_be_called_is_refused(phone):
    with pytest.raises(PhoneUnreadable):
        prizes.read_address(ADDRESS | {"phone": phone})


@pytest.mark.parametrize("phone", ["13800138000", "+86 138-0013-8000", "0571-87654321", "(010)12345678"])
def test_mobile_and_landline_numbers_are_read(phone):
    assert prizes.read_address(ADDRESS | {"phone": phone}).phone.lstrip("+").isdigit()


@law
@given(st.dictionaries(st.sampled_from(list(ADDRESS)), st.text(max_size=300)))
def test_whatever_is_typed_is_an_address_or_a_named_refusal(typed):
    try:
        address = prizes.read_address(typed)
    except RewardsRefusal:
        return
    assert prizes.read_address({name: getattr(address, name) for name in ADDRESS}) == address


def test_an_address_can_be_changed_until_the_box_is_ordered():
    assert prizes.give_address(an_order(), in_stock=True, now=NOON).state is S.PENDING
    assert prizes.give_address(an_order(), in_stock=False, now=NOON).state is S.BACK_ORDERED
    assert prizes.give_address(an_order(S.PENDING), in_stock=True, now=NOON).state is S.PENDING
    for state in (S.ORDERED, S.SHIPPED, S.DELIVERED, S.CANCELLED):
        with pytest.raises(AddressIsFixed):
            prizes.give_address(an_order(state), in_stock=True, now=NOON)


def test_an_address_is_forgotten_ninety_days_after_delivery():
    assert prizes.forget_address_at(an_order(S.DELIVERED), DEFAULT) == NOON + timedelta(days=90)
    assert prizes.forget_address_at(an_order(S.COMPENSATED), DEFAULT) == NOON + timedelta(days=90)
    assert prizes.forget_address_at(an_order(S.SHIPPED), DEFAULT) is None


# --- the carrier's file ---------------------------------------------------------------------------


def a_file(*lines, header="order_id,status,carrier,tracking_no"):
    return "\n".join([header, *lines]).encode()


def test_every_row_of_a_carriers_file_is_read_by_itself():
    order = an_id()
    rows = prizes.read_carrier_file(
        a_file(
            f"{order},shipped,顺丰,SF1",
            "not-an-id,shipped,,",
            f"{order},lost,,",
            f"{order},已签收,{'x' * 61},",
            "",
            " , ",
        )
    )
    assert rows[0] == CarrierRow(line=2, order_id=order, target=S.SHIPPED, carrier="顺丰", tracking_no="SF1")
    assert [(row.line, row.code) for row in rows[1:] if isinstance(row, RowProblem)] == [
        (3, "not_an_order_id"),
        (4, "unknown_status"),
        (5, "carrier_unreadable"),
    ]
    assert len(rows) == 4


def test_a_file_in_gb18030_or_with_a_byte_order_mark_is_read():
    text = a_file(f"{an_id()},已发货,顺丰,SF1").decode()
    for content in (text.encode("gb18030"), text.encode("utf-8-sig")):
        assert isinstance(prizes.read_carrier_file(content)[0], CarrierRow)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"a,b\n1,2\n",
        a_file(),
        a_file(f"{an_id()},shipped", header="order_id,order_id,status"),
        b"\xff\xfe\xfa",
        b'order_id,status\n"x',
    ],
)
def test_a_file_that_is_none_is_refused_as_a_whole(content):
    with pytest.raises(CarrierFileUnreadable):
        prizes.read_carrier_file(content)


@law
@given(st.binary(max_size=300))
def test_whatever_bytes_come_are_rows_or_a_named_refusal(content):
    for candidate in (content, a_file() + b"\n" + content):
        try:
            prizes.read_carrier_file(candidate)
        except CarrierFileUnreadable:
            continue


def a_row(target, order):
    return CarrierRow(line=2, order_id=order.id, target=target, carrier="顺丰", tracking_no="SF1")


def test_the_same_row_again_changes_nothing_and_a_skipped_step_is_made_up_for():
    order = an_order(S.ORDERED)
    delivered, result = prizes.carried(order, a_row(S.DELIVERED, order), now=NOON)
    assert (result, delivered.state, delivered.tracking_no) == (RowResult.MOVED, S.DELIVERED, "SF1")
    for target in (S.DELIVERED, S.SHIPPED):
        assert prizes.carried(delivered, a_row(target, order), now=NOON) == (delivered, RowResult.UNCHANGED)


def test_a_carrier_that_failed_may_try_again():
    order = an_order(S.FAILED)
    for target in (S.SHIPPED, S.DELIVERED):
        assert prizes.carried(order, a_row(target, order), now=NOON)[0].state is target


def test_a_row_for_an_order_that_was_never_sent_is_refused():
    with pytest.raises(NotThisMove):
        prizes.carried(an_order(S.PENDING), a_row(S.DELIVERED, an_order()), now=NOON)


# --- damage ---------------------------------------------------------------------------------------


def report(order=None, *, now=NOON, before=False, text="烂了三个"):
    return prizes.report_damage(
        order or an_order(S.DELIVERED),
        report_id=an_id(),
        text=text,
        picture_id=an_id(),
        reported_before=before,
        now=now,
        economy=DEFAULT,
    )


def test_damage_is_reported_once_within_seven_days_of_delivery():
    assert report(now=NOON + timedelta(days=7)).state is DamageState.OPEN
    with pytest.raises(NothingToReport):
        report(now=NOON + timedelta(days=8))
    with pytest.raises(NothingToReport):
        report(an_order(S.SHIPPED))
    with pytest.raises(ReportedBefore):
        report(before=True)
    with pytest.raises(DamageTextTooLong):
        report(text="长" * 501)


@pytest.mark.parametrize(
    ("conclusion", "state"),
    [(DamageState.RESENT, S.PENDING), (DamageState.COMPENSATED, S.COMPENSATED), (DamageState.DECLINED, S.DELIVERED)],
)
def test_the_office_answers_a_report_once(conclusion, state):
    order = an_order(S.DELIVERED)
    answered, after = prizes.answer_damage(report(order), order, conclusion=conclusion, answer="抱歉", now=NOON)
    assert (answered.state, after.state) == (conclusion, state)
    with pytest.raises(NotThisMove):
        prizes.answer_damage(answered, after, conclusion=DamageState.DECLINED, answer="不", now=NOON)


def test_a_box_that_is_sent_again_is_not_delivered_yet():
    again = move(an_order(S.DELIVERED), target=S.PENDING, mover=Mover.FULFILMENT, now=NOON)
    assert again.delivered_at is None
