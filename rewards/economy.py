"""The figures of the programme: one frozen value, whose defaults are the published ones, changed by operators as data.

A tree keeps the figures under which it was planted (`rewards.farm.Terms`): a change is for trees planted afterwards.
"""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Variety:
    """A kind of fruit that can be planted, and what one box of it asks and costs."""

    code: str
    name_zh: str
    name_en: str
    requirement_g: int
    box_cost_fen: int


APPLE = Variety("apple", "苹果", "Apple", 9_000, 1_300)
MANDARIN = Variety("mandarin", "蜜桔", "Mandarin", 9_000, 1_300)
PEAR = Variety("pear", "雪梨", "Pear", 10_000, 1_450)


@dataclass(frozen=True, slots=True, kw_only=True)
class Economy:
    """Every figure of the programme. Grams and fen are whole numbers; shares are permille; times say their unit."""

    # earning
    choice_g: int = 10
    paid_choices_per_day: int = 20
    daily_claim_g: int = 30
    streak_days: int = 7
    streak_g: int = 100
    makeup_cards_per_streak: int = 1
    consistency_g: int = 20
    consistency_votes: int = 100
    produced_g: int = 20
    invite_g: int = 300
    invite_vetted_votes: int = 50
    invite_vests_within_days: int = 30
    invites_per_player: int = 10
    # trees
    varieties: tuple[Variety, ...] = (APPLE, MANDARIN, PEAR)
    application_g: int = 50
    applications_per_day: int = 10
    stage_permille: tuple[int, ...] = (0, 20, 100, 300, 600, 1000)
    stage_award_g: tuple[int, ...] = (0, 50, 100, 0, 0, 0)
    family_members: int = 3
    # wallets
    wallet_cap_g: int = 10_000
    expiry_days: int = 180
    expiry_notice_days: tuple[int, ...] = (14, 3)
    # money
    vote_price_fen: int = 3
    # promises
    hold_trusted_s: int = 5
    hold_new_s: int = 600
    hold_watched_s: int = 86_400
    hold_muted_s: int = 7 * 86_400
    new_until_votes: int = 50
    ticket_life_s: int = 600
    block_life_s: int = 300
    block_grace_s: int = 120
    block_g: int = 1_000
    alert_permille: int = 800
    # prizes
    reserve_permille: int = 800
    address_kept_days: int = 90
    address_wanted_days: int = 30
    damage_report_days: int = 7

    @property
    def ticket_life(self) -> timedelta:
        return timedelta(seconds=self.ticket_life_s)

    @property
    def block_life(self) -> timedelta:
        return timedelta(seconds=self.block_life_s)

    @property
    def block_grace(self) -> timedelta:
        return timedelta(seconds=self.block_grace_s)

    @property
    def expiry(self) -> timedelta:
        return timedelta(days=self.expiry_days)


DEFAULT = Economy()
