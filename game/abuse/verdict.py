"""From evidence to a standing: trusted, watched or muted, with reasons that a player can read and figures that an
operator can check.

Every signal says for each way of voting unfairly how many nats it is worth against an honest player. They are added,
with the logarithm of how common the way is, and normalised: that is `p_abusive`. Two rules keep taste safe. A player
is *muted* only on evidence that is free of content (sides, rhythm, pace, gold pairs, equal sequences, and reliably
choosing one party beyond what a lover of it does); agreement with others alone can lower a player's weight, and that
is "watched". And what one player, one device or one linked group can move in a test is bounded whatever the standing
(`bounded`).
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from scipy.special import expit, logsumexp

from game.abuse.evidence import WAY, WAYS, Floats, Ints
from ranking.voter_kinds import totals

Standing = Literal["trusted", "watched", "muted"]
STANDINGS: Final[tuple[Standing, ...]] = ("trusted", "watched", "muted")

# How common each way is among players, before anything is seen of one. Pushing and demoting carry the prior of their
# signal.
PRIOR: Final = {
    "random": 0.03,
    "one_sided": 0.01,
    "patterned": 0.005,
    "contrary": 0.005,
    "pushing": 0.004,
    "demoting": 0.004,
    "farmed": 0.002,
    "multiplied": 0.005,
    "mechanical": 0.003,
}
WATCH_AT: Final = 0.5
GATE: Final = "gate"
"""The signal that speaks of a party, and of its voters only by what is expected of them: how many push it is learnt."""
WATCH_BY_GATE_AT: Final = 0.8
"""Where only the gate makes a player suspect, P(abusive) from which he is watched. Until then it takes weight from his
votes on that style and from no others: among twenty pushers in a hundred, lovers of a style look much like them.
"""
MUTE_AT: Final = 0.97
"""P(abusive) by content-free evidence alone from which a player is muted. Calibrated on honest crowds:
docs/fair-votes.md.
"""
MUTE_VOTES: Final = 8
"""Nobody is muted on fewer votes than this."""

# Many accounts on one telephone cost their weight beyond one telephone's cap (`bounded`); being several is no reason
# to be silenced.
_NEVER_MUTED_FOR: Final = ("multiplied", "contrary")


@dataclass(frozen=True, slots=True)
class Reason:
    """Why, as a stable code with one sentence for the player in each language."""

    code: str
    zh: str
    en: str


REASONS: Final = {
    reason.code: reason
    for reason in (
        Reason(
            "random",
            "你的选择看起来没有看图:和图片内容无关。",
            "Your choices look as if the pictures were not looked at.",
        ),
        Reason("one_sided", "你几乎总是点同一边。", "You almost always tapped the same side."),
        Reason(
            "patterned",
            "你的左右选择按固定规律重复,例如左右轮流。",
            "Your taps follow a fixed pattern, such as left and right in turn.",
        ),
        Reason(
            "contrary",
            "你的选择几乎总与其他玩家相反,连难分高下的款式也是。",
            "You almost always chose the opposite of others, even where others hesitate.",
        ),
        Reason(
            "pushing",
            "你总是选择同一家的款式,远超正常的喜欢。",
            "You chose one party's styles every time, far beyond what liking explains.",
        ),
        Reason(
            "demoting",
            "你总是不选同一家的款式,远超正常的不喜欢。",
            "You rejected one party's styles every time, far beyond what dislike explains.",
        ),
        Reason(
            "farmed",
            "你和其他账号在同一时间给出了完全相同的点击顺序。",
            "You and other accounts gave the same sequence of taps at the same time.",
        ),
        Reason("multiplied", "同一部手机上有很多个账号在玩。", "Many accounts play on the same phone."),
        Reason(
            "mechanical",
            "你的点击节奏不像人手:太快、太均匀,或整天不停。",
            "The rhythm of your taps is not a hand's: too fast, too even, or all day long.",
        ),
        Reason(
            "too_fast",
            "你的很多选择快到来不及看清两张图片。",
            "Many of your choices came too fast to have seen both pictures.",
        ),
        Reason("missed_gold", "有明显答案的题,你错了很多次。", "You often missed pairs that have an obvious answer."),
        Reason(
            "linked",
            "与你的手机、网络或收货地址相连的账号也有同样的异常。",
            "Accounts linked to yours by phone, network or address do the same.",
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What is concluded of many players, one entry each, and why.

    `log_odds` and `p_abusive` by all evidence; `p_free` by content-free evidence alone; `standing` indexes STANDINGS;
    `reliability` is the weight of the player's votes (0 when muted); `ways` (n, len(WAYS)) the probability of each
    way; `nats` (n_signals, n, len(WAYS)) what each signal said.
    """

    player: Ints
    votes: Ints
    log_odds: Floats
    p_abusive: Floats
    p_free: Floats
    standing: Ints
    reliability: Floats
    ways: Floats
    nats: Floats
    signals: tuple[str, ...]

    def reasons(self, row: int) -> tuple[str, ...]:
        """Codes of REASONS for the player in this row, the weightiest first; none for the trusted."""
        if self.standing[row] == 0:
            return ()
        ways = self.ways[row] / max(self.ways[row].sum(), 1e-12)
        order = np.argsort(-ways)
        main = int(order[0])
        codes = [WAYS[way] for way in order if ways[way] >= 0.2 or way == main]
        said = {name: float(self.nats[k, row, main]) for k, name in enumerate(self.signals)}
        if said.get("response_time", 0.0) > 1.5:
            codes.append("too_fast")
        if said.get("gold", 0.0) > 1.5:
            codes.append("missed_gold")
        if said.get("linked_push", 0.0) > 1.5:
            codes.append("linked")
        return tuple(codes)


