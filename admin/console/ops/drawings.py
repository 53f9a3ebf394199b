"""Evidence as drawings: when answers came, on which side, how fast, and what links accounts; SVG that needs no colour.

Each drawing has a sentence that says what it shows, for whoever cannot see it; shapes carry what colours repeat.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from itertools import groupby
from uuid import UUID

from admin.console.pages import CHINA
from game.matchup import Choice
from server.stores.evidence import Answer, Link, Pace

WIDTH = 460
MOST_DAYS = 21
_HEIGHT_DAY = 22


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture and the sentence that says the same, in Chinese and English."""

    svg: str
    zh: str
    en: str


def _svg(height: int, zh: str, en: str, body: Sequence[str], *, english: bool) -> str:
    label = escape(en if english else zh, quote=True)
    return (
        f'<svg class="drawn" role="img" aria-label="{label}" viewBox="0 0 {WIDTH} {height}" '
        f'preserveAspectRatio="xMinYMin meet">{"".join(body)}</svg>'
    )


def _text(x: float, y: float, words: str, *, anchor: str = "start", kind: str = "") -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{style}>{escape(words)}</text>'


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def timeline(answers: Sequence[Answer], *, english: bool) -> Drawing | None:
    """A line for each day, from midnight to midnight (China time), a mark for each answer. None without answers."""
    if not answers:
        return None
    moments = [one.at.astimezone(CHINA) for one in answers]
    days = sorted({moment.date() for moment in moments}, reverse=True)[:MOST_DAYS]
    row = {day: number for number, day in enumerate(days)}
    left, right = 52.0, WIDTH - 10.0
    height = 26 + _HEIGHT_DAY * len(days)

    def x_of(moment: datetime) -> float:
        return left + (right - left) * (moment.hour * 3600 + moment.minute * 60 + moment.second) / 86400

    body = []
    for hour in range(0, 25, 3):
        x = left + (right - left) * hour / 24
        body.append(f'<line x1="{x:.1f}" y1="18" x2="{x:.1f}" y2="{height - 4}" class="grid"/>')
        body.append(_text(x, 12, f"{hour}", anchor="middle", kind="scale"))
    for day, number in row.items():
        y = 24 + _HEIGHT_DAY * number
        body.append(_text(0, y + 11, f"{day:%m-%d}", kind="scale"))
        body.append(f'<line x1="{left}" y1="{y + 14}" x2="{right}" y2="{y + 14}" class="grid"/>')
    marks = [
        f"M{x_of(moment):.1f} {24 + _HEIGHT_DAY * row[moment.date()]:.0f}v14"
        for moment in moments
        if moment.date() in row
    ]
    body.append(f'<path d="{"".join(marks)}" class="mark"/>')
    per_hour = max(sum(1 for _ in group) for _, group in groupby(moments, key=lambda m: (m.date(), m.hour)))
    hours = len({(moment.date(), moment.hour) for moment in moments})
    zh = f"{len(answers)} 次回答,分布在 {len(days)} 天的 {hours} 个小时里;最忙的一小时有 {per_hour} 次。"
    en = (
        f"{_counted(len(answers), 'answer')} in {_counted(hours, 'hour')} of {_counted(len(days), 'day')}; "
        f"{per_hour} in the busiest hour."
    )
    return Drawing(_svg(height, zh, en, body, english=english), zh, en)


def longest_run(sides: Sequence[Choice]) -> int:
    """The length of the longest run of one side."""
    return max((sum(1 for _ in group) for _, group in groupby(sides)), default=0)


def usual_run(n: int) -> int:
    """The length of the longest run that is usual in `n` fair tosses: log2(n) and a third (Schilling 1990)."""
    return round(math.log2(n) + 1 / 3) if n > 1 else n


