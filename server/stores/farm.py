"""The farm: trees and who grows them, applications, claims, awards, invitations, notices of expiry; saved economies.

Races settled here. Two plantings at once: a player has one unharvested membership (unique index), one insert wins. Two
claims at once: the primary key (player, day) lets one win. Two phones that apply at once: both lock the tree's row
first, and the check on `farm_days` refuses more applications than the day's cap, whoever counted wrongly. One award
twice: its fact is its primary key. One harvest twice: only an unharvested membership is updated.

Grams move by transfers alone (server.stores.ledger); `applied_g` here is how far the tree has grown, which never falls.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from rewards import economy as figures
from rewards.economy import Economy
from rewards.errors import SecondTree
from rewards.farm import Application, ExpiryNotice, GrowthStage, Member, Terms, Tree
from rewards.kinds import Award
from rewards.kinds.invite import Invitation, Vesting
from rewards.kinds.streak import Streak
from server.stores.db import metadata
from server.stores.invariants import Law
from server.stores.ledger import REFUSE_CHANGE, append_only, keeps, stays

trees = sa.Table(
    "trees",
    metadata,
    sa.Column("tree_id", sa.Uuid, primary_key=True),
    sa.Column("planter_id", sa.Uuid, nullable=False),
    sa.Column("terms", JSONB, nullable=False),
    sa.Column("planted_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("applied_g", sa.BigInteger, nullable=False, server_default="0"),
    sa.CheckConstraint("applied_g >= 0", name="applied_not_negative"),
)

tree_members = sa.Table(
    "tree_members",
    metadata,
    sa.Column("player_id", sa.Uuid, primary_key=True),
    sa.Column("tree_id", sa.Uuid, sa.ForeignKey("trees.tree_id"), primary_key=True),
    sa.Column("place", sa.SmallInteger, nullable=False),
    sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("harvested_at", sa.DateTime(timezone=True)),
    sa.Column("donated", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.UniqueConstraint("tree_id", "place", name="uq_tree_members_place"),
)
sa.Index(
    "uq_tree_members_one_growing",
    tree_members.c.player_id,
    unique=True,
    postgresql_where=tree_members.c.harvested_at.is_(None),
)

applications = sa.Table(
    "applications",
    metadata,
    sa.Column("player_id", sa.Uuid, primary_key=True),
    sa.Column("application_id", sa.Uuid, primary_key=True),
    sa.Column("tree_id", sa.Uuid, sa.ForeignKey("trees.tree_id"), nullable=False),
    sa.Column("times", sa.SmallInteger, nullable=False),
    sa.Column("amount_g", sa.Integer, nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("times > 0 and amount_g > 0", name="something_applied"),
)
sa.Index("ix_applications_tree_id", applications.c.tree_id)

farm_days = sa.Table(
    "farm_days",
    metadata,
    sa.Column("player_id", sa.Uuid, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("applications", sa.SmallInteger, nullable=False),
    sa.Column("cap", sa.SmallInteger, nullable=False),
    sa.CheckConstraint("applications <= cap", name="day_cap_kept"),
)

tree_stages = sa.Table(
    "tree_stages",
    metadata,
    sa.Column("tree_id", sa.Uuid, sa.ForeignKey("trees.tree_id"), primary_key=True),
    sa.Column("stage", sa.Text, primary_key=True),
    sa.Column("reached_at", sa.DateTime(timezone=True), nullable=False),
)

claims = sa.Table(
    "claims",
    metadata,
    sa.Column("player_id", sa.Uuid, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("amount_g", sa.Integer, nullable=False),
    # The streak as it stood after this claim.
    sa.Column("streak_days", sa.SmallInteger, nullable=False),
    sa.Column("streak_cards", sa.SmallInteger, nullable=False),
    sa.Column("streak_weeks", sa.Integer, nullable=False),
    sa.Column("card_used", sa.Boolean, nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
)

awards = sa.Table(
    "awards",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("fact", sa.Text, primary_key=True),
    sa.Column("player_id", sa.Uuid, nullable=False),
    sa.Column("amount_g", sa.Integer, nullable=False),
    sa.Column("earned_at", sa.DateTime(timezone=True), nullable=False),
    # An award is owed from the moment it is earned; it is paid when the programme's budget has it.
    sa.Column("transfer_id", sa.Uuid),
    sa.CheckConstraint("amount_g > 0", name="amount_positive"),
)
sa.Index("ix_awards_player_id", awards.c.player_id)
sa.Index("ix_awards_kind_earned_at", awards.c.kind, awards.c.earned_at)
sa.Index("ix_awards_owed", awards.c.earned_at, postgresql_where=awards.c.transfer_id.is_(None))

invitations = sa.Table(
    "invitations",
    metadata,
    # One is invited once in a life: of two who claim to have brought the same friend, the first has.
    sa.Column("invitee_id", sa.Uuid, primary_key=True),
    sa.Column("inviter_id", sa.Uuid, nullable=False, index=True),
    sa.Column("invited_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("amount_g", sa.Integer, nullable=False),
    sa.Column("vetted_votes_wanted", sa.Integer, nullable=False),
    sa.Column("vests_until", sa.DateTime(timezone=True), nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="waiting"),
    sa.CheckConstraint("state in ('waiting', 'vested', 'lapsed')", name="state_known"),
    sa.CheckConstraint("inviter_id <> invitee_id", name="not_oneself"),
)
sa.Index("ix_invitations_waiting", invitations.c.vests_until, postgresql_where=invitations.c.state == "waiting")

expiry_notices = sa.Table(
    "expiry_notices",
    metadata,
    sa.Column("player_id", sa.Uuid, primary_key=True),
    sa.Column("expires_on", sa.Date, primary_key=True),
    sa.Column("days_before", sa.SmallInteger, primary_key=True),
    sa.Column("amount_g", sa.BigInteger, nullable=False),
    sa.Column("sent_on", sa.Date, nullable=False),
)

economies = sa.Table(
    "economies",
    metadata,
    sa.Column("economy_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("figures", JSONB, nullable=False),
    sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
)

DDL = (
    REFUSE_CHANGE,
    *map(append_only, ("applications", "tree_stages", "claims", "expiry_notices", "economies")),
    *map(stays, ("tree_members", "farm_days", "invitations")),
    keeps("tree_members", "player_id", "tree_id", "place", "joined_at", never="old.harvested_at is not null"),
    keeps("farm_days", "player_id", "day", never="new.applications < old.applications or new.cap < old.cap"),
    keeps(
        "invitations",
        "invitee_id",
        "inviter_id",
        "invited_at",
        "amount_g",
        "vetted_votes_wanted",
        "vests_until",
        never="old.state <> 'waiting'",
    ),
    # What was promised at planting is not changed, and growth is not taken back.
    """
