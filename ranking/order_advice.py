"""From shares and their uncertainty to first-order quantities: how many of each, and what is risked by it.

The test says which share of first choices each style would get and how unsure that is; the merchant says how many
pieces the season will sell in all, and what a piece costs, brings, and still brings when it is left over. From both
come draws of demand, and from those the classical newsvendor: order until the chance of selling the last piece is down
to (cost - salvage) / (price - salvage), so that the chance of not running out is the critical ratio

    (price - cost) / (price - salvage)

(Arrow, Harris & Marschak 1951, Econometrica 19; Porteus 2002, Foundations of Stochastic Inventory Theory). All styles
are ordered together: a budget and the metres of each fabric are shared by Lagrange multipliers (Hadley & Whitin 1963,
Analysis of Inventory Systems, multi-item newsvendor), and what a minimum order makes worthless is left out altogether,
which frees its money for the others. With a second order in the season the first one only has to last until the second
arrives, and the second knows the early sales (Fisher & Raman 1996, Operations Research 44, accurate response).

Strengths are calibrated to money only by past sales: without them the share of taps is not the share of pieces, and
what comes out is an illustration and is called so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from statistics import NormalDist
from typing import Final, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranking.errors import RankingError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

DRAWS: Final = 2000
GRID: Final = 160
UNCALIBRATED_SD: Final = 0.4
"""Spread (log) of real demand around what a test says, where no sales are known: an assumption, shown as one."""
UNCALIBRATED_WORTH: Final = 3.0
"""How many reference styles that assumption weighs."""
FEWEST_REFERENCES: Final = 3


class OrderRefused(RankingError):
    """No order can be worked out: {reason}."""

    code = "order_refused"


class ScoresLike(Protocol):
    """What is read of `ranking.scores.Scores`: the reported strengths and covariance."""

    @property
    def strength(self) -> Floats: ...
    @property
    def covariance(self) -> Floats: ...


@dataclass(frozen=True, slots=True)
class Calibration:
    """What past sales say of test strengths: log(sales) = constant + `slope` * strength, scattered by `residual_sd`."""

    slope: float = 1.0
    residual_sd: float = UNCALIBRATED_SD
    n_references: int = 0

    @property
    def is_advice(self) -> bool:
        """Whether quantities may be called advice; else they illustrate."""
        return self.n_references >= FEWEST_REFERENCES


@dataclass(frozen=True, slots=True)
class StyleCosts:
    """Money of one style in fen a piece, and what its maker demands.

    `min_units`: fewer are not made. `fabric` and `metres`: cloth of a piece. `ordered`: whether it may be ordered at
    all (a style that was cut is not).
    """

    cost_fen: int
    price_fen: int
    salvage_fen: int = 0
    min_units: int = 0
    fabric: str = ""
    metres: float = 0.0
    ordered: bool = True

    @property
    def critical_ratio(self) -> float:
        """The chance of not running out that pays best."""
        return (self.price_fen - self.cost_fen) / (self.price_fen - self.salvage_fen)


@dataclass(frozen=True, slots=True)
class SeasonPlan:
    """What the merchant expects and may spend.

    `units`: pieces of all the tested styles together that the season sells, `units_cv` its relative uncertainty.
    `budget_fen`: for the first order. `fabric_metres`: how much there is of a fabric; `fabric_min_metres`: how much
    must be booked if any is. `early_share`: the part of the season that is sold before a second order can arrive (1:
    there is no second order); `reorder_cost_factor`: what a piece costs in the second order relative to the first;
    `late_sd`: spread (log) that early sales leave in the rest of the season.
    """

    units: int
    units_cv: float = 0.2
    budget_fen: int | None = None
    fabric_metres: Mapping[str, float] = field(default_factory=dict)
    fabric_min_metres: Mapping[str, float] = field(default_factory=dict)
    early_share: float = 1.0
    reorder_cost_factor: float = 1.0
    late_sd: float = 0.15


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One style of the order. Money in fen; what is expected is rounded to whole pieces and fen.

    `units`: the first order. `demand`: mean demand, with its 10 % and 90 % quantiles. `reorder_units`: what a second
    order is expected to add. `leftover_units` and `leftover_fen`: expected pieces left and the loss on them;
    `leftover_worst_fen`: that loss in the worst case of ten. `missed_units`, `missed_fen`: sales missed and the margin
    lost by it. `stock_out`: the chance of running out at the end.
    """

    style: int
    units: int
    demand: int
    demand_low: int
    demand_high: int
    share: float
    critical_ratio: float
    cost_fen: int
    reorder_units: int
    leftover_units: int
    leftover_fen: int
    leftover_worst_fen: int
    missed_units: int
    missed_fen: int
    stock_out: float
    profit_fen: int


