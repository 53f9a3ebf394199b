"""The sections of the operators' console: where each is, what it is called, and what one must be permitted to see it."""

from collections.abc import Collection
from typing import NamedTuple

from admin.roles import May, Staff


class Section(NamedTuple):
    """One line of the navigation."""

    path: str
    zh: str
    en: str
    may: May


class Group(NamedTuple):
    """Sections that belong together."""

    zh: str
    en: str
    sections: tuple[Section, ...]


GROUPS: tuple[Group, ...] = (
    Group(
        "今天",
        "Today",
        (
            Section("/ops", "总览", "Overview", May.SEE_OPERATIONS),
            Section("/ops/alarms", "告警", "Alarms", May.SEE_OPERATIONS),
        ),
    ),
    Group(
        "钱与奖品",
        "Money and prizes",
        (
            Section("/ops/budgets", "预算", "Budgets", May.SEE_OPERATIONS),
            Section("/ops/economy", "经济", "Economy", May.SEE_OPERATIONS),
            Section("/ops/prizes", "奖品", "Prizes", May.SEE_PRIZES),
            Section("/ops/orders", "履约", "Orders", May.SEE_PRIZES),
        ),
    ),
    Group(
        "玩家与公平",
        "Players and fairness",
        (
            Section("/ops/players", "玩家", "Players", May.SEE_PLAYERS),
            Section("/ops/segments", "人群", "Segments", May.SEE_OPERATIONS),
            Section("/ops/cases", "案件", "Cases", May.SEE_CASES),
            Section("/ops/appeals", "申诉", "Appeals", May.SEE_CASES),
        ),
    ),
    Group(
        "商家",
        "Merchants",
        (
            Section("/ops/merchants", "商家", "Merchants", May.SEE_MERCHANTS),
            Section("/ops/content", "内容审核", "Content review", May.REVIEW_CONTENT),
        ),
    ),
    Group(
        "系统",
        "System",
        (
            Section("/ops/switches", "开关", "Switches", May.SEE_OPERATIONS),
            Section("/ops/audit", "审计", "Audit log", May.SEE_AUDIT),
            Section("/ops/staff", "员工", "Staff", May.MANAGE_STAFF),
            Section("/ops/me", "我的账号", "My account", May.ANYONE_SIGNED_IN),
        ),
    ),
)
SECTIONS: tuple[Section, ...] = tuple(section for group in GROUPS for section in group.sections)


def navigation(who: Staff, registered: Collection[str]) -> tuple[Group, ...]:
    """The groups and sections that this person may see, of those for which a page is registered at their path."""
    shown = (
        group._replace(sections=tuple(one for one in group.sections if one.path in registered and who.may(one.may)))
        for group in GROUPS
    )
    return tuple(group for group in shown if group.sections)
