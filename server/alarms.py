"""The alarms: what sounds by the rules of play, of money and of the machine, and what each means in words.

Pure: figures go in, alarms come out. A job gathers the figures, a store remembers what sounds.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from game import alarms as play
from game.alarms import Counted, PlayThresholds
from rewards import alarms as money
from rewards.alarms import MoneyThresholds

QUIET = timedelta(minutes=2)
"""An alarm clears when it has not sounded for this long: one that flickers is one alarm, not twenty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineThresholds:
    """When a job is late: after so many of its own pauses, and not before so many seconds."""

    job_late_pauses: int = 3
    job_late_least_s: int = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """All thresholds, by who knows what they mean."""

    play: PlayThresholds = field(default_factory=PlayThresholds)
    money: MoneyThresholds = field(default_factory=MoneyThresholds)
    machine: MachineThresholds = field(default_factory=MachineThresholds)

    def figures(self) -> dict[str, int]:
        """Every threshold by its name."""
        return {
            each.name: getattr(group, each.name)
            for group in (self.play, self.money, self.machine)
            for each in fields(group)
        }


class ThresholdRefused(Exception):
    """There is no such threshold, or it is out of range."""

    code = "threshold_refused"

    def __init__(self, name: str, problem: str, problem_zh: str) -> None:
        self.params = {"field": name, "problem": problem, "problem_zh": problem_zh}
        super().__init__(f"{name}: {problem}")


MOST = 10_000_000


def thresholds_from(figures: Mapping[str, int]) -> Thresholds:
    """The thresholds with these figures in place of the defaults. Raises `ThresholdRefused`."""
    known = Thresholds().figures()
    for name, value in figures.items():
        if name not in known:
            raise ThresholdRefused(name, f"there is no such threshold; use {', '.join(known)}", "没有这个阈值")
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST:
            raise ThresholdRefused(name, f"must be a whole number from 1 to {MOST}", f"应为 1 到 {MOST} 的整数")

    def told(group: type) -> dict[str, int]:
        return {each.name: figures[each.name] for each in fields(group) if each.name in figures}

    return Thresholds(
        play=PlayThresholds(**told(PlayThresholds)),
        money=MoneyThresholds(**told(MoneyThresholds)),
        machine=MachineThresholds(**told(MachineThresholds)),
    )


class Told(NamedTuple):
    """One language's words for an alarm: its name, what it means, what to do. Filled with the alarm's figures."""

    title: str
    meaning: str
    advice: str


class AlarmWords(NamedTuple):
    """An alarm in both languages."""

    zh: Told
    en: Told


WORDS: dict[str, AlarmWords] = {
    "budget_nearly_spent": AlarmWords(
        Told(
            "预算将尽",
            "{name}的预算已用(含已承诺){spent_percent}%,余 {left_g} g。",
            "看投放曲线:如需继续,请商家追加或在预算页调入;到 100% 会自动停止发题,已发出的题照常兑现。",
        ),
        Told(
            "Budget nearly spent",
            "{spent_percent} % of the budget of {name} is spent or promised; {left_g} g are left.",
            "Look at its pacing curve: add or move money if it is to go on. At 100 % dealing stops by itself, and what "
            "was dealt is still paid.",
        ),
    ),
    "liability_above_stock": AlarmWords(
        Told(
            "待兑付超过库存",
            "玩家手中的肥料值 {liability_yuan} 元,库存果箱只值 {stock_yuan} 元。",
            "补充奖品库存;来不及时,收紧今后新树的数值(已种下的树不变)。",
        ),
        Told(
            "Liability above stock",
            "Fertilizer in players' hands will cost ¥{liability_yuan}; the boxes in stock are worth ¥{stock_yuan}.",
            "Order boxes. If that takes too long, tighten the figures for trees planted from now on; planted trees "
            "keep theirs.",
        ),
    ),
    "refit_late": AlarmWords(
        Told(
            "排名更新滞后",
            "{name}有投票等了 {waiting_s} 秒还没进入排名。",
            "看 refit_rankings 任务是否在跑、数据库是否慢;重启一个 worker 是安全的。",
        ),
        Told(
            "Ranking late",
            "Votes of {name} have waited for {waiting_s} s and are in no ranking yet.",
            "See whether the job refit_rankings runs and whether the database is slow; restarting a worker is safe.",
        ),
    ),
    "valid_share_falls": AlarmWords(
        Told(
            "有效票占比下降",
            "最近 {minutes} 分钟有效票占 {share_percent}%,平时 {usual_percent}%。",
            "看案件页的新案件与信誉变化;疑似刷票时可先关停相关任务或奖励。",
        ),
        Told(
            "Valid share falls",
            "{share_percent} % of the votes of the last {minutes} minutes are valid; usually {usual_percent} % are.",
            "Look at new cases. Where votes are bought, stop the test or the reward with a switch while you look.",
        ),
    ),
    "test_rate_jumps": AlarmWords(
        Told(
            "任务票数突增",
            "{name} {minutes} 分钟内收到 {votes} 票,平时约 {usual_votes} 票。",
            "看它的投票来源;若非商家推广,关停该任务并查看案件。",
        ),
        Told(
            "A test's votes jump",
            "{name} got {votes} votes in {minutes} minutes; usually some {usual_votes}.",
            "Look where they come from. Unless its merchant advertises it, stop the test and look at its cases.",
        ),
    ),
    "address_rate_jumps": AlarmWords(
        Told(
            "同一网段票数突增",
            "网段 {subject} {minutes} 分钟内投了 {votes} 票,平时约 {usual_votes} 票。",
            "可能是活动现场,也可能是刷票:查看新案件,必要时关停奖励。",
        ),
        Told(
            "Votes of one address jump",
            "Address block {subject} sent {votes} votes in {minutes} minutes; usually some {usual_votes}.",
            "A fair with one network, or a farm of phones: look at new cases, stop a reward if need be.",
        ),
    ),
    "invariant_broken": AlarmWords(
        Told(
            "账目规则被破坏",
            "规则 {subject} 不成立:{sentence}",
            "立即打开总开关停止新发放,运行 xuankuan audit 查看出错的行;不要手工改账。",
        ),
        Told(
            "A law of the books is broken",
            "The law {subject} does not hold: {sentence}",
            "Stop new rewards with the switch over everything, run xuankuan audit to see the rows, and mend nothing by "
            "hand.",
        ),
    ),
    "job_late": AlarmWords(
        Told(
            "后台任务滞后",
            "任务 {subject} 已 {age_s} 秒没有成功运行(应每 {every_s} 秒一次)。{failure}",
            "看 worker 日志中这个任务的错误;worker 不在就启动一个。",
        ),
        Told(
            "A job is late",
            "The job {subject} last ended well {age_s} s ago (it should every {every_s} s). {failure}",
            "Look for its error in the worker's log; start a worker if there is none.",
        ),
    ),
    "webhook_dead": AlarmWords(
        Told(
            "回调无法送达",
            "发往 {host} 的 {dead} 条通知重试三天仍失败。",
            "请联系商家检查接收地址;恢复后可在接口页重新发送。",
        ),
        Told(
            "A webhook is dead",
            "{dead} notices to {host} failed for three days and were given up.",
            "Ask its owner to mend the address; then they can be sent again from the page of webhooks.",
        ),
    ),
}