@dataclass(frozen=True, slots=True)
class OrderAdvice:
    """The whole order.

    `kind` is "advice" where past sales calibrate it, else "illustration". `worth_of_money`: fen of profit that one
    more fen of budget would bring (0 where the budget does not bind). `metres`: cloth by fabric. `binding`: which
    limits hold the order back: "budget", "fabric:<name>", "minimum:<style>" for a style left out because its minimum
    does not pay.
    """

    kind: Literal["advice", "illustration"]
    lines: tuple[OrderLine, ...]
    money_fen: int
    profit_fen: int
    profit_low_fen: int
    leftover_fen: int
    leftover_worst_fen: int
    missed_fen: int
    worth_of_money: float
    metres: Mapping[str, float]
    binding: tuple[str, ...]

    @property
    def units(self) -> int:
        """Pieces in all."""
        return sum(line.units for line in self.lines)


def calibrate(strength: ArrayLike, sales: ArrayLike) -> Calibration:
    """How strengths of reference styles in a test relate to what they sold (pieces).

    Least squares of log sales on strength, the slope drawn to 1 and the scatter to 0.4 with the weight of three styles;
    a slope is never negative: a test that says the opposite of the sales calibrates nothing. Fewer than three
    references leave the result an illustration.
    """
    x, pieces = np.asarray(strength, dtype=np.float64), np.asarray(sales, dtype=np.float64)
    if x.shape != pieces.shape or x.ndim != 1 or not (np.isfinite(x).all() and np.isfinite(pieces).all()):
        raise OrderRefused(reason="each reference style has one finite strength and one finite number of sales")
    if (pieces < 0.0).any():
        raise OrderRefused(reason="sales are not negative")
    if len(x) < 2:
        return Calibration(n_references=len(x))
    y = np.log(pieces + 1.0)
    x, y = x - x.mean(), y - y.mean()
    # A prior of precision `worth` on (slope - 1), in units of the scatter, where strengths spread by 0.6 logits.
    worth = UNCALIBRATED_WORTH * 0.36
    slope = max(0.0, float((x @ y + worth) / (x @ x + worth)))
    residual = float(np.sum((y - slope * x) ** 2))
    scatter = (residual + UNCALIBRATED_WORTH * UNCALIBRATED_SD**2) / (len(x) - 1.0 + UNCALIBRATED_WORTH)
    return Calibration(slope, float(np.sqrt(scatter)), len(x))


def demand_draws(
    scores: ScoresLike,
    plan: SeasonPlan,
    rng: np.random.Generator,
    calibration: Calibration | None = None,
    *,
    n_draws: int = DRAWS,
) -> Floats:
    """(n_draws, n): possible demands in pieces. Shares are softmax of slope * strength + scatter, season times share.

    Strengths come from the reported uncertainty (normal), the season's size is lognormal with mean `units`.
    """
    calibration = calibration or Calibration()
    _check_plan(plan)
    strength = np.asarray(scores.strength, dtype=np.float64)
    covariance = np.asarray(scores.covariance, dtype=np.float64)
    n = len(strength)
    if not (np.isfinite(strength).all() and np.isfinite(covariance).all()):
        raise OrderRefused(reason="the scores hold a number that is not finite")
    values, vectors = np.linalg.eigh(0.5 * (covariance + covariance.T))
    theta = strength + rng.standard_normal((n_draws, n)) @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
    logit = calibration.slope * theta + calibration.residual_sd * rng.standard_normal((n_draws, n))
    logit -= logit.max(axis=1, keepdims=True)
    odds = np.exp(logit)
    shares = odds / odds.sum(axis=1, keepdims=True)
    sd = np.sqrt(np.log1p(plan.units_cv**2))
    season = plan.units * np.exp(sd * rng.standard_normal(n_draws) - 0.5 * sd**2)
    return np.asarray(shares * season[:, None])