create or replace trigger trees_keep_their_terms before update on trees
    for each row when (
        new.applied_g < old.applied_g or new.terms <> old.terms or new.planter_id <> old.planter_id
        or new.planted_at <> old.planted_at or new.tree_id <> old.tree_id
    ) execute function refuse_change()
""",
    """
create or replace trigger trees_stay before delete or truncate on trees
    for each statement execute function refuse_change()
""",
    """
create or replace trigger awards_paid_once before update on awards
    for each row when (
        old.transfer_id is not null or new.kind <> old.kind or new.fact <> old.fact
        or new.player_id <> old.player_id or new.amount_g <> old.amount_g
    ) execute function refuse_change()
""",
    """
create or replace trigger awards_stay before delete or truncate on awards
    for each statement execute function refuse_change()
""",
)

LAWS = (
    Law(
        "tree_holds_its_grams",
        "A tree's account holds what was applied to it less the boxes that were harvested from it.",
        """
        select t.tree_id, t.applied_g, coalesce(p.applied_g, 0) as recomputed_g, coalesce(a.balance, 0) as balance_g,
               m.harvested
        from trees t
        left join (select tree_id, sum(amount_g) as applied_g from applications group by tree_id) p using (tree_id)
        join (select tree_id, count(*) as growers, count(harvested_at) as harvested
              from tree_members group by tree_id) m using (tree_id)
        left join accounts a on a.account_id = account_id('tree', t.tree_id)
        where t.applied_g <> coalesce(p.applied_g, 0)
           or coalesce(a.balance, 0) <> t.applied_g - m.harvested * (t.terms->>'box_g')::bigint
           or t.applied_g > m.growers * (t.terms->>'box_g')::bigint
        """,
    ),
    Law(
        "application_has_one_transfer",
        "Each application of fertilizer has one transfer of its grams from its player's wallet into its tree.",
        """
        select coalesce(p.application_id::text, t.out_biz_no) as application_id, p.player_id, p.amount_g,
               t.amount as moved_g
        from applications p
        full join (select * from transfers where reason = 'fertilizer_applied') t
          on t.out_biz_no = p.application_id::text
        where p.application_id is null or t.transfer_id is null or t.amount <> p.amount_g
           or t.debit_account <> account_id('player', p.player_id) or t.credit_account <> account_id('tree', p.tree_id)
        """,
    ),
    Law(
        "day_counts_its_applications",
        "The applications counted for a player's day are those that were made on it.",
        """
        select coalesce(d.player_id, p.player_id) as player_id, coalesce(d.day, p.day) as day, d.applications, p.made
        from farm_days d
        full join (
            select player_id, (at at time zone interval '+08:00')::date as day, sum(times) as made
            from applications group by 1, 2
        ) p on p.player_id = d.player_id and p.day = d.day
        where d.applications is distinct from p.made
        """,
    ),
    Law(
        "award_is_paid_once_or_owed",
        "Each paid award has one transfer of its grams to its player, and each such transfer its award.",
        """
        select coalesce(a.kind || ':' || a.fact, t.out_biz_no) as award, a.player_id, a.amount_g, t.amount as paid_g
        from (select * from awards where transfer_id is not null) a
        full join (select * from transfers where reason = 'programme_awarded') t on t.transfer_id = a.transfer_id
        where a.fact is null or t.transfer_id is null or t.amount <> a.amount_g or t.player_id <> a.player_id
           or t.out_biz_no <> a.kind || ':' || a.fact
        """,
    ),
    Law(
        "claim_has_its_award",
        "Each daily claim has one award of its amount.",
        """
        select coalesce(c.player_id, a.player_id) as player_id, c.day, c.amount_g, a.amount_g as awarded_g
        from claims c
        full join (select * from awards where kind = 'daily_claim') a on a.fact = c.player_id || ':' || c.day
        where c.player_id is null or a.fact is null or c.amount_g <> a.amount_g
        """,
    ),
    Law(
        "stage_is_awarded_as_promised",
        "Each stage that a tree reached brought each of its growers what the terms of its planting promise.",
        """
        select s.tree_id, s.stage, m.player_id, promised.award_g, a.amount_g as awarded_g
        from tree_stages s
        join trees t using (tree_id)
        join tree_members m using (tree_id)
        cross join lateral (
            select (t.terms->'stage_award_g'->>(array_position(
                array['seed', 'sprout', 'sapling', 'blossom', 'fruiting', 'ripe'], s.stage) - 1))::int as award_g
        ) promised
        left join awards a on a.kind = 'stage_award' and a.fact = s.tree_id || ':' || s.stage || ':' || m.player_id
        where coalesce(a.amount_g, 0) <> promised.award_g
        """,
    ),
)


# --- trees ----------------------------------------------------------------------------------------


def _terms(stored: dict[str, Any]) -> Terms:
    lists = {name: tuple(value) for name, value in stored.items() if isinstance(value, list)}
    return Terms(**{**stored, **lists})


async def _trees(conn: AsyncConnection, rows: Sequence[sa.Row[Any]]) -> list[Tree]:
    if not rows:
        return []
    members: dict[UUID, list[Member]] = {}
    found = await conn.execute(
        sa.select(tree_members)
        .where(
            tree_members.c.tree_id == sa.any_(sa.bindparam("ids", [row.tree_id for row in rows], type_=ARRAY(sa.Uuid)))
        )
        .order_by(tree_members.c.place)
    )
    for row in found:
        members.setdefault(row.tree_id, []).append(Member(row.player_id, row.joined_at, row.harvested_at, row.donated))
    return [
        Tree(
            id=row.tree_id,
            terms=_terms(row.terms),
            members=tuple(members[row.tree_id]),
            planted_at=row.planted_at,
            applied_g=row.applied_g,
        )
        for row in rows
    ]


async def find_tree(conn: AsyncConnection, tree_id: UUID, *, lock: bool = False) -> Tree | None:
    """A tree with all its members; `lock` keeps it still until the transaction ends."""
    query = sa.select(trees).where(trees.c.tree_id == tree_id)
    found = await _trees(conn, (await conn.execute(query.with_for_update() if lock else query)).all())
    return found[0] if found else None


async def growing_tree(conn: AsyncConnection, player_id: UUID, *, lock: bool = False) -> Tree | None:
    """The tree of which this player still has a box to come, None where there is none."""
    tree_id = await conn.scalar(
        sa.select(tree_members.c.tree_id).where(
            tree_members.c.player_id == player_id, tree_members.c.harvested_at.is_(None)
        )
    )
    return await find_tree(conn, tree_id, lock=lock) if tree_id is not None else None


async def paid_choices_cap(conn: AsyncConnection, player_id: UUID) -> int | None:
    """How many paid choices a day this player was promised when their tree was planted; None without a tree."""
    cap = await conn.scalar(
        sa.select(trees.c.terms["paid_choices_per_day"].as_integer())
        .join(tree_members, tree_members.c.tree_id == trees.c.tree_id)
        .where(tree_members.c.player_id == player_id, tree_members.c.harvested_at.is_(None))
    )
    return int(cap) if cap is not None else None


async def trees_of(conn: AsyncConnection, player_id: UUID) -> list[Tree]:
    """All trees that this player ever grew, oldest first."""
    rows = await conn.execute(
        sa.select(trees)
        .join(tree_members, tree_members.c.tree_id == trees.c.tree_id)
        .where(tree_members.c.player_id == player_id)
        .order_by(trees.c.planted_at)
    )
    return await _trees(conn, rows.all())


async def plant(conn: AsyncConnection, tree: Tree) -> None:
    """Put a seed on record, with its planter. Raises `SecondTree` when another planting was quicker."""
    await conn.execute(
        sa.insert(trees).values(
            tree_id=tree.id,
            planter_id=tree.members[0].player_id,
            terms=asdict(tree.terms),
            planted_at=tree.planted_at,
            applied_g=tree.applied_g,
        )
    )
    await add_member(conn, tree, tree.members[0])


async def add_member(conn: AsyncConnection, tree: Tree, member: Member) -> None:
    """Put one who grows the tree on record. Raises `SecondTree` when they grow another one by now."""
    savepoint = await conn.begin_nested()
    try:
        await conn.execute(
            sa.insert(tree_members).values(
                player_id=member.player_id,
                tree_id=tree.id,
                place=tree.members.index(member),
                joined_at=member.joined_at,
            )
        )
    except IntegrityError as error:
        await savepoint.rollback()
        if "uq_tree_members_one_growing" not in str(error.orig):
            raise
        raise SecondTree(planted_on=member.joined_at.date()) from None
    await savepoint.commit()


async def record_harvest(conn: AsyncConnection, tree: Tree, player_id: UUID) -> bool:
    """Write that a grower's share was harvested; False when it had been before."""
    member = tree.member(player_id)
    assert member is not None
    done = await conn.execute(
        sa.update(tree_members)
        .where(
            tree_members.c.player_id == player_id,
            tree_members.c.tree_id == tree.id,
            tree_members.c.harvested_at.is_(None),
        )
        .values(harvested_at=member.harvested_at, donated=member.donated)
    )
    return done.rowcount == 1