def side_runs(answers: Sequence[Answer], *, english: bool) -> Drawing | None:
    """One bar for each answer that took a side: up for left, down for right; the longest run is framed. None without."""
    sides = [one.choice for one in answers if one.choice in (Choice.LEFT, Choice.RIGHT)][-360:]
    if not sides:
        return None
    step = min(12.0, (WIDTH - 50) / len(sides))
    left, middle, reach = 40.0, 46, 30
    up: list[str] = []
    down: list[str] = []
    for number, side in enumerate(sides):
        x = left + step * number
        (up if side is Choice.LEFT else down).append(
            f"M{x:.2f} {middle}v{-reach if side is Choice.LEFT else reach}h{max(step - 1, 0.7):.2f}"
            f"v{reach if side is Choice.LEFT else -reach}z"
        )
    start, longest, at = 0, 0, 0
    for _, group in groupby(sides):
        length = sum(1 for _ in group)
        if length > longest:
            longest, start = length, at
        at += length
    body = [
        _text(0, middle - 10, "left" if english else "左", kind="scale"),
        _text(0, middle + 20, "right" if english else "右", kind="scale"),
        f'<path d="{"".join(up)}" class="left"/>',
        f'<path d="{"".join(down)}" class="right"/>',
        f'<line x1="{left}" y1="{middle}" x2="{left + step * len(sides):.1f}" y2="{middle}" class="grid"/>',
        f'<rect x="{left + step * start - 1:.1f}" y="{middle - reach - 4}" width="{step * longest + 2:.1f}" '
        f'height="{2 * reach + 8}" class="frame"/>',
    ]
    share = sum(side is Choice.LEFT for side in sides) / len(sides)
    usual = usual_run(len(sides))
    zh = f"最近 {len(sides)} 次选边中左边占 {share:.0%};最长连续同侧 {longest} 次(公平掷硬币约 {usual} 次)。"
    en = (
        f"Left in {share:.0%} of the last {len(sides)} sides taken; the longest run of one side is {longest} "
        f"(about {usual} for a fair coin)."
    )
    return Drawing(_svg(90, zh, en, body, english=english), zh, en)


_PACE_FROM_MS, _PACE_TO_MS, _BINS = 100.0, 30_000.0, 48