def advise(
    scores: ScoresLike,
    costs: Sequence[StyleCosts],
    plan: SeasonPlan,
    rng: np.random.Generator,
    calibration: Calibration | None = None,
) -> OrderAdvice:
    """The order that earns most in expectation within the plan's limits. Raises `OrderRefused` for what cannot be."""
    calibration = calibration or Calibration()
    if len(costs) != len(scores.strength):
        raise OrderRefused(reason=f"there are {len(scores.strength)} styles and costs for {len(costs)}")
    return order(demand_draws(scores, plan, rng, calibration), costs, plan, rng, calibration)


def order(
    demand: ArrayLike,
    costs: Sequence[StyleCosts],
    plan: SeasonPlan,
    rng: np.random.Generator,
    calibration: Calibration | None = None,
) -> OrderAdvice:
    """The same from draws of demand, (draws, n) pieces, wherever they come from."""
    calibration = calibration or Calibration()
    draws = np.asarray(demand, dtype=np.float64)
    if draws.ndim != 2 or draws.shape[1] != len(costs) or len(draws) < 2:
        raise OrderRefused(reason=f"demand has the shape {draws.shape}, and there are {len(costs)} styles")
    if not np.isfinite(draws).all() or (draws < 0.0).any():
        raise OrderRefused(reason="a drawn demand is negative or not finite")
    _check_plan(plan)
    for style, cost in enumerate(costs):
        _check_costs(style, cost)
    late = np.exp(plan.late_sd * rng.standard_normal(draws.shape) - 0.5 * plan.late_sd**2)
    desks = [_Desk.open(draws[:, i], late[:, i], cost, plan) for i, cost in enumerate(costs)]
    quantities, multiplier, binding = _allocate(desks, costs, plan)
    return _report(quantities, desks, costs, plan, calibration, multiplier, binding)


def colour_split(units: int, worth: Mapping[str, float], *, min_units: int = 0, slope: float = 1.0) -> dict[str, int]:
    """Pieces of a style by colour: in proportion to exp(slope * part-worth), whole pieces that sum to `units`.

    `min_units` is the dye-lot minimum: a colour that would get fewer is left out and its pieces go to the others,
    weakest first. If not even one colour can be dyed the strongest gets all.
    """
    if units < 0 or min_units < 0:
        raise OrderRefused(reason="pieces and dye-lot minimum are not negative")
    if not worth:
        raise OrderRefused(reason="a colour split needs at least one colour")
    if not all(isfinite(value) for value in worth.values()):
        raise OrderRefused(reason="a part-worth is not finite")
    kept = dict(sorted(worth.items(), key=lambda pair: (-pair[1], pair[0])))
    while True:
        top = max(kept.values())
        weights = {name: float(np.exp(slope * (value - top))) for name, value in kept.items()}
        split = whole_pieces(units, weights)
        weakest = min(kept, key=lambda name: (kept[name], name))
        if len(kept) == 1 or split[weakest] >= min_units:
            return {name: split.get(name, 0) for name in worth}
        del kept[weakest]


def size_split(units: int, curve: Mapping[str, float]) -> dict[str, int]:
    """Pieces by size after the merchant's own size curve; pictures say nothing about sizes."""
    if not curve:
        raise OrderRefused(reason="a size split needs the merchant's size curve")
    return whole_pieces(units, curve)


def whole_pieces(units: int, weights: Mapping[str, float]) -> dict[str, int]:
    """`units` in proportion to `weights`, in whole pieces that sum to it (largest remainder; ties in given order)."""
    values = np.array(list(weights.values()), dtype=np.float64)
    if units < 0 or not np.isfinite(values).all() or (values < 0.0).any() or not values.sum() > 0.0:
        raise OrderRefused(reason="shares are not negative, finite, and not all zero")
    exact = units * values / values.sum()
    whole = np.floor(exact + 1e-9).astype(np.int64)
    order_ = np.argsort(-(exact - whole), kind="stable")
    whole[order_[: units - int(whole.sum())]] += 1
    return {name: int(piece) for name, piece in zip(weights, whole, strict=True)}