# --- applications ---------------------------------------------------------------------------------


async def applied_on(conn: AsyncConnection, player_id: UUID, day: date) -> int:
    """How many applications this player has made on that day."""
    made = await conn.scalar(
        sa.select(farm_days.c.applications).where(farm_days.c.player_id == player_id, farm_days.c.day == day)
    )
    return made or 0


async def record_application(
    conn: AsyncConnection, application: Application, *, application_id: UUID, day: date, now: datetime
) -> None:
    """Write an application, the day's count under its cap, the tree's growth and the stages that it reached."""
    tree = application.tree
    await conn.execute(
        sa.insert(applications).values(
            player_id=application.player_id,
            application_id=application_id,
            tree_id=tree.id,
            times=application.times,
            amount_g=application.amount_g,
            at=now,
        )
    )
    counted = insert(farm_days).values(
        player_id=application.player_id, day=day, applications=application.times, cap=tree.terms.applications_per_day
    )
    await conn.execute(
        counted.on_conflict_do_update(
            index_elements=["player_id", "day"],
            set_={
                "applications": farm_days.c.applications + counted.excluded.applications,
                # A new tree on the same day may have another cap; the day keeps the more generous of the two.
                "cap": sa.func.greatest(farm_days.c.cap, counted.excluded.cap),
            },
        )
    )
    await conn.execute(sa.update(trees).where(trees.c.tree_id == tree.id).values(applied_g=tree.applied_g))
    for stage in application.stages:
        await conn.execute(
            insert(tree_stages).values(tree_id=tree.id, stage=stage.value, reached_at=now).on_conflict_do_nothing()
        )


