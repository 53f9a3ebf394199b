"""The figures of the programme in words: what each is called, in what it is counted, and where it stands on the page."""

from typing import NamedTuple


class FigureWords(NamedTuple):
    """A figure's group, names and unit; `unit` is a key of UNITS."""

    group: str
    zh: str
    en: str
    unit: str


UNITS: dict[str, tuple[str, str]] = {
    "g": ("克", "g"),
    "fen": ("分", "fen"),
    "days": ("天", "days"),
    "s": ("秒", "s"),
    "times": ("次", "times"),
    "votes": ("票", "votes"),
    "permille": ("‰", "‰"),
    "people": ("人", "people"),
    "cards": ("张", "cards"),
}

GROUPS: dict[str, tuple[str, str]] = {
    "earning": ("赚肥料", "Earning"),
    "trees": ("果树", "Trees"),
    "wallets": ("肥料袋", "Wallets"),
    "money": ("钱", "Money"),
    "promises": ("承诺与审核", "Promises and review"),
    "prizes": ("奖品", "Prizes"),
}

FIGURES: dict[str, FigureWords] = {
    "choice_g": FigureWords("earning", "一次有效选择", "A valid choice", "g"),
    "paid_choices_per_day": FigureWords("earning", "每人每天有奖选择上限", "Paid choices a player and day", "times"),
    "daily_claim_g": FigureWords("earning", "每日领取", "Daily claim", "g"),
    "streak_days": FigureWords("earning", "连续签到周期", "Days of a streak", "days"),
    "streak_g": FigureWords("earning", "连续签到奖励", "Award of a streak", "g"),
    "makeup_cards_per_streak": FigureWords("earning", "每周期补签卡", "Make-up cards a streak", "cards"),
    "consistency_g": FigureWords("earning", "认真奖", "Award for care", "g"),
    "consistency_votes": FigureWords("earning", "认真奖所需有效票", "Valid votes for it", "votes"),
    "produced_g": FigureWords("earning", "所选款投产奖励", "A chosen style was made", "g"),
    "invite_g": FigureWords("earning", "邀请奖励", "Invitation", "g"),
    "invite_vetted_votes": FigureWords("earning", "被邀请人所需有效票", "Valid votes of the invited", "votes"),
    "invite_vests_within_days": FigureWords("earning", "邀请生效期限", "Invitation counts within", "days"),
    "invites_per_player": FigureWords("earning", "每人有奖邀请上限", "Paid invitations a player", "people"),
    "application_g": FigureWords("trees", "施肥一次", "One application", "g"),
    "applications_per_day": FigureWords("trees", "每天施肥上限", "Applications a day", "times"),
    "family_members": FigureWords("trees", "合种家人上限", "Family members a tree", "people"),
    "wallet_cap_g": FigureWords("wallets", "肥料袋上限", "Most a wallet holds", "g"),
    "expiry_days": FigureWords("wallets", "多久不来后过期", "Unused grams expire after", "days"),
    "vote_price_fen": FigureWords("money", "一票有效票的价格", "Price of a valid vote", "fen"),
    "programme_day_g": FigureWords("money", "平台每天自发上限", "The platform gives a day at most", "g"),
    "alert_permille": FigureWords("money", "预算提醒线", "Budgets alert at", "permille"),
    "hold_trusted_s": FigureWords("promises", "信任玩家到账等待", "Held, trusted players", "s"),
    "hold_new_s": FigureWords("promises", "新玩家到账等待", "Held, new players", "s"),
    "hold_watched_s": FigureWords("promises", "观察中玩家到账等待", "Held, watched players", "s"),
    "hold_muted_s": FigureWords("promises", "暂停玩家到账等待", "Held, muted players", "s"),
    "new_until_votes": FigureWords("promises", "多少票以内算新玩家", "New until so many votes", "votes"),
    "block_life_s": FigureWords("promises", "预留块有效期", "Life of a block", "s"),
    "block_grace_s": FigureWords("promises", "预留块宽限", "Grace of a block", "s"),
    "block_g": FigureWords("promises", "预留块大小", "Size of a block", "g"),
    "reserve_permille": FigureWords("prizes", "长到多少时留货", "A box is set aside at", "permille"),
    "address_kept_days": FigureWords("prizes", "签收后地址保留", "Addresses are kept for", "days"),
    "address_wanted_days": FigureWords("prizes", "等地址的天数", "An address is waited for", "days"),
    "damage_report_days": FigureWords("prizes", "可报损天数", "Damage may be reported for", "days"),
}

LISTS: dict[str, FigureWords] = {
    "stage_permille": FigureWords("trees", "六个阶段的起点", "Where the six stages begin", "permille"),
    "stage_award_g": FigureWords("trees", "六个阶段的奖励", "Awards of the six stages", "g"),
    "expiry_notice_days": FigureWords("wallets", "过期前几天提醒", "Notices before expiry", "days"),
}
"""The figures that are several numbers."""