# ---- one style: what each quantity would earn --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Desk:
    """One style's draws and its expected profit on a grid of first orders."""

    early: Floats
    late: Floats
    target: Floats
    cost: StyleCosts
    second: bool
    second_cost_fen: float
    grid: Floats
    profit: Floats

    @staticmethod
    def open(demand: Floats, late: Floats, cost: StyleCosts, plan: SeasonPlan) -> "_Desk":
        second_cost = cost.cost_fen * plan.reorder_cost_factor
        ratio = (cost.price_fen - second_cost) / (cost.price_fen - cost.salvage_fen)
        second = plan.early_share < 1.0 and ratio > 0.0
        early = demand * plan.early_share
        rest = demand - early
        if second:
            # Early sales tell the level; what they leave open is `late_sd`. Order up to its critical ratio.
            sd = plan.late_sd
            z = NormalDist().inv_cdf(min(max(ratio, 1e-6), 1.0 - 1e-6))
            quantile = np.exp(sd * z - 0.5 * sd**2)
            target = rest * quantile
        else:
            target = np.zeros_like(rest)
        late_demand = rest * late if plan.early_share < 1.0 else np.zeros_like(rest)
        top = float(np.quantile(early + late_demand, 0.998)) + 1.0
        grid = np.unique(np.concatenate([[0.0, float(cost.min_units)], np.linspace(0.0, top, GRID)]))
        desk = _Desk(early, late_demand, target, cost, second, second_cost, grid, np.zeros_like(grid))
        profit = np.array([float(desk.result(q).profit.mean()) for q in grid])
        return _Desk(early, late_demand, target, cost, second, second_cost, grid, profit)

    def result(self, units: float) -> "_Result":
        """What each draw of the season makes of a first order of `units`."""
        sold_early = np.minimum(self.early, units)
        kept = units - sold_early
        reorder = np.maximum(0.0, self.target - kept) if self.second else np.zeros_like(kept)
        sold_late = np.minimum(self.late, kept + reorder)
        left = kept + reorder - sold_late
        missed = self.early - sold_early + self.late - sold_late
        profit = (
            self.cost.price_fen * (sold_early + sold_late)
            + self.cost.salvage_fen * left
            - self.cost.cost_fen * units
            - self.second_cost_fen * reorder
        )
        return _Result(profit, left, missed, reorder)

    def best(self, price_of_unit: float, lowest: float) -> float:
        """The quantity that earns most when each piece costs `price_of_unit` fen more, at least `lowest`."""
        allowed = self.grid >= lowest
        value = np.where(allowed, self.profit - price_of_unit * self.grid, -np.inf)
        at = int(value.argmax())
        if at == 0 or at == len(self.grid) - 1 or not np.isfinite(value[at - 1]):
            return float(self.grid[at])
        # The grid is coarse and profit concave: the top of the parabola through the three highest points is near.
        x, y = self.grid[at - 1 : at + 2], value[at - 1 : at + 2]
        left, right = (y[1] - y[0]) / (x[1] - x[0]), (y[2] - y[1]) / (x[2] - x[1])
        if left <= right:
            return float(x[1])
        middle = 0.5 * (x[0] + x[1]) + left * 0.5 * (x[2] - x[0]) / (left - right)
        return float(min(max(middle, x[0], lowest), x[2]))

    def value(self, units: float) -> float:
        """Expected profit in fen, between the points of the grid by straight lines."""
        return float(np.interp(units, self.grid, self.profit))


@dataclass(frozen=True, slots=True)
class _Result:
    profit: Floats
    left: Floats
    missed: Floats
    reorder: Floats


# ---- all styles together ------------------------------------------------------------------------------------------