def response_times(answers: Sequence[Answer], others: Pace | None, *, english: bool) -> Drawing | None:
    """How often each time was taken, on a logarithmic scale, with the usual band of others behind. None without times."""
    times = sorted(one.took_ms for one in answers if one.took_ms > 0)
    if not times:
        return None
    left, right, low = 10.0, WIDTH - 10.0, 112.0
    span = math.log(_PACE_TO_MS / _PACE_FROM_MS)

    def x_of(ms: float) -> float:
        inside = min(max(ms, _PACE_FROM_MS), _PACE_TO_MS)
        return left + (right - left) * math.log(inside / _PACE_FROM_MS) / span

    counts = [0] * _BINS
    for ms in times:
        counts[min(int((x_of(ms) - left) / (right - left) * _BINS), _BINS - 1)] += 1
    most = max(counts)
    width = (right - left) / _BINS
    body = []
    if others:
        x = x_of(others.low_ms)
        body.append(
            f'<rect x="{x:.1f}" y="16" width="{max(x_of(others.high_ms) - x, 1):.1f}" height="{low - 16}" class="band"/>'
        )
        middle = x_of(others.median_ms)
        body.append(f'<line x1="{middle:.1f}" y1="16" x2="{middle:.1f}" y2="{low}" class="dashed"/>')
        body.append(_text(middle, 12, "others" if english else "其他玩家", anchor="middle", kind="scale"))
    for number, count in enumerate(counts):
        if count:
            tall = (low - 24) * count / most
            body.append(
                f'<rect x="{left + width * number + 0.5:.1f}" y="{low - tall:.1f}" width="{width - 1:.1f}" '
                f'height="{tall:.1f}" class="bar"/>'
            )
    body.append(f'<line x1="{left}" y1="{low}" x2="{right}" y2="{low}" class="grid"/>')
    for ms, words in ((100, "0.1 s"), (300, "0.3 s"), (1000, "1 s"), (3000, "3 s"), (10_000, "10 s"), (30_000, "30 s")):
        anchor = "start" if ms == 100 else "end" if ms == 30_000 else "middle"
        body.append(_text(x_of(ms), low + 14, words, anchor=anchor, kind="scale"))
    median = times[len(times) // 2]
    zh, en = f"用时中位数 {median / 1000:.2f} 秒", f"Median time {median / 1000:.2f} s"
    if others:
        zh += (
            f";同样的题其他玩家 {others.median_ms / 1000:.2f} 秒"
            f"(八成在 {others.low_ms / 1000:.2f}–{others.high_ms / 1000:.2f} 秒)"
        )
        en += (
            f"; others on the same tests {others.median_ms / 1000:.2f} s "
            f"(four fifths within {others.low_ms / 1000:.2f}-{others.high_ms / 1000:.2f} s)"
        )
    zh, en = zh + "。", en + "."
    return Drawing(_svg(132, zh, en, body, english=english), zh, en)


KINDS = {
    "device": ("设备", "device"),
    "payee": ("收款人", "payee"),
    "phone": ("电话", "phone"),
    "address": ("网络", "network"),
    "inviter": ("邀请人", "inviter"),
}
MOST_ACCOUNTS = 40
_ACCOUNT, _THING = 112, 132


def short(player_id: UUID) -> str:
    """A player's id as it is shown: its last eight digits, which are random (the first ones are a time)."""
    return player_id.hex[-8:]


def linked_accounts(members: Sequence[UUID], links: Sequence[Link], *, english: bool) -> Drawing | None:
    """Accounts on the left, what two or more of them share on the right, a line where one has the other.

    Accounts of the case have a thick frame, others a thin one. None where nothing is shared.
    """
    of: dict[tuple[str, bytes], set[UUID]] = {}
    for link in links:
        of.setdefault((link.kind, link.thing), set()).add(link.player_id)
    for (kind, thing), players in of.items():
        if kind == "inviter":
            players.add(UUID(bytes=thing))
    shared = sorted((key for key, players in of.items() if len(players) > 1), key=lambda key: (-len(of[key]), key))[:24]
    if not shared:
        return None
    inside = set(members)
    tied = {player for key in shared for player in of[key]}
    accounts = sorted(tied, key=lambda player: (player not in inside, player))[:MOST_ACCOUNTS]
    step, top = 30, 30
    tall = max(len(accounts), len(shared)) * step
    y_of = {player: top + (number + 0.5) * tall / len(accounts) for number, player in enumerate(accounts)}
    counters: dict[str, int] = {}
    body = [
        _text(_ACCOUNT / 2 + 4, 16, "accounts" if english else "账号", anchor="middle", kind="scale"),
        _text(WIDTH - _THING / 2 - 4, 16, "shared" if english else "共同的", anchor="middle", kind="scale"),
    ]
    things = []
    for number, key in enumerate(shared):
        kind = key[0]
        counters[kind] = counters.get(kind, 0) + 1
        y = top + (number + 0.5) * tall / len(shared)
        name = f"{KINDS[kind][english]} {counters[kind]}" if kind != "inviter" else KINDS[kind][english]
        body += [
            f'<line x1="{_ACCOUNT + 4}" y1="{y_of[player]:.1f}" x2="{WIDTH - _THING - 4}" y2="{y:.1f}" class="link {kind}"/>'
            for player in sorted(of[key] & set(accounts))
        ]
        things.append(
            f'<rect x="{WIDTH - _THING - 4}" y="{y - 11:.1f}" width="{_THING}" height="22" rx="11" class="thing"/>'
        )
        things.append(_text(WIDTH - _THING / 2 - 4, y + 5, f"{name} · {len(of[key])}", anchor="middle"))
    for player in accounts:
        kind = "member" if player in inside else "other"
        body.append(f'<rect x="4" y="{y_of[player] - 11:.1f}" width="{_ACCOUNT}" height="22" rx="4" class="{kind}"/>')
        body.append(_text(_ACCOUNT / 2 + 4, y_of[player] + 5, short(player), anchor="middle", kind="mono"))
    told_zh = "、".join(f"{KINDS[kind][0]} {count}" for kind, count in counters.items())
    told_en = ", ".join(_counted(count, KINDS[kind][1]) for kind, count in counters.items())
    beside = len(tied - inside)
    zh = f"{len(tied & inside)} 个涉案账号、{beside} 个其他账号共用:{told_zh}。粗框是本案账号。"
    en = (
        f"{_counted(len(tied & inside), 'account')} of the case and {_counted(beside, 'other')} share: {told_en}. "
        "A thick frame: of this case."
    )
    return Drawing(_svg(top + tall + 10, zh, en, [*body, *things], english=english), zh, en)
