"""Who may do what behind the door: roles, what each may do, and the one question that every route asks."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Role(StrEnum):
    """The roles. A merchant's people have MERCHANT and a merchant; operators have one or more of the others."""

    MERCHANT = "merchant"
    TREASURER = "treasurer"
    FULFILMENT = "fulfilment"
    REVIEWER = "reviewer"
    MERCHANT_MANAGER = "merchant_manager"
    ADMINISTRATOR = "administrator"
    AUDITOR = "auditor"


class May(StrEnum):
    """What can be permitted. A route names exactly one."""

    OWN_TESTS = "own_tests"
    SEE_OPERATIONS = "see_operations"
    MOVE_MONEY = "move_money"
    CHANGE_ECONOMY = "change_economy"
    SEE_PRIZES = "see_prizes"
    MOVE_PRIZES = "move_prizes"
    SEE_ADDRESSES = "see_addresses"
    SEE_PLAYERS = "see_players"
    SERVE_PLAYERS = "serve_players"
    JUDGE_CASES = "judge_cases"
    SEE_CASES = "see_cases"
    SEE_MERCHANTS = "see_merchants"
    MANAGE_MERCHANTS = "manage_merchants"
    REVIEW_CONTENT = "review_content"
    FLIP_SWITCHES = "flip_switches"
    TAKE_ALARMS = "take_alarms"
    MANAGE_ALARMS = "manage_alarms"
    SEE_AUDIT = "see_audit"
    MANAGE_STAFF = "manage_staff"
    ANYONE_SIGNED_IN = "anyone_signed_in"


_SEES = {May.SEE_OPERATIONS, May.SEE_PRIZES, May.SEE_PLAYERS, May.SEE_CASES, May.SEE_MERCHANTS, May.SEE_AUDIT}

PERMITTED: dict[Role, frozenset[May]] = {
    Role.MERCHANT: frozenset({May.OWN_TESTS}),
    # Whoever approves that paid grams are taken back sees for what.
    Role.TREASURER: frozenset(
        {May.SEE_OPERATIONS, May.MOVE_MONEY, May.CHANGE_ECONOMY, May.SEE_PRIZES, May.SEE_CASES, May.TAKE_ALARMS}
    ),
    Role.FULFILMENT: frozenset(
        {May.SEE_OPERATIONS, May.SEE_PRIZES, May.MOVE_PRIZES, May.SEE_ADDRESSES, May.TAKE_ALARMS}
    ),
    Role.REVIEWER: frozenset(
        {May.SEE_OPERATIONS, May.SEE_PLAYERS, May.SERVE_PLAYERS, May.SEE_CASES, May.JUDGE_CASES, May.TAKE_ALARMS}
    ),
    Role.MERCHANT_MANAGER: frozenset(
        {May.SEE_OPERATIONS, May.SEE_MERCHANTS, May.MANAGE_MERCHANTS, May.REVIEW_CONTENT, May.TAKE_ALARMS}
    ),
    # An administrator manages people and switches; money and addresses stay with those whose work they are.
    Role.ADMINISTRATOR: frozenset(
        {
            *_SEES,
            May.SERVE_PLAYERS,
            May.FLIP_SWITCHES,
            May.MANAGE_STAFF,
            May.MANAGE_MERCHANTS,
            May.TAKE_ALARMS,
            May.MANAGE_ALARMS,
        }
    ),
    Role.AUDITOR: frozenset(_SEES),
}


OPERATOR_ROLES = tuple(role for role in Role if role is not Role.MERCHANT)
ROLE_WORDS: dict[Role, tuple[str, str]] = {
    Role.MERCHANT: ("商家", "Merchant"),
    Role.TREASURER: ("财务", "Treasurer"),
    Role.FULFILMENT: ("履约", "Fulfilment"),
    Role.REVIEWER: ("审核", "Reviewer"),
    Role.MERCHANT_MANAGER: ("商家经理", "Merchant manager"),
    Role.ADMINISTRATOR: ("管理员", "Administrator"),
    Role.AUDITOR: ("审计", "Auditor"),
}


@dataclass(frozen=True, slots=True)
class Staff:
    """Who is calling: a person of the console or the holder of an API key. `merchant_id` bounds what a merchant sees."""

    name: str
    roles: frozenset[Role]
    merchant_id: UUID | None = None
    user_id: UUID | None = None
    session_id: UUID | None = None
    csrf: str = ""
    read_only: bool = False
    # The refusal that a person gets everywhere until it is done: a password of one's own, a second factor.
    first: str = ""

    def may(self, what: May) -> bool:
        """Whether any of the roles permits this."""
        if what is May.ANYONE_SIGNED_IN:
            return True
        return any(what in PERMITTED[role] for role in self.roles)