def _allocate(
    desks: list[_Desk], costs: Sequence[StyleCosts], plan: SeasonPlan
) -> tuple[Integers, float, tuple[str, ...]]:
    """First orders in whole pieces, the worth of one more fen, and the limits that bind.

    Which styles to leave out because their minimum does not pay is a knapsack; leaving out the one whose going helps
    most, until none helps, is exact wherever minimum orders do not crowd each other and near it elsewhere.
    """
    chosen = [i for i, cost in enumerate(costs) if cost.ordered and _pays(desks[i], cost)]
    best, multiplier = _solve(desks, costs, plan, chosen)
    earned = _earned(desks, best) if best is not None else -np.inf
    while chosen:
        trials = []
        for left_out in _candidates(chosen, costs, best):
            rest = [i for i in chosen if i not in left_out]
            quantities, m = _solve(desks, costs, plan, rest)
            if quantities is not None:
                trials.append((_earned(desks, quantities), rest, quantities, m))
        if not trials:
            if best is None:
                chosen = chosen[:-1]
                continue
            break
        top = max(trials, key=lambda trial: trial[0])
        if best is not None and top[0] <= earned + 1e-6:
            break
        earned, chosen, best, multiplier = top
    if best is None:
        best, multiplier, chosen = np.zeros(len(desks)), 0.0, []
    units = _whole(best, desks, costs, plan)
    binding = []
    spent = sum(int(q) * cost.cost_fen for q, cost in zip(units, costs, strict=True))
    if multiplier > 1e-6 and plan.budget_fen is not None:
        binding.append("budget")
    metres = _metres(units, costs)
    for name, limit in plan.fabric_metres.items():
        widest = max((c.metres for c in costs if c.fabric == name), default=0.0)
        group = [i for i in chosen if costs[i].fabric == name]
        wanted = sum(desks[i].best(multiplier * costs[i].cost_fen, 0.0) * costs[i].metres for i in group)
        if wanted > limit + 1e-6 and metres.get(name, 0.0) > limit - widest - 1e-6:
            binding.append(f"fabric:{name}")
    for i, cost in enumerate(costs):
        if cost.ordered and cost.min_units and i not in chosen and desks[i].best(0.0, 0.0) >= 1.0:
            binding.append(f"minimum:{i}")
    assert plan.budget_fen is None or spent <= plan.budget_fen, "an order never costs more than the budget"
    return units, multiplier if "budget" in binding else 0.0, tuple(binding)


def _pays(desk: _Desk, cost: StyleCosts) -> bool:
    quantity = desk.best(0.0, cost.min_units)
    return quantity >= 1.0 and desk.value(quantity) > 0.0


def _candidates(chosen: list[int], costs: Sequence[StyleCosts], best: Floats | None) -> list[tuple[int, ...]]:
    """Whose leaving out may help: styles that stand on their minimum (where nothing fits, any style), and fabrics."""
    single = [(i,) for i in chosen if best is None or (costs[i].min_units and best[i] <= costs[i].min_units + 1e-6)]
    fabrics = sorted({costs[i].fabric for i in chosen if costs[i].fabric})
    groups = [tuple(i for i in chosen if costs[i].fabric == name) for name in fabrics]
    return single + [group for group in groups if len(group) > 1 or group not in single]


def _solve(
    desks: list[_Desk], costs: Sequence[StyleCosts], plan: SeasonPlan, chosen: list[int]
) -> tuple[Floats | None, float]:
    """Quantities for just these styles, None when their minima alone break a limit; and the budget's multiplier."""
    lowest = np.array([float(costs[i].min_units) if i in chosen else 0.0 for i in range(len(desks))])
    money = np.array([float(c.cost_fen) for c in costs])
    budget = np.inf if plan.budget_fen is None else float(plan.budget_fen)
    if float(lowest @ money) > budget:
        return None, 0.0
    for name, limit in plan.fabric_metres.items():
        if sum(lowest[i] * costs[i].metres for i in chosen if costs[i].fabric == name) > limit + 1e-9:
            return None, 0.0
    free = [i for i in chosen if not _fabric_rules(costs[i], plan)]
    fabrics = sorted({costs[i].fabric for i in chosen if _fabric_rules(costs[i], plan)})

    def at(price_of_money: float) -> Floats | None:
        quantities = np.zeros(len(desks))
        for i in free:
            quantities[i] = desks[i].best(price_of_money * money[i], lowest[i])
        for name in fabrics:
            group = [i for i in chosen if costs[i].fabric == name]
            shared = _share_fabric(desks, costs, plan, group, name, price_of_money, lowest)
            if shared is None:
                return None
            quantities[group] = shared
        return quantities

    def too_dear(quantities: Floats | None) -> bool:
        return quantities is not None and float(quantities @ money) > budget

    quantities = at(0.0)
    if not too_dear(quantities):
        return quantities, 0.0
    low, high = 0.0, 1.0
    while too_dear(at(high)):
        high *= 2.0
        if high > 1e6:
            return None, 0.0
    for _ in range(40):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if too_dear(at(middle)) else (low, middle)
    return at(high), high


