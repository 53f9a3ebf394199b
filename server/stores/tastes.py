"""What a player's own votes say of taste: attributes of what was chosen and what was not, and styles that were made."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from game.matchup import Choice

# The newest choices are enough of a mirror, and keep it from growing with the years.
MOST_CHOICES = 3000

_CHOICES = sa.text("""
select case when v.choice = :left then l.attributes else r.attributes end as chosen,
       case when v.choice = :left then r.attributes else l.attributes end as other
from votes v
join styles l on l.test_id = v.test_id and l.position = v.left_position and not l.decoy
join styles r on r.test_id = v.test_id and r.position = v.right_position and not r.decoy
where v.player_id = :player and v.choice in (:left, :right)
order by v.matchup_id desc limit :limit
""")

_MADE = sa.text("""
select s.title, s.title_en, s.picture, p.told_at, bool_or(v.choice = :left and v.left_position = s.position
       or v.choice = :right and v.right_position = s.position) as chosen,
       (select a.amount_g from awards a where a.kind = 'produced'
        and a.fact = p.test_id || ':' || p.style_id || ':' || cast(:player as text)) as bonus_g
from votes v
join produced_styles p on p.test_id = v.test_id
join styles s on s.test_id = p.test_id and s.style_id = p.style_id
where v.player_id = cast(:player as uuid) and s.position in (v.left_position, v.right_position)
group by s.style_id, p.test_id, p.style_id
order by p.told_at desc limit :limit
""")


@dataclass(frozen=True, slots=True)
class MadeStyle:
    """A style that the player met in a test and that was made; `bonus_g` is what its choosers were given, if anything."""

    title: str
    title_en: str | None
    picture: str | None
    chosen: bool
    bonus_g: int | None


async def choices_made(conn: AsyncConnection, player_id: UUID) -> int:
    """How many choices a player has made, "neither" among them."""
    return int(
        await conn.scalar(sa.text("select count(*) from votes where player_id = :player"), {"player": player_id}) or 0
    )


async def choices_of(conn: AsyncConnection, player_id: UUID) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """(attributes of the chosen style, of the other one) of a player's newest choices; check pairs are left out."""
    rows = await conn.execute(
        _CHOICES,
        {"player": player_id, "left": int(Choice.LEFT), "right": int(Choice.RIGHT), "limit": MOST_CHOICES},
    )
    return [(row.chosen, row.other) for row in rows]


async def made_styles(conn: AsyncConnection, player_id: UUID, *, limit: int = 20) -> list[MadeStyle]:
    """Styles that this player met and that were made, the newest news first."""
    rows = await conn.execute(
        _MADE,
        {"player": str(player_id), "left": int(Choice.LEFT), "right": int(Choice.RIGHT), "limit": limit},
    )
    return [MadeStyle(row.title, row.title_en, row.picture, row.chosen, row.bonus_g) for row in rows]