def conclude(
    player: Ints, votes: Ints, nats: Floats, *, signals: tuple[str, ...], content_free: tuple[bool, ...]
) -> Verdicts:
    """Combine what the signals say. nats: (n_signals, n, len(WAYS)); content_free: for each signal, whether it may
    mute.
    """
    prior = np.log([PRIOR[way] for way in WAYS])
    ways = nats.sum(axis=0) + prior
    log_odds = logsumexp(ways, axis=1)
    free = np.array(content_free)
    mutable = [WAY[way] for way in WAYS if way not in _NEVER_MUTED_FOR]
    odds_free = logsumexp((nats[free].sum(axis=0) + prior)[:, mutable], axis=1)
    p_free = expit(odds_free)
    p = expit(log_odds)
    share = np.exp(ways - log_odds[:, None]) * p[:, None]
    rest = np.array([name != GATE for name in signals])
    by_rest = expit(logsumexp(nats[rest].sum(axis=0) + prior, axis=1))
    standing = np.where((p >= WATCH_AT) & ((by_rest >= WATCH_AT) | (p >= WATCH_BY_GATE_AT)), 1, 0)
    # Content may acquit: who answers like people do is not muted for an odd rhythm.
    standing = np.where((p_free >= MUTE_AT) & (p >= 0.9) & (votes >= MUTE_VOTES), 2, standing)
    return Verdicts(
        player=player,
        votes=votes,
        log_odds=log_odds,
        p_abusive=p,
        p_free=p_free,
        standing=standing,
        reliability=np.where(standing == 2, 0.0, 1 - p),
        ways=share,
        nats=nats,
        signals=signals,
    )


def bounded(weight: Floats, holder: Ints, *, most_votes: float = 40.0, most_share: float = 0.01) -> Floats:
    """Weights of the votes on one test, no holder's together more than the larger of `most_votes` and `most_share` of
    all.

    holder: who casts each vote, from 0: a player, a device or a linked group (call it once for each, narrowest
    first); -1 for nobody's, never cut. All votes of a holder above the bound are scaled alike, whatever the verdict
    on it. The share is of what remains, so it is solved by repetition; weights only fall.
    """
    weight = weight.copy()
    known = holder >= 0
    if not known.any():
        return weight
    held = totals(holder[known], weight[known], int(holder.max()) + 1)
    capped = held.copy()
    loose = float(weight[~known].sum())
    for _ in range(50):
        most = max(most_votes, most_share * (float(capped.sum()) + loose))
        after = np.minimum(held, most)
        if np.allclose(after, capped, rtol=1e-9, atol=0):
            break
        capped = after
    factor = np.divide(capped, held, out=np.ones_like(held), where=held > 0)
    weight[known] *= factor[holder[known]]
    return weight