def _fabric_rules(cost: StyleCosts, plan: SeasonPlan) -> bool:
    return cost.metres > 0.0 and (cost.fabric in plan.fabric_metres or cost.fabric in plan.fabric_min_metres)


def _share_fabric(
    desks: list[_Desk],
    costs: Sequence[StyleCosts],
    plan: SeasonPlan,
    group: list[int],
    name: str,
    price_of_money: float,
    lowest: Floats,
) -> Floats | None:
    """Quantities of one fabric's styles: its price is raised until it suffices, lowered until its minimum is met.

    None where the minimum is more than the season could ever sell.
    """
    limit = plan.fabric_metres.get(name, np.inf)
    minimum = plan.fabric_min_metres.get(name, 0.0)
    metres = np.array([costs[i].metres for i in group])

    def at(price_of_metre: float) -> Floats:
        return np.array(
            [
                desks[i].best(price_of_money * costs[i].cost_fen + price_of_metre * costs[i].metres, lowest[i])
                for i in group
            ]
        )

    quantities = at(0.0)
    used = float(quantities @ metres)
    if minimum <= used <= limit:
        return quantities
    sign = 1.0 if used > limit else -1.0
    bound = limit if used > limit else minimum
    low, high = 0.0, 100.0
    while sign * (float(at(sign * high) @ metres) - bound) > 0.0 and high < 1e9:
        high *= 4.0
    for _ in range(40):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if sign * (float(at(sign * middle) @ metres) - bound) > 0.0 else (low, middle)
    quantities = at(sign * high)
    return quantities if sign * (float(quantities @ metres) - bound) <= 1e-6 else None


def _earned(desks: list[_Desk], quantities: Floats) -> float:
    return sum(desk.value(float(q)) for desk, q in zip(desks, quantities, strict=True))


def _whole(quantities: Floats, desks: list[_Desk], costs: Sequence[StyleCosts], plan: SeasonPlan) -> Integers:
    """Whole pieces: rounded down, then up again one by one where the next piece still earns and the limits allow."""
    units = np.floor(quantities + 1e-6).astype(np.int64)
    for i, cost in enumerate(costs):
        if quantities[i] > 0.0:
            units[i] = max(units[i], cost.min_units)
    for i in np.argsort(-(quantities - units), kind="stable").tolist():
        if quantities[i] - units[i] < 0.5:
            continue
        more = units.copy()
        more[i] += 1
        if _within(more, costs, plan):
            units = more
    for name, least in plan.fabric_min_metres.items():
        group = [i for i, cost in enumerate(costs) if cost.fabric == name and cost.metres > 0.0 and units[i]]
        while group and _metres(units, costs)[name] < least - 1e-9:
            units[max(group, key=lambda i: (quantities[i] - units[i], -i))] += 1
        if group and not _within(units, costs, plan):
            # The last piece that the booking asks for is the one that money or cloth refuse.
            units[group] = 0
    return units


def _within(units: Integers, costs: Sequence[StyleCosts], plan: SeasonPlan) -> bool:
    metres = _metres(units, costs)
    spent = sum(int(q) * cost.cost_fen for q, cost in zip(units, costs, strict=True))
    return (plan.budget_fen is None or spent <= plan.budget_fen) and all(
        metres.get(name, 0.0) <= limit + 1e-9 for name, limit in plan.fabric_metres.items()
    )


def _metres(units: Integers, costs: Sequence[StyleCosts]) -> dict[str, float]:
    used: dict[str, float] = {}
    for quantity, cost in zip(units.tolist(), costs, strict=True):
        if cost.fabric and quantity:
            used[cost.fabric] = used.get(cost.fabric, 0.0) + quantity * cost.metres
    return used


