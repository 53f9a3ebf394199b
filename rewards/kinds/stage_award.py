"""The stage award: an early stage of growth brings fertilizer, as the tree's terms say, to each who grows it."""

from dataclasses import dataclass

from rewards.economy import Economy
from rewards.farm import STAGES, StageAward
from rewards.kinds.awards import Award, Figure


@dataclass(frozen=True, slots=True)
class StageAwardKind:
    code: str = "stage_award"
    name_zh: str = "成长奖励"
    name_en: str = "Growth award"

    def figures(self, economy: Economy) -> tuple[Figure, ...]:
        return tuple(
            Figure(str(stage), award_g, "g")
            for stage, award_g in zip(STAGES, economy.stage_award_g, strict=True)
            if award_g
        )

    def awards(self, reached: tuple[StageAward, ...]) -> tuple[Award, ...]:
        """The awards of an application (`rewards.farm.Application.awards`): a tree reaches a stage once."""
        return tuple(
            Award(
                kind=self.code,
                player_id=one.player_id,
                amount_g=one.amount_g,
                fact=f"{one.tree_id}:{one.stage}:{one.player_id}",
            )
            for one in reached
        )


STAGE_AWARD = StageAwardKind()
