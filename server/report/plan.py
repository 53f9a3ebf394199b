"""What a merchant expects of a season, beside what the test says: pieces, money, sizes, shops, and what is known before.

A plan is the merchant's word. Whatever is left out has a default that the report names as such; nothing here is learnt
from pictures.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ranking.order_advice import SeasonPlan, StyleCosts

DEFAULT_UNITS = 1000
DEFAULT_SALVAGE_PERMILLE = 300


@dataclass(frozen=True, slots=True)
class Plan:
    """A season. Money in fen, parts of a whole in permille, cloth in millimetres a piece and metres in stock.

    `units`: pieces that the styles which are made will sell in all (None: not told, and 1 000 illustrate).
    `salvage_permille`: what a piece left over still brings, of its cost. `early_permille`: the part of the season sold
    before a second order can arrive (1000: there is none). `sizes`, `stores`: any positive weights.
    """

    units: int | None = None
    units_cv_permille: int = 200
    budget_fen: int | None = None
    min_units: int = 0
    salvage_permille: int = DEFAULT_SALVAGE_PERMILLE
    early_permille: int = 1000
    reorder_cost_permille: int = 1000
    sizes: Mapping[str, float] = field(default_factory=dict)
    stores: Mapping[str, float] = field(default_factory=dict)
    colours: tuple[str, ...] = ()
    dye_lot_units: int = 0
    fabric_mm: int = 0
    fabric_metres: Mapping[str, float] = field(default_factory=dict)
    fabric_min_metres: Mapping[str, float] = field(default_factory=dict)

    def season(self) -> SeasonPlan:
        """The plan as the newsvendor reads it."""
        return SeasonPlan(
            units=self.units or DEFAULT_UNITS,
            units_cv=self.units_cv_permille / 1000,
            budget_fen=self.budget_fen,
            early_share=self.early_permille / 1000,
            reorder_cost_factor=self.reorder_cost_permille / 1000,
            fabric_metres=dict(self.fabric_metres) if self.fabric_mm else {},
            fabric_min_metres=dict(self.fabric_min_metres) if self.fabric_mm else {},
        )

    def costs(self, *, cost_fen: int, price_fen: int, fabric: str) -> StyleCosts:
        """Money of one style under this plan."""
        return StyleCosts(
            cost_fen=cost_fen,
            price_fen=price_fen,
            salvage_fen=min(cost_fen * self.salvage_permille // 1000, cost_fen - 1),
            min_units=self.min_units,
            fabric=fabric,
            metres=self.fabric_mm / 1000 if fabric else 0.0,
        )

    def as_data(self) -> dict[str, Any]:
        """The plan as it is stored."""
        return asdict(self) | {"colours": list(self.colours)}


def plan_from(data: Mapping[str, Any] | None) -> Plan:
    """A stored plan; fields that this version does not know are left aside."""
    known = {each.name for each in fields(Plan)}
    values = {name: value for name, value in (data or {}).items() if name in known}
    if "colours" in values:
        values["colours"] = tuple(values["colours"])
    return Plan(**values)