def _report(
    units: Integers,
    desks: list[_Desk],
    costs: Sequence[StyleCosts],
    plan: SeasonPlan,
    calibration: Calibration,
    multiplier: float,
    binding: tuple[str, ...],
) -> OrderAdvice:
    lines = []
    season_profit = np.zeros_like(desks[0].early)
    season_loss = np.zeros_like(season_profit)
    total = sum(float(np.mean(desk.early + desk.late)) for desk in desks)
    for style, (desk, cost) in enumerate(zip(desks, costs, strict=True)):
        quantity = int(units[style])
        demand = desk.early + desk.late
        if quantity:
            result = desk.result(quantity)
        else:
            # What is not ordered first is not ordered at all: a second order follows a first.
            result = _Result(np.zeros_like(demand), np.zeros_like(demand), demand, np.zeros_like(demand))
        loss = (cost.cost_fen - cost.salvage_fen) * result.left
        season_profit += result.profit
        season_loss += loss
        low, high = np.quantile(demand, [0.1, 0.9])
        lines.append(
            OrderLine(
                style=style,
                units=quantity,
                demand=round(float(demand.mean())),
                demand_low=round(float(low)),
                demand_high=round(float(high)),
                share=float(demand.mean()) / total if total > 0.0 else 0.0,
                critical_ratio=cost.critical_ratio,
                cost_fen=quantity * cost.cost_fen,
                reorder_units=round(float(result.reorder.mean())),
                leftover_units=round(float(result.left.mean())),
                leftover_fen=round(float(loss.mean())),
                leftover_worst_fen=round(float(np.quantile(loss, 0.9))),
                missed_units=round(float(result.missed.mean())),
                missed_fen=round(float(result.missed.mean()) * (cost.price_fen - cost.cost_fen)),
                stock_out=float(np.mean(result.missed > 1e-9)),
                profit_fen=round(float(result.profit.mean())),
            )
        )
    return OrderAdvice(
        kind="advice" if calibration.is_advice else "illustration",
        lines=tuple(lines),
        money_fen=sum(line.cost_fen for line in lines),
        profit_fen=round(float(season_profit.mean())),
        profit_low_fen=round(float(np.quantile(season_profit, 0.1))),
        leftover_fen=round(float(season_loss.mean())),
        leftover_worst_fen=round(float(np.quantile(season_loss, 0.9))),
        missed_fen=sum(line.missed_fen for line in lines),
        worth_of_money=multiplier,
        metres=_metres(units, costs),
        binding=binding,
    )


def _check_plan(plan: SeasonPlan) -> None:
    if isinstance(plan.units, bool) or plan.units < 1 or not isfinite(plan.units):
        raise OrderRefused(reason=f"the season sells at least one piece, and units is {plan.units!r}")
    if not 0.0 <= plan.units_cv <= 5.0:
        raise OrderRefused(reason=f"units_cv lies between 0 and 5, and is {plan.units_cv!r}")
    if plan.budget_fen is not None and plan.budget_fen < 0:
        raise OrderRefused(reason=f"a budget is not negative, and is {plan.budget_fen} fen")
    if not 0.0 < plan.early_share <= 1.0:
        raise OrderRefused(reason=f"early_share lies above 0 and at most at 1, and is {plan.early_share!r}")
    if not 0.1 <= plan.reorder_cost_factor <= 10.0 or not 0.0 <= plan.late_sd <= 3.0:
        raise OrderRefused(reason="reorder_cost_factor lies in 0.1..10 and late_sd in 0..3")
    for name, metres in [*plan.fabric_metres.items(), *plan.fabric_min_metres.items()]:
        if not isfinite(metres) or metres < 0.0:
            raise OrderRefused(reason=f"metres of {name!r} are not negative, and are {metres!r}")
        if plan.fabric_min_metres.get(name, 0.0) > plan.fabric_metres.get(name, np.inf):
            raise OrderRefused(reason=f"the minimum booking of {name!r} is more than there is of it")


def _check_costs(style: int, cost: StyleCosts) -> None:
    if not 0 <= cost.salvage_fen < cost.price_fen or cost.cost_fen <= 0:
        raise OrderRefused(reason=f"style {style}: cost is positive, and 0 <= salvage < price (fen)")
    if cost.cost_fen <= cost.salvage_fen:
        raise OrderRefused(
            reason=f"style {style}: a piece left over brings no less than it cost; then there is no risk"
        )
    if cost.min_units < 0 or not isfinite(cost.metres) or cost.metres < 0.0:
        raise OrderRefused(reason=f"style {style}: minimum order and metres are not negative")