def told(code: str, subject: str, figures: Mapping[str, Any], *, english: bool) -> Told:
    """An alarm's words with its figures in them."""
    words = WORDS[code].en if english else WORDS[code].zh
    known = _Blank({"subject": subject, **figures})
    return Told(*(text.format_map(known).strip() for text in words))


class _Blank(dict[str, Any]):
    """A figure that an older version did not note is shown as a dash, rather than failing the page."""

    def __missing__(self, key: str) -> str:
        return "—"


# --- what is known ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BudgetSeen:
    """An open budget: whose, and how far it is used."""

    budget_id: UUID
    name: str
    used_g: int
    bought_g: int


@dataclass(frozen=True, slots=True)
class TestSeen:
    """A running test: its votes of the window, what is usual for a window, how long a vote waits for its ranking."""

    test_id: UUID
    name: str
    votes: int
    usual_votes: float
    launched_s_ago: float
    waiting_s: float


@dataclass(frozen=True, slots=True)
class AddressSeen:
    """An address block, by the first characters of its keyed hash."""

    mark: str
    votes: int
    usual_votes: float


@dataclass(frozen=True, slots=True)
class JobSeen:
    """A job: how long ago it last ended well (None: never), its pause, and the name of its last error if that is newer."""

    name: str
    age_s: float | None
    every_s: float
    failure: str = ""


@dataclass(frozen=True, slots=True)
class DeadWebhook:
    """An address of which deliveries were given up and not sent again."""

    webhook_id: UUID
    host: str
    dead: int


@dataclass(frozen=True, slots=True)
class BrokenLaw:
    """A law of the books that did not hold when it was last checked."""

    code: str
    sentence: str
    rows: int