async def stages_reached(conn: AsyncConnection, tree_id: UUID) -> dict[GrowthStage, datetime]:
    """When the tree reached which stage (the seed is its planting)."""
    rows = await conn.execute(
        sa.select(tree_stages.c.stage, tree_stages.c.reached_at).where(tree_stages.c.tree_id == tree_id)
    )
    return {GrowthStage(stage): reached_at for stage, reached_at in rows}


# --- claims ---------------------------------------------------------------------------------------


async def streak_of(conn: AsyncConnection, player_id: UUID) -> Streak:
    """The streak as the last claim left it."""
    row = (
        await conn.execute(
            sa.select(claims).where(claims.c.player_id == player_id).order_by(claims.c.day.desc()).limit(1)
        )
    ).one_or_none()
    if row is None:
        return Streak()
    return Streak(claimed_on=row.day, days=row.streak_days, cards=row.streak_cards, weeks=row.streak_weeks)


async def record_claim(
    conn: AsyncConnection, player_id: UUID, *, amount_g: int, streak: Streak, card_used: bool, now: datetime
) -> bool:
    """Write a day's claim; False when that day was claimed at the same moment elsewhere."""
    done = await conn.execute(
        insert(claims)
        .values(
            player_id=player_id,
            day=streak.claimed_on,
            amount_g=amount_g,
            streak_days=streak.days,
            streak_cards=streak.cards,
            streak_weeks=streak.weeks,
            card_used=card_used,
            at=now,
        )
        .on_conflict_do_nothing()
    )
    return done.rowcount == 1


