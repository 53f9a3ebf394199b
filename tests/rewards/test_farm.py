"""Laws of the farm: frozen terms, exact grams, caps on the sum, and progress that is never taken back."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards import farm, ledger
from rewards.economy import DEFAULT, Variety
from rewards.errors import (
    DailyCapReached,
    FamilyIsFull,
    HarvestedBefore,
    InFamilyAlready,
    NotEnoughFertilizer,
    NotRipe,
    NotSoManyTimes,
    SecondTree,
    TooLateToJoin,
    TreeIsRipe,
    UnknownVariety,
)
from rewards.farm import DayCredit, GrowthStage, Tree
from rewards.ledger import Reason
from tests.rewards.builders import ANN, MIA, NOON, TOM, a_tree, an_id, law


def apply(tree: Tree, *, times=1, wallet_g=10_000, applied_today=0, player_id=MIA):
    return farm.apply(tree, player_id=player_id, times=times, applied_today=applied_today, wallet_g=wallet_g, now=NOON)


# --- planting -------------------------------------------------------------------------------------


def test_a_tree_is_planted_under_the_economy_of_its_day():
    tree = farm.plant(tree_id=an_id(), player_id=MIA, variety="apple", growing=None, now=NOON, economy=DEFAULT)
    assert (tree.requirement_g, tree.stage, tree.applied_g) == (9_000, GrowthStage.SEED, 0)


def test_an_unknown_variety_is_named_with_those_there_are():
    with pytest.raises(UnknownVariety, match="durian; there are apple, mandarin, pear"):
        farm.plant(tree_id=an_id(), player_id=MIA, variety="durian", growing=None, now=NOON, economy=DEFAULT)


def test_one_tree_at_a_time():
    with pytest.raises(SecondTree):
        farm.plant(tree_id=an_id(), player_id=MIA, variety="apple", growing=a_tree(), now=NOON, economy=DEFAULT)


@law
@given(st.integers(1, 100_000), st.integers(0, 100_000))
def test_a_stage_begins_at_the_gram_that_is_shown(requirement_g, applied_g):
    economy = replace(DEFAULT, varieties=(Variety("apple", "苹果", "Apple", requirement_g, 1_300),))
    tree = a_tree(applied_g=min(applied_g, requirement_g), economy=economy)
    at_g = tree.next_stage_at_g
    if at_g is None:
        assert tree.ripe
        return
    assert replace(tree, applied_g=at_g).stage is not tree.stage
    assert replace(tree, applied_g=at_g - 1).stage is tree.stage
    assert tree.applied_g < at_g <= requirement_g


# --- applying -------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [0, -1, 11, 1_000])
def test_too_few_or_too_many_applications_are_refused(times):
    with pytest.raises(NotSoManyTimes):
        apply(a_tree(), times=times)


def test_the_last_application_of_the_day_is_refused_by_name():
    with pytest.raises(DailyCapReached) as refusal:
        apply(a_tree(), applied_today=10)
    assert refusal.value.params["next_at"] == datetime(2026, 6, 1, 16, tzinfo=UTC)


def test_an_application_needs_its_grams():
    with pytest.raises(NotEnoughFertilizer):
        apply(a_tree(), wallet_g=49)


def test_the_application_that_ripens_the_tree_takes_what_is_missing_and_no_more():
    done = apply(a_tree(applied_g=8_930), times=5)
    assert (done.times, done.amount_g, done.tree.missing_g) == (2, 70, 0)
    assert done.tree.stage is GrowthStage.RIPE
    assert apply(a_tree(applied_g=8_980), wallet_g=20).amount_g == 20


def test_a_ripe_tree_takes_nothing():
    with pytest.raises(TreeIsRipe):
        apply(a_tree(applied_g=9_000))


def test_a_stage_brings_its_award_to_each_who_grows_the_tree():
    done = apply(a_tree(MIA, TOM, applied_g=340))
    assert done.stages == (GrowthStage.SPROUT,)
    assert [(award.player_id, award.amount_g) for award in done.awards] == [(MIA, 50), (TOM, 50)]
    assert apply(a_tree(MIA, TOM, applied_g=360)).awards == ()


@law
@given(
    times=st.integers(1, 10),
    applied_today=st.integers(0, 9),
    wallet_g=st.integers(0, 800),
    applied_g=st.integers(0, 8_999),
    growers=st.integers(1, 4),
)
def test_a_batch_is_the_same_as_its_applications_one_by_one(times, applied_today, wallet_g, applied_g, growers):
    tree = a_tree(*[MIA, TOM, ANN, an_id()][:growers], applied_g=applied_g)

    def one_by_one():
        now, left_g, made, stages, awards = tree, wallet_g, 0, [], []
        for _ in range(times):
            try:
                one = apply(now, wallet_g=left_g, applied_today=applied_today + made)
            except (DailyCapReached, NotEnoughFertilizer, TreeIsRipe):
                break
            now, left_g, made = one.tree, left_g - one.amount_g, made + 1
            stages += one.stages
            awards += one.awards
        return now, wallet_g - left_g, made, tuple(stages), tuple(awards)

    try:
        batch = apply(tree, times=times, wallet_g=wallet_g, applied_today=applied_today)
    except NotEnoughFertilizer:
        assert one_by_one()[2] == 0
        return
    assert (batch.tree, batch.amount_g, batch.times, batch.stages, batch.awards) == one_by_one()
    assert batch.tree.applied_g - tree.applied_g == batch.amount_g <= wallet_g


def test_all_stage_awards_of_a_tree_come_once_however_it_is_fed():
    tree, awards = a_tree(), []
    while not tree.ripe:
        done = apply(tree, times=7)
        tree, awards = done.tree, awards + list(done.awards)
    assert [(award.stage, award.amount_g) for award in awards] == [(GrowthStage.SPROUT, 50), (GrowthStage.SAPLING, 100)]


# --- family ---------------------------------------------------------------------------------------


def test_every_member_gets_a_box_and_the_requirement_scales():
    tree = farm.join(a_tree(), player_id=TOM, growing=None, now=NOON)
    assert (tree.requirement_g, len(tree.members)) == (18_000, 2)


def test_three_family_members_join_the_planter_and_no_more():
    tree = a_tree()
    for _ in range(3):
        tree = farm.join(tree, player_id=an_id(), growing=None, now=NOON)
    assert not farm.may_join(tree)
    with pytest.raises(FamilyIsFull):
        farm.join(tree, player_id=an_id(), growing=None, now=NOON)


def test_nobody_joins_twice_or_with_another_tree_growing():
    with pytest.raises(InFamilyAlready):
        farm.join(a_tree(), player_id=MIA, growing=None, now=NOON)
    with pytest.raises(SecondTree):
        farm.join(a_tree(), player_id=TOM, growing=a_tree(TOM), now=NOON)


def test_who_joins_takes_no_stage_back():
    with pytest.raises(TooLateToJoin):
        farm.join(a_tree(applied_g=180), player_id=TOM, growing=None, now=NOON)
    joined = farm.join(a_tree(applied_g=179), player_id=TOM, growing=None, now=NOON)
    assert joined.stage is GrowthStage.SEED


# --- harvest --------------------------------------------------------------------------------------


def harvest(tree, player_id=MIA, donate=False):
    return farm.harvest(tree, player_id=player_id, donate=donate, transfer_id=an_id(), now=NOON)


def test_an_unripe_tree_is_not_harvested():
    with pytest.raises(NotRipe, match="still needs 1 g"):
        harvest(a_tree(applied_g=8_999))


def test_each_of_a_family_harvests_one_box_once():
    tree, first = harvest(a_tree(MIA, TOM, applied_g=18_000))
    with pytest.raises(HarvestedBefore):
        harvest(tree)
    _, second = harvest(tree, TOM)
    assert first.amount == second.amount == 9_000
    assert first.business_key != second.business_key


def test_a_harvest_can_be_donated():
    tree, transfer = harvest(a_tree(applied_g=9_000), donate=True)
    assert transfer.reason is Reason.TREE_DONATED
    assert transfer.credit == ledger.REDEEMED
    assert tree.members[0].donated


# --- forecast -------------------------------------------------------------------------------------


def forecast(tree=None, *, earned=1_400, days=7, available_g=0, left=10):
    return farm.forecast(
        tree or a_tree(),
        earned_last_week_g=earned,
        observed_days=days,
        available_g=available_g,
        applications_left_today=left,
    )


def test_the_forecast_goes_by_the_players_own_last_week():
    assert forecast(a_tree(applied_g=7_760)) == farm.Forecast(1_240, 7, 1_400)
    assert forecast(a_tree(applied_g=7_760), earned=400, days=2).days == 7
    assert forecast(a_tree(applied_g=7_760), available_g=240).days == 5


def test_a_forecast_without_a_pace_names_no_day():
    assert forecast(earned=0).days is None
    assert forecast(a_tree(applied_g=8_900), earned=0, available_g=100).days == 0


def test_a_forecast_never_beats_the_caps():
    assert forecast(earned=100_000).days == 17  # 500 g today, 500 g a day for 8 500 g more
    assert forecast(a_tree(applied_g=8_500), earned=0, available_g=500, left=0).days == 1


@law
@given(st.integers(1, 5_000), st.integers(1, 7), st.integers(0, 9_000), st.integers(0, 9_000))
def test_a_player_who_keeps_the_pace_is_there_on_the_day(earned, days, applied_g, available_g):
    said = forecast(a_tree(applied_g=applied_g), earned=earned, days=days, available_g=available_g)
    if said.days is not None:
        assert available_g + earned * said.days // days >= said.missing_g
        assert 500 * (said.days + 1) >= said.missing_g


# --- expiry ---------------------------------------------------------------------------------------

DAY = date(2026, 1, 10)
NOTICES = (14, 3)


def day(number: int) -> date:
    return DAY + timedelta(days=number)


def lots(*credits: tuple[int, int], debited_g: int = 0):
    return farm.lots(tuple(DayCredit(day(number), amount_g, 180) for number, amount_g in credits), debited_g=debited_g)


@law
@given(st.lists(st.integers(1, 500), min_size=1, max_size=20), st.integers(0, 10_000))
def test_the_oldest_grams_are_used_first(amounts, debited_g):
    debited_g = min(debited_g, sum(amounts))
    unused = lots(*enumerate(amounts), debited_g=debited_g)
    assert sum(lot.amount_g for lot in unused) == sum(amounts) - debited_g
    untouched = [lot for lot in unused if lot.amount_g == amounts[(lot.day - DAY).days]]
    assert len(untouched) >= len(unused) - 1
    assert [lot.day for lot in unused] == [day(number) for number in range(len(amounts) - len(unused), len(amounts))]


def test_grams_keep_the_longest_life_that_was_promised_since_they_came():
    history = [(day(0), 180), (day(10), 60), (day(20), 90)]
    assert [farm.expiry_days_of(day(number), history) for number in (-5, 5, 10, 15, 20, 30)] == [
        180,
        180,
        90,
        90,
        90,
        90,
    ]


def test_what_expires_next_is_used_first_and_never_expires_twice():
    """Younger grams with a shorter life: once they have expired, the older ones are untouched."""
    credits = (DayCredit(day(0), 70, 180), DayCredit(day(2), 30, 60))
    assert [lot.amount_g for lot in farm.lots(credits, debited_g=10)] == [20, 70]
    assert [(lot.day, lot.amount_g) for lot in farm.lots(credits, debited_g=30)] == [(day(0), 70)]


def live(unused, days):
    """Run the job on these days; returns (day, notices) and (day, grams expired)."""
    sent, last, notices, expired = set(), {}, [], []
    for number in days:
        for notice in farm.notices_due(unused, sent=frozenset(sent), today=day(number), notice_days=NOTICES):
            sent.add((notice.expires_on, notice.days_before))
            if notice.days_before == min(NOTICES):
                last[notice.expires_on] = day(number)
            notices.append((number, notice.days_before, notice.amount_g))
        amount_g = farm.expired_g(unused, last_notice_on=last, today=day(number), notice_days=NOTICES)
        if amount_g:
            expired.append((number, amount_g))
            unused = ()
    return notices, expired


def test_notices_come_fourteen_and_three_days_before_and_then_it_expires():
    notices, expired = live(lots((0, 70)), range(200))
    assert notices == [(166, 14, 70), (177, 3, 70)]
    assert expired == [(181, 70)]  # usable to the end of the hundred and eightieth day


@law
@given(st.lists(st.integers(150, 230), min_size=1, max_size=12, unique=True).map(sorted))
def test_nothing_expires_early_or_unannounced_however_seldom_the_job_runs(days):
    notices, expired = live(lots((0, 70)), days)
    for number, _ in expired:
        assert number > 180
        announced = [at for at, before, _ in notices if before == 3]
        assert announced
        assert number - announced[0] > 3
    assert len(expired) <= 1
