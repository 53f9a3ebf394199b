"""The confirmation of a proven winner: fresh voters meet it again and again, and a bought one is too often all they like.

A leader that was voted up by people who are paid to push it looks like any other in the ranking. What gives it away is
voters who choose it every single time, more of them than honest liking explains. So a test that was to be *proven* goes
on for a while after its rule has fired: each voter is shown mostly pairs with a chosen style, against rivals that he
has not met beside it. Whoever was found out is told, never deleted: a niche that is truly loved can look the same.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from hashlib import blake2s
from itertools import combinations
from statistics import NormalDist
from uuid import UUID

import numpy as np

from ranking.stopping import PROBE_THRESHOLD, ProbePlan, ProbeVerdict, probe_plan, probe_test

FEWEST_MEETINGS = 2

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Probe:
    """A confirmation under way: the chosen styles, by position, among `n_styles`; each voter meets one of them."""

    leaders: tuple[int, ...]
    n_styles: int

    def plan_of(self, player_id: UUID) -> ProbePlan:
        """What this player is to meet: which chosen style is a matter of his number, and stays."""
        at = int.from_bytes(blake2s(player_id.bytes, digest_size=4).digest(), "big") % len(self.leaders)
        return plan(self.leaders[at], self.n_styles)

    def next_pair(
        self, player_id: UUID, met: Collection[Pair], probed: Collection[Pair], rng: np.random.Generator
    ) -> tuple[Pair, float] | None:
        """The next pair of this player's session and the chance that it was this one; None when it is over.

        `met`: pairs (low, high) that he has seen in this test; `probed`: those of them that belonged to the
        confirmation. Nobody begins a session in which he could meet the style once only: that says nothing.
        """
        plan = self.plan_of(player_id)
        rivals = [r for r in range(self.n_styles) if r != plan.leader and _pair(plan.leader, r) not in met]
        left = plan.pairs - len(probed)
        if left <= 0 or (not probed and len(rivals) < FEWEST_MEETINGS):
            return None
        with_leader = plan.with_leader - sum(plan.leader in pair for pair in probed)
        chance = min(1.0, max(0.0, with_leader / left)) if rivals else 0.0
        rest: list[Pair] = []
        if chance < 1.0:
            others = (i for i in range(self.n_styles) if i != plan.leader)
            rest = [pair for pair in combinations(others, 2) if pair not in met]
            if not rest and with_leader <= 0:
                return None
            chance = chance if rest else 1.0
        if not rivals and not rest:
            return None
        if rng.random() < chance:
            return _pair(plan.leader, rivals[int(rng.integers(len(rivals)))]), chance / len(rivals)
        return rest[int(rng.integers(len(rest)))], (1.0 - chance) / len(rest)


def _pair(a: int, b: int) -> Pair:
    return (a, b) if a < b else (b, a)


def plan(leader: int, n_styles: int) -> ProbePlan:
    """The session of one voter, and how many such sessions are wanted in all."""
    return probe_plan(leader, n_styles)


@dataclass(frozen=True, slots=True)
class ProbeVotes:
    """The votes of confirmations so far, as arrays of one length.

    `choice` is 1 where the left one was preferred, 0 the right one, 0.5 for "neither" (whoever is paid does not say so).
    """

    left: np.ndarray
    right: np.ndarray
    choice: np.ndarray
    voter: np.ndarray

    def about(self, leaders: Sequence[int]) -> int:
        """How many are of voters who met one of these: what counts towards the plan."""
        if not len(self.voter):
            return 0
        meets = np.isin(self.left, leaders) | np.isin(self.right, leaders)
        return int(np.isin(self.voter, np.unique(self.voter[meets])).sum())


@dataclass(frozen=True, slots=True)
class Confirmation:
    """How far it has come: `votes` of `wanted`; `over` when no more are asked; one verdict for each chosen style."""

    leaders: tuple[int, ...]
    votes: int
    wanted: int
    over: bool
    verdicts: tuple[ProbeVerdict, ...] = ()

    @property
    def flagged(self) -> tuple[int, ...]:
        """Chosen styles whose following is not explained by honest liking."""
        return tuple(
            leader
            for leader, verdict in zip(self.leaders, self.verdicts, strict=False)
            if self.over and verdict.flagged
        )

    @property
    def state(self) -> str:
        """`running`, `passed` or `flagged`."""
        return "running" if not self.over else "flagged" if self.flagged else "passed"

    def words(self, titles: Sequence[str]) -> tuple[str, str]:
        """What it says, in Chinese and English."""
        if not self.over:
            return (
                f"规则已满足,正在做确认测试({self.votes}/{self.wanted} 票):让新的玩家反复遇到入选的款式,"
                "看有没有人只捧它。",
                f"The rule has fired; now confirming ({self.votes} of {self.wanted} votes): fresh players meet what was "
                "chosen again and again, to see whether somebody only pushes it.",
            )
        if self.flagged:
            told = [(titles[leader], self.verdicts[self.leaders.index(leader)]) for leader in self.flagged]
            zh = ";".join(
                f"确认测试里,{one.n_voters} 人中有 {one.all_win} 人每次都选“{title}”(真心喜欢的大约 {one.expected:.0f} 人)"
                for title, one in told
            )
            en = "; ".join(
                f'in the confirmation {one.all_win} of {one.n_voters} voters chose "{title}" every time, where honest '
                f"liking explains about {one.expected:.0f}"
                for title, one in told
            )
            return (
                f"{zh}。可能有人刷票,也可能是小众真爱,请人工判断。",
                f"{en[0].upper()}{en[1:]}. Votes may have been bought, or a few may truly love it; judge for yourself.",
            )
        if self.votes < self.wanted:
            return (
                f"确认测试只做了 {self.votes}/{self.wanted} 票(预算、时间或新玩家已用完),没有发现刷票迹象。",
                f"The confirmation had {self.votes} of {self.wanted} votes (money, time or fresh players ran out) and "
                "found no sign of bought votes.",
            )
        return (
            f"确认测试({self.votes} 票)没有发现刷票迹象。",
            f"The confirmation ({self.votes} votes) found no sign of bought votes.",
        )


def confirm(
    leaders: Sequence[int], cast: ProbeVotes, strength: np.ndarray, *, side_effect: float, last: bool
) -> Confirmation:
    """Where the confirmation of these styles stands.

    `strength` (n,) logits, best of a fit without the votes of the confirmation, which a bought crowd has pushed too;
    `last`: no more votes will come. With several chosen styles the threshold is that of all of them together.
    """
    n = len(strength)
    wanted = plan(leaders[0], n).votes
    votes = cast.about(leaders)
    over = last or votes >= wanted
    verdicts: tuple[ProbeVerdict, ...] = ()
    if over:
        normal = NormalDist()
        threshold = normal.inv_cdf(1.0 - (1.0 - normal.cdf(PROBE_THRESHOLD)) / len(leaders))
        verdicts = tuple(
            probe_test(
                strength, leader, cast.left, cast.right, cast.choice, cast.voter, side_effect=side_effect,
                threshold=threshold,
            )
            for leader in leaders
        )  # fmt: skip
    return Confirmation(tuple(int(leader) for leader in leaders), votes, wanted, over, verdicts)