# --- awards ---------------------------------------------------------------------------------------


async def record_awards(conn: AsyncConnection, earned: Sequence[Award], *, now: datetime) -> list[Award]:
    """Write that awards are owed, in one statement; returns those whose facts were not awarded before."""
    assert len({(award.kind, award.fact) for award in earned}) == len(earned), "a fact is awarded once"
    rows = await conn.execute(
        sa.text(
            """
insert into awards (kind, fact, player_id, amount_g, earned_at)
select *, :now from unnest(:kinds, :facts, :players, :amounts) as t(kind, fact, player_id, amount_g)
order by kind, fact
on conflict do nothing
returning kind, fact
"""
        ).bindparams(
            sa.bindparam("now", now, type_=sa.DateTime(timezone=True)),
            sa.bindparam("kinds", [award.kind for award in earned], type_=ARRAY(sa.Text)),
            sa.bindparam("facts", [award.fact for award in earned], type_=ARRAY(sa.Text)),
            sa.bindparam("players", [award.player_id for award in earned], type_=ARRAY(sa.Uuid)),
            sa.bindparam("amounts", [award.amount_g for award in earned], type_=ARRAY(sa.Integer)),
        )
    )
    fresh = {(row.kind, row.fact) for row in rows}
    return [award for award in earned if (award.kind, award.fact) in fresh]


