"""Whether a decision still stands: without any part of its voters, and after verdicts on them; in words for its merchant."""

from collections.abc import Sequence

from game.conclusions import Ailment


def holding_note(*, holds: bool, share: float, share_to_flip: float) -> Ailment:
    """Whether the result is the same without any `share` (0 to 1) of the voters, and how few could turn it round."""
    percent = f"{100 * share:.0f}"
    if holds:
        return Ailment(
            "holds_without_some",
            f"去掉任意 {percent}% 的玩家,结论不变。",
            f"The result is the same without any {percent} % of the voters.",
        )
    few = f"{max(100 * share_to_flip, 0.1):.1f}"
    return Ailment(
        "turns_without_some",
        f"结论比较脆弱:去掉最关键的约 {few}% 玩家,入选款就会变化。",
        f"The result is fragile: without the {few} % of the voters on whom it rests most, another style would be chosen.",
    )


def changed_note(before: Sequence[str], after: Sequence[str]) -> Ailment:
    """That a decided test would choose other styles now, by their titles: votes that it rested on were found unfair."""
    zh_before, zh_after = "、".join(before), "、".join(after)
    en_before, en_after = ", ".join(before), ", ".join(after)
    return Ailment(
        "result_changed",
        f"结论有变:部分票后来被判定为不公平。当时选出 {zh_before};不计这些票,应为 {zh_after}。",
        f"The result has changed, because some of its votes were found unfair later. It chose {en_before}; without them"
        f" it would be {en_after}.",
    )


def restored_note() -> Ailment:
    """That a result which had changed is the first one again, after an appeal for example."""
    return Ailment(
        "result_restored",
        "结论曾一度变化,复核之后恢复为当时的结论。",
        "The result had changed for a while; after a review it is the first one again.",
    )
