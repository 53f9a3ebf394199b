"""Tell players that a style which they chose was made, and give them their bonus: one style at a time."""

from datetime import datetime

from game.matchup import Choice
from rewards.errors import RewardsSwitchedOff
from server.figures import EconomyNow
from server.flows.award_produced import award_produced
from server.stores import sales
from server.stores.db import AsyncEngine, transaction


class TellChoosers:
    """The job."""

    name = "tell_choosers"

    def __init__(self, engine: AsyncEngine, economy: EconomyNow) -> None:
        self._engine = engine
        self._economy = economy

    async def run(self, now: datetime) -> int:
        """Award the choosers of the next style that was made; returns how many players were told."""
        try:
            async with transaction(self._engine) as conn:
                found = await sales.lock_next_unawarded(conn, now)
                if found is None:
                    return 0
                test_id, style_id, position = found
                players = await sales.who_chose(conn, test_id, position, left=int(Choice.LEFT), right=int(Choice.RIGHT))
                awards = await award_produced(
                    conn, test_id=test_id, style_id=style_id, chose_it=players, economy=self._economy(), now=now
                )
                await sales.mark_awarded(conn, test_id, style_id, now)
        except RewardsSwitchedOff:
            return 0  # nothing is lost: the style stays on the list until the switch is on again
        return len(awards) or 1