async def mark_paid(conn: AsyncConnection, paid: Sequence[tuple[Award, UUID]]) -> None:
    """Write by which transfers awards were paid."""
    await conn.execute(
        sa.text(
            """
update awards a set transfer_id = t.transfer_id
from unnest(:kinds, :facts, :transfers) as t(kind, fact, transfer_id)
where a.kind = t.kind and a.fact = t.fact and a.transfer_id is null
"""
        ).bindparams(
            sa.bindparam("kinds", [award.kind for award, _ in paid], type_=ARRAY(sa.Text)),
            sa.bindparam("facts", [award.fact for award, _ in paid], type_=ARRAY(sa.Text)),
            sa.bindparam("transfers", [transfer_id for _, transfer_id in paid], type_=ARRAY(sa.Uuid)),
        )
    )


async def lock_owed(conn: AsyncConnection, *, limit: int, except_kinds: Iterable[str] = ()) -> list[Award]:
    """Awards that are owed, oldest first, locked; those that another worker is paying are left out."""
    rows = await conn.execute(
        sa.select(awards)
        .where(awards.c.transfer_id.is_(None), awards.c.kind.notin_(list(except_kinds)))
        .order_by(awards.c.earned_at, awards.c.fact)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [Award(kind=row.kind, player_id=row.player_id, amount_g=row.amount_g, fact=row.fact) for row in rows]


async def owed_g(conn: AsyncConnection, player_id: UUID) -> int:
    """Grams of awards that are on their way to this player."""
    total = await conn.scalar(
        sa.select(sa.func.sum(awards.c.amount_g)).where(awards.c.player_id == player_id, awards.c.transfer_id.is_(None))
    )
    return int(total or 0)


async def awarded_count(conn: AsyncConnection, player_id: UUID, kind: str) -> int:
    """How many awards of a kind this player has had."""
    return (
        await conn.scalar(
            sa.select(sa.func.count()).select_from(awards).where(awards.c.player_id == player_id, awards.c.kind == kind)
        )
        or 0
    )


# --- invitations ----------------------------------------------------------------------------------


async def record_invitation(conn: AsyncConnection, invitation: Invitation) -> bool:
    """Write who brought whom; False when this friend was brought before."""
    done = await conn.execute(insert(invitations).values(**asdict(invitation)).on_conflict_do_nothing())
    return done.rowcount == 1


async def rewarded_invitations(conn: AsyncConnection, inviter_id: UUID) -> int:
    """How many invitations of this player vested or still can."""
    return (
        await conn.scalar(
            sa.select(sa.func.count())
            .select_from(invitations)
            .where(invitations.c.inviter_id == inviter_id, invitations.c.state != "lapsed")
        )
        or 0
    )


async def lock_waiting_invitations(conn: AsyncConnection, *, after: UUID, limit: int) -> list[Invitation]:
    """Invitations that have not vested, from after an invitee, locked; those locked elsewhere are left out."""
    rows = await conn.execute(
        sa.select(invitations)
        .where(invitations.c.state == "waiting", invitations.c.invitee_id > after)
        .order_by(invitations.c.invitee_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [
        Invitation(
            inviter_id=row.inviter_id,
            invitee_id=row.invitee_id,
            invited_at=row.invited_at,
            amount_g=row.amount_g,
            vetted_votes_wanted=row.vetted_votes_wanted,
            vests_until=row.vests_until,
        )
        for row in rows
    ]


async def record_vesting(conn: AsyncConnection, invitee_id: UUID, state: Vesting) -> None:
    """Write how an invitation ended."""
    await conn.execute(
        sa.update(invitations)
        .where(invitations.c.invitee_id == invitee_id, invitations.c.state == "waiting")
        .values(state=state.value)
    )


async def vetted_votes(conn: AsyncConnection, player_id: UUID, *, cast_until: datetime | None = None) -> int:
    """How many votes of this player passed review: those whose grants were settled."""
    return (
        await conn.scalar(
            sa.text(
                "select count(*) from grants where player_id = :player and state = 'settled' and kind = 'per_vote' "
                "and (cast(:until as timestamptz) is null or created_at <= :until)"
            ),
            {"player": player_id, "until": cast_until},
        )
        or 0
    )


# --- wallets --------------------------------------------------------------------------------------

_EARNED = sa.text(
    """
select coalesce(sum(t.amount), 0)::bigint
from transfers t
where t.player_id = :player and t.at >= :since and t.reason in ('grant_settled', 'programme_awarded')
  and t.credit_account = account_id('player', :player)
  -- The newest lines of a player are at the end of the index: the walk ends at the first that is too old.
  and t.seq > coalesce((select max(o.seq) from transfers o where o.player_id = :player and o.at < :since), 0)
"""
)


async def earned_since(conn: AsyncConnection, player_id: UUID, since: datetime) -> int:
    """Grams that came into the wallet since then."""
    return int(await conn.scalar(_EARNED, {"player": player_id, "since": since}) or 0)


async def held_g(conn: AsyncConnection, player_id: UUID) -> int:
    """Grams that are promised and not settled yet."""
    total = await conn.scalar(
        sa.text("select sum(amount_g) from grants where player_id = :player and state = 'held'"), {"player": player_id}
    )
    return int(total or 0)


@dataclass(frozen=True, slots=True)
class OldGrams:
    """A wallet that may hold old grams: its balance, and all its credits day by day."""

    player_id: UUID
    balance_g: int
    credits: tuple[tuple[date, int], ...]

    @property
    def debited_g(self) -> int:
        """All that ever left the wallet."""
        return sum(amount_g for _, amount_g in self.credits) - self.balance_g


# A player who came lately has nothing old: the first line of each wallet is one step into an index.
_OLD = """
with wallets as (
    select owner_id, account_id, balance from accounts
    where kind = 'player' and balance > 0 and owner_id > :after
      and (select t.at from transfers t where t.player_id = owner_id order by t.seq limit 1) < :old_enough
    order by owner_id limit :limit
)
"""
_ONE = """
with wallets as (
    select owner_id, account_id, balance from accounts where account_id = account_id('player', :player)
)
"""
_BY_DAY = """
select w.owner_id, w.balance,
       coalesce(jsonb_agg(jsonb_build_array(d.day, d.amount) order by d.day) filter (where d.day is not null),
                '[]') as days
from wallets w
left join lateral (
    select (t.at at time zone interval '+08:00')::date as day, sum(t.amount)::bigint as amount
    from transfers t
    where t.player_id = w.owner_id and t.credit_account = w.account_id
    group by 1
) d on true
group by w.owner_id, w.balance
order by w.owner_id
"""


async def wallets_by_day(conn: AsyncConnection, *, after: UUID, used_before: datetime, limit: int) -> list[OldGrams]:
    """Wallets with grams in them that were first used before a moment, each with its credits by programme day."""
    rows = await conn.execute(sa.text(_OLD + _BY_DAY), {"after": after, "old_enough": used_before, "limit": limit})
    return [_old_grams(row) for row in rows]


async def wallet_by_day(conn: AsyncConnection, player_id: UUID) -> OldGrams:
    """One wallet, which must have been used, with its credits by programme day."""
    return _old_grams((await conn.execute(sa.text(_ONE + _BY_DAY), {"player": player_id})).one())


def _old_grams(row: Any) -> OldGrams:
    return OldGrams(row.owner_id, row.balance, tuple((date.fromisoformat(day), amount) for day, amount in row.days))


async def notices_of(conn: AsyncConnection, player_id: UUID, *, from_day: date) -> list[tuple[ExpiryNotice, date]]:
    """Notices to this player about grams that expire on or after a day, with the day on which each was sent."""
    rows = await conn.execute(
        sa.select(expiry_notices)
        .where(expiry_notices.c.player_id == player_id, expiry_notices.c.expires_on >= from_day)
        .order_by(expiry_notices.c.expires_on, expiry_notices.c.days_before)
    )
    return [(ExpiryNotice(row.expires_on, row.amount_g, row.days_before), row.sent_on) for row in rows]


async def record_notice(conn: AsyncConnection, player_id: UUID, notice: ExpiryNotice, *, sent_on: date) -> None:
    """Write that a notice was sent; one that was sent before stays."""
    await conn.execute(
        insert(expiry_notices)
        .values(
            player_id=player_id,
            expires_on=notice.expires_on,
            days_before=notice.days_before,
            amount_g=notice.amount_g,
            sent_on=sent_on,
        )
        .on_conflict_do_nothing()
    )


# --- economies ------------------------------------------------------------------------------------


async def current_economy(conn: AsyncConnection, *, default: Economy = figures.DEFAULT) -> Economy:
    """The economy that was saved last, the default where none was."""
    stored = await conn.scalar(sa.select(economies.c.figures).order_by(economies.c.economy_id.desc()).limit(1))
    return figures.stored(stored) if stored is not None else default


async def expiry_history(conn: AsyncConnection) -> list[tuple[date, int]]:
    """From which programme day on fertilizer could be used for how many days: each saved change, in order."""
    rows = await conn.execute(
        sa.text(
            "select (saved_at at time zone interval '+08:00')::date as day, (figures->>'expiry_days')::int as days "
            "from economies where figures ? 'expiry_days' order by economy_id"
        )
    )
    return [(row.day, row.days) for row in rows]


async def economy_number(conn: AsyncConnection) -> int | None:
    """The number of the economy that was saved last: another number is another economy. None where none was saved."""
    number: int | None = await conn.scalar(sa.select(sa.func.max(economies.c.economy_id)))
    return number


async def save_economy(conn: AsyncConnection, economy: Economy, *, who: str, why: str, now: datetime) -> int:
    """Save an economy for what is planted and dealt from now on; returns its number."""
    number = await conn.scalar(
        sa.insert(economies)
        .values(figures=figures.as_figures(economy), saved_at=now, who=who, why=why)
        .returning(economies.c.economy_id)
    )
    assert number is not None
    return int(number)


# --- a player's promises --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Promise:
    """A grant that is not in the wallet: still held, or voided with its reason."""

    matchup_id: UUID
    kind: str
    amount_g: int
    state: str
    earned_at: datetime
    held_until: datetime
    void_reason: str | None


async def promises_of(conn: AsyncConnection, player_id: UUID, *, limit: int) -> list[Promise]:
    """A player's held and voided grants, newest first."""
    rows = await conn.execute(
        sa.text(
            "select matchup_id, kind, amount_g, state, created_at, held_until, void_reason from grants "
            "where player_id = :player and state <> 'settled' order by matchup_id desc limit :limit"
        ),
        {"player": player_id, "limit": limit},
    )
    return [Promise(*row) for row in rows]


# --- what is held of one person -------------------------------------------------------------------


async def held_of(conn: AsyncConnection, player_id: UUID) -> dict[str, list[dict[str, Any]]]:
    """Every row of the farm that is about this player, by what it is, oldest first: for the export of one's own data."""
    lists: dict[str, sa.Select[Any]] = {
        "applications": sa.select(applications)
        .where(applications.c.player_id == player_id)
        .order_by(applications.c.at),
        "claims": sa.select(claims).where(claims.c.player_id == player_id).order_by(claims.c.day),
        "awards": sa.select(awards).where(awards.c.player_id == player_id).order_by(awards.c.earned_at),
        "invited_by": sa.select(invitations).where(invitations.c.invitee_id == player_id),
        "invited": sa.select(invitations)
        .where(invitations.c.inviter_id == player_id)
        .order_by(invitations.c.invited_at),
        "expiry_notices": sa.select(expiry_notices)
        .where(expiry_notices.c.player_id == player_id)
        .order_by(expiry_notices.c.sent_on),
    }
    # Who else grows a tree, or was invited, is somebody else's own.
    others = ("player_id", "inviter_id", "invitee_id")
    return {
        name: [
            {key: value for key, value in row._asdict().items() if key not in others}
            for row in await conn.execute(query)
        ]
        for name, query in lists.items()
    }