NOBODY = Counted(0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Everything that alarms are judged by, at one moment."""

    window: timedelta
    budgets: Sequence[BudgetSeen] = ()
    liability_fen: int | None = None
    stock_fen: int | None = None
    lately: Counted = NOBODY
    usually: Counted = NOBODY
    tests: Sequence[TestSeen] = ()
    addresses: Sequence[AddressSeen] = ()
    jobs: Sequence[JobSeen] = ()
    webhooks: Sequence[DeadWebhook] = ()
    broken: Sequence[BrokenLaw] = ()


@dataclass(frozen=True, slots=True)
class Sounding:
    """An alarm that sounds now: its code, what it is about, and the figures that its words are filled with."""

    code: str
    subject: str
    figures: dict[str, Any]


def job_is_late(job: JobSeen, thresholds: MachineThresholds) -> bool:
    """Whether a job has not ended well for several of its pauses, or only ever failed."""
    return bool(job.failure) if job.age_s is None else job.age_s > allowed_s(job.every_s, thresholds)


def allowed_s(every_s: float, thresholds: MachineThresholds) -> float:
    """How long ago a job with this pause may have ended well."""
    return max(thresholds.job_late_pauses * every_s, float(thresholds.job_late_least_s))


def sounding(seen: Seen, thresholds: Thresholds) -> list[Sounding]:
    """Every alarm that sounds by what was seen, each subject once."""
    minutes = max(1, round(seen.window.total_seconds() / 60))
    return [
        *_of_money(seen, thresholds.money),
        *_of_play(seen, thresholds.play, minutes),
        *_of_the_machine(seen, thresholds.machine),
    ]


def _of_money(seen: Seen, thresholds: MoneyThresholds) -> list[Sounding]:
    found = [
        Sounding(
            "budget_nearly_spent",
            str(each.budget_id),
            {
                "name": each.name,
                "spent_percent": each.used_g * 100 // each.bought_g,
                "left_g": each.bought_g - each.used_g,
            },
        )
        for each in seen.budgets
        if money.budget_nearly_spent(used_g=each.used_g, bought_g=each.bought_g, thresholds=thresholds)
    ]
    if (
        seen.liability_fen is not None
        and seen.stock_fen is not None
        and money.liability_above_stock(
            liability_fen=seen.liability_fen, stock_fen=seen.stock_fen, thresholds=thresholds
        )
    ):
        found.append(
            Sounding(
                "liability_above_stock",
                "",
                {"liability_yuan": _yuan(seen.liability_fen), "stock_yuan": _yuan(seen.stock_fen)},
            )
        )
    return found


def _of_play(seen: Seen, thresholds: PlayThresholds, minutes: int) -> list[Sounding]:
    found = []
    if play.valid_share_falls(seen.lately, seen.usually, thresholds):
        usual = seen.usually.permille
        found.append(
            Sounding(
                "valid_share_falls",
                "",
                {
                    "minutes": minutes,
                    "share_percent": _percent(seen.lately.permille),
                    "usual_percent": "—" if usual is None else _percent(usual),
                },
            )
        )
    for test in seen.tests:
        if play.refit_is_late(test.waiting_s, thresholds):
            found.append(
                Sounding("refit_late", str(test.test_id), {"name": test.name, "waiting_s": round(test.waiting_s)})
            )
        if play.votes_of_test_jump(
            votes=test.votes,
            usual_votes=test.usual_votes,
            launched_s_ago=test.launched_s_ago,
            thresholds=thresholds,
        ):
            figures = {"name": test.name, "minutes": minutes, "votes": test.votes}
            found.append(
                Sounding("test_rate_jumps", str(test.test_id), {**figures, "usual_votes": round(test.usual_votes)})
            )
    for address in seen.addresses:
        if play.votes_of_address_jump(votes=address.votes, usual_votes=address.usual_votes, thresholds=thresholds):
            figures = {"minutes": minutes, "votes": address.votes, "usual_votes": round(address.usual_votes)}
            found.append(Sounding("address_rate_jumps", address.mark, figures))
    return found


def _of_the_machine(seen: Seen, thresholds: MachineThresholds) -> list[Sounding]:
    late = [
        Sounding(
            "job_late",
            job.name,
            {"age_s": round(job.age_s or 0), "every_s": _whole(job.every_s), "failure": job.failure},
        )
        for job in seen.jobs
        if job_is_late(job, thresholds)
    ]
    dead = [
        Sounding("webhook_dead", str(each.webhook_id), {"host": each.host, "dead": each.dead}) for each in seen.webhooks
    ]
    broken = [
        Sounding("invariant_broken", each.code, {"sentence": each.sentence, "rows": each.rows}) for each in seen.broken
    ]
    return [*late, *dead, *broken]


def _percent(permille: int | None) -> str:
    return "—" if permille is None else f"{permille / 10:.1f}".rstrip("0").rstrip(".")


def _yuan(fen: int) -> str:
    return f"{fen / 100:,.2f}"


def _whole(seconds: float) -> float | int:
    return int(seconds) if seconds == int(seconds) else seconds


# --- from what sounds to what is done ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OpenAlarm:
    """An alarm that was raised and is not cleared."""

    alarm_id: UUID
    code: str
    subject: str
    heard_at: datetime


@dataclass(frozen=True, slots=True)
class Moves:
    """What is to be written: alarms to raise, alarms that still sound, alarms to clear."""

    raise_: tuple[Sounding, ...]
    hear: tuple[tuple[UUID, Sounding], ...]
    clear: tuple[OpenAlarm, ...]


def moves(open_alarms: Collection[OpenAlarm], heard: Collection[Sounding], now: datetime) -> Moves:
    """What becomes of the open alarms by what sounds now; one code and subject is one alarm while it is open."""
    known = {(each.code, each.subject): each for each in open_alarms}
    sounds = {(each.code, each.subject): each for each in heard}
    return Moves(
        raise_=tuple(each for key, each in sounds.items() if key not in known),
        hear=tuple((known[key].alarm_id, each) for key, each in sounds.items() if key in known),
        clear=tuple(each for key, each in known.items() if key not in sounds and now - each.heard_at >= QUIET),
    )
