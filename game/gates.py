"""The collusion gate in words: a style that some choose every time is shown with and without their votes, never deleted."""

from typing import Final

from game.conclusions import Ailment
from ranking.reliability import Gate

PUSHED: Final = "pushed_style"


def gate_note(title: str, gate: Gate, *, rank_without: int, rank_in_full: int) -> Ailment:
    """What a merchant is told of a gated style. Ranks count from 1: as the ranking stands, where these voters count less
    on this style, and as it would be if they counted in full. Twenty lovers in a hundred who always choose a style look
    much like twenty who are paid to, so it says what was seen and accuses nobody.
    """
    always, usual = round(100 * gate.share), round(100 * gate.expected / gate.voters)
    zh = f"“{title}”:遇到它两次以上的玩家中,{always}% 每次都选它,正常的喜欢只能解释 {usual}%。"
    en = f'"{title}": of the players who met it more than once, {always} % chose it every time; liking explains {usual} %.'
    if rank_without == rank_in_full:
        zh += f"有没有他们的票,它都排第 {rank_without}。"
        en += f" With or without them it is rank {rank_without}."
    else:
        zh += f"不计他们对它的票,它排第 {rank_without};全部计入则排第 {rank_in_full}。"
        zh += "可能有人刷票,也可能是小众真爱,请自行判断。"
        en += (
            f" Without them it is rank {rank_without}, with them rank {rank_in_full}. It may be pushed, or truly loved by"
            " a few: judge for yourself."
        )
    return Ailment(PUSHED, zh, en)
