"""The programme in numbers: what operators' pages and Prometheus show, each one query over the facts.

Nothing here is written; every figure can be recomputed from the books at any time.
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from rewards.economy import Economy, Variety, cost_per_vote_millifen, liability_fen, percentile
from server.stores import budgets


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgrammeNumbers:
    """Where the programme stands. Money in fen, a vote's cost in thousandths of one; None where nothing says it yet.

    `planned_g` and `spent_g` (settled or promised) are those of all open budgets together.
    """

    wallets_g: int
    held_g: int
    owed_g: int
    trees_g: int
    liability_fen: int
    redeemed_g: int
    expired_g: int
    issued_g: int
    given_g: int
    valid_votes: int
    cost_per_vote_millifen: int | None
    earned_fen: int
    harvests: int
    donations: int
    spent_on_prizes_fen: int
    cost_per_harvest_fen: int | None
    days_to_ripe_p10: int | None
    days_to_ripe_p50: int | None
    days_to_ripe_p90: int | None
    growing_trees: int
    boxes_promised: int
    boxes_free: int
    planned_g: int
    spent_g: int


_TOTALS = """
select coalesce(sum(balance) filter (where kind = 'player'), 0)::bigint as wallets_g,
       coalesce(sum(balance) filter (where kind = 'redeemed'), 0)::bigint as redeemed_g,
       coalesce(sum(balance) filter (where kind = 'expired'), 0)::bigint as expired_g,
       coalesce(-sum(balance) filter (where kind = 'issuance'), 0)::bigint as issued_g,
       coalesce(sum(balance) filter (where kind = 'suppliers'), 0)::bigint as spent_on_prizes_fen
from accounts
where kind in ('player', 'redeemed', 'expired', 'issuance', 'suppliers')
"""

_TREES = """
select (t.terms->>'box_g')::bigint as box_g, (t.terms->>'box_cost_fen')::bigint as box_cost_fen,
       sum(a.balance)::bigint as grams, count(*) as growing
from trees t join accounts a on a.account_id = account_id('tree', t.tree_id)
where a.balance > 0
group by 1, 2
"""

_RIPE = """
select ((s.reached_at at time zone interval '+08:00')::date - (t.planted_at at time zone interval '+08:00')::date) + 1
from tree_stages s join trees t using (tree_id)
where s.stage = 'ripe' and s.reached_at > cast(:since as timestamptz)
order by s.reached_at desc limit 10000
"""

_OTHERS = """
select coalesce((select sum(amount_g) from grants where state = 'held'), 0)::bigint as held_g,
       coalesce((select sum(amount_g) from awards where transfer_id is null), 0)::bigint as owed_g,
       coalesce((select sum(amount_g) from awards where transfer_id is not null), 0)::bigint as awarded_g,
       settled.votes as valid_votes, coalesce(settled.grams, 0)::bigint as settled_g,
       coalesce((select sum(amount) from transfers where reason = 'votes_charged'), 0)::bigint as earned_fen,
       (select count(*) from tree_members where harvested_at is not null and not donated) as harvests,
       (select count(*) from tree_members where donated) as donations,
       (select count(*) from trees t where exists (select 1 from tree_members m
        where m.tree_id = t.tree_id and m.harvested_at is null)) as growing_trees,
       (select count(*) from prize_boxes where given_back_at is null and gone_at is null) as boxes_promised,
       coalesce((select sum(boxes - taken) from prize_stock), 0)::bigint as boxes_free
from (select count(*) as votes, sum(amount_g) as grams from grants where state = 'settled' and kind = 'per_vote') settled
"""


async def programme_numbers(
    conn: AsyncConnection, *, economy: Economy, now: datetime, since: datetime
) -> ProgrammeNumbers:
    """All of it as it is now; days to ripe by the trees that ripened `since` then.

    Grams in wallets, held and owed are valued at the first variety of the economy, those in trees at their own terms.
    """
    totals = (await conn.execute(sa.text(_TOTALS))).one()
    others = (await conn.execute(sa.text(_OTHERS))).one()
    trees = (await conn.execute(sa.text(_TREES))).all()
    spendings = await budgets.spending(conn, now=now)
    ripe = list(await conn.scalars(sa.text(_RIPE), {"since": since}))
    variety: Variety = economy.varieties[0]
    loose_g = totals.wallets_g + others.held_g + others.owed_g
    given_g = others.settled_g + others.awarded_g
    return ProgrammeNumbers(
        wallets_g=totals.wallets_g,
        held_g=others.held_g,
        owed_g=others.owed_g,
        trees_g=sum(row.grams for row in trees),
        liability_fen=liability_fen(
            [
                (loose_g, variety.box_cost_fen, variety.requirement_g),
                *((row.grams, row.box_cost_fen, row.box_g) for row in trees),
            ]
        ),
        redeemed_g=totals.redeemed_g,
        expired_g=totals.expired_g,
        issued_g=totals.issued_g,
        given_g=given_g,
        valid_votes=others.valid_votes,
        cost_per_vote_millifen=cost_per_vote_millifen(given_g=given_g, valid_votes=others.valid_votes, variety=variety),
        earned_fen=others.earned_fen,
        harvests=others.harvests,
        donations=others.donations,
        spent_on_prizes_fen=totals.spent_on_prizes_fen,
        cost_per_harvest_fen=totals.spent_on_prizes_fen // others.harvests if others.harvests else None,
        days_to_ripe_p10=percentile(ripe, 100) if ripe else None,
        days_to_ripe_p50=percentile(ripe, 500) if ripe else None,
        days_to_ripe_p90=percentile(ripe, 900) if ripe else None,
        growing_trees=others.growing_trees,
        boxes_promised=others.boxes_promised,
        boxes_free=others.boxes_free,
        planned_g=sum(one.planned_g for one in spendings),
        spent_g=sum(one.budget.settled_g + one.budget.reserved_g for one in spendings),
    )
