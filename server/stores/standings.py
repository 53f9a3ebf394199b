"""Standings: verdicts on players (append-only), the bound on one player's influence, checks of results, and links.

Races settled here. Review and an operator judge one player at once: verdicts are written one after another under an
advisory lock, so their numbers are in the order of their commits, and whoever reads "since number n" misses none. Two
workers sweep at once: each writes only what differs from the row that it has locked, so the second writes nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from game.standing import Opinion, Ruling
from ranking.reliability import Gate
from server.stores import players
from server.stores.db import metadata
from server.stores.ledger import REFUSE_CHANGE

REVIEW = "review"
"""Who wrote a verdict that no person wrote."""

# Any number; the same for all who write verdicts.
_VERDICT_LOCK = 7_305_205

verdicts = sa.Table(
    "verdicts",
    metadata,
    sa.Column("verdict_no", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("player_id", sa.Uuid, nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("standing", sa.Text, nullable=False),
    sa.Column("reasons", ARRAY(sa.Text), nullable=False, server_default="{}"),
    sa.Column("weight", sa.REAL, nullable=False),
    sa.Column("p_abusive", sa.REAL, nullable=False),
    sa.Column("votes", sa.Integer, nullable=False),
    # The figures of every signal, for an operator to check.
    sa.Column("evidence", JSONB, nullable=False),
    # `review`, or the person whose word it is.
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("case_id", sa.Uuid),
    sa.CheckConstraint("standing in ('trusted', 'watched', 'muted')", name="standing_known"),
    sa.CheckConstraint("weight >= 0 and weight <= 1", name="weight_in_range"),
)
sa.Index("ix_verdicts_player_id", verdicts.c.player_id, verdicts.c.verdict_no)

influence = sa.Table(
    "influence",
    metadata,
    sa.Column("test_id", sa.Uuid, primary_key=True),
    sa.Column("player_id", sa.Uuid, primary_key=True),
    # By how much this player's votes on this test are scaled, so that no hand moves more of it than the bound.
    sa.Column("factor", sa.REAL, nullable=False),
    sa.CheckConstraint("factor >= 0 and factor <= 1", name="factor_in_range"),
)

# A style that more voters choose every time than liking explains, with the figures that say so.
style_gates = sa.Table(
    "style_gates",
    metadata,
    sa.Column("test_id", sa.Uuid, primary_key=True),
    sa.Column("position", sa.SmallInteger, primary_key=True),
    sa.Column("always", sa.Integer, nullable=False),
    sa.Column("expected", sa.REAL, nullable=False),
    sa.Column("voters", sa.Integer, nullable=False),
    sa.Column("z", sa.REAL, nullable=False),
)

# What a player's votes on a gated style still count; all other votes of his are untouched.
style_weights = sa.Table(
    "style_weights",
    metadata,
    sa.Column("test_id", sa.Uuid, primary_key=True),
    sa.Column("player_id", sa.Uuid, primary_key=True),
    sa.Column("position", sa.SmallInteger, primary_key=True),
    sa.Column("factor", sa.REAL, nullable=False),
    sa.CheckConstraint("factor >= 0 and factor <= 1", name="factor_in_range"),
)

result_checks = sa.Table(
    "result_checks",
    metadata,
    sa.Column("test_id", sa.Uuid, primary_key=True),
    # The newest verdict that the check knew of: with a newer one on its voters the test is looked at again.
    sa.Column("verdict_no", sa.BigInteger, primary_key=True),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("votes", sa.Integer, nullable=False),
    sa.Column("chosen", ARRAY(sa.SmallInteger), nullable=False),
    # Null where it could not be said: nobody to remove.
    sa.Column("holds", sa.Boolean),
    sa.Column("share", sa.REAL),
    sa.Column("share_to_flip", sa.REAL),
    sa.Column("n_removed", sa.Integer),
)

result_flags = sa.Table(
    "result_flags",
    metadata,
    sa.Column("test_id", sa.Uuid, primary_key=True),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("chosen_before", ARRAY(sa.SmallInteger), nullable=False),
    sa.Column("chosen_after", ARRAY(sa.SmallInteger), nullable=False),
    # Set when a later check (after an appeal, say) found the first result again.
    sa.Column("cleared_at", sa.DateTime(timezone=True)),
)

player_links = sa.Table(
    "player_links",
    metadata,
    sa.Column("player_id", sa.Uuid, primary_key=True),
    # "payee" or "phone"; devices and address blocks stand with the sessions.
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("digest", sa.LargeBinary, primary_key=True),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
)
sa.Index("ix_player_links_digest", player_links.c.kind, player_links.c.digest)

staff_links = sa.Table(
    "staff_links",
    metadata,
    sa.Column("merchant_id", sa.Uuid, sa.ForeignKey("merchants.merchant_id"), primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    # A keyed hash of the device, the phone or the payee; for a player, the bytes of his id.
    sa.Column("digest", sa.LargeBinary, primary_key=True),
    sa.Column("added_by", sa.Text, nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("kind in ('device', 'phone', 'payee', 'player')", name="kind_known"),
)
sa.Index("ix_staff_links_digest", staff_links.c.kind, staff_links.c.digest)

platform_risks = sa.Table(
    "platform_risks",
    metadata,
    sa.Column("player_id", sa.Uuid, primary_key=True),
    sa.Column("platform", sa.Text, primary_key=True),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("level", sa.Text, nullable=False),
    sa.Column("rank", sa.SmallInteger),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
)

DDL = (
    REFUSE_CHANGE,
    """
create or replace trigger verdicts_append_only before update or delete or truncate on verdicts
    for each statement execute function refuse_change()
""",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One verdict on record."""

    verdict_no: int
    player_id: UUID
    at: datetime
    opinion: Opinion
    votes: int
    evidence: dict[str, Any]
    who: str
    case_id: UUID | None


def _verdict(row: Any) -> Verdict:
    return Verdict(
        verdict_no=row.verdict_no,
        player_id=row.player_id,
        at=row.at,
        opinion=Opinion(row.standing, tuple(row.reasons), row.weight, row.p_abusive),
        votes=row.votes,
        evidence=row.evidence,
        who=row.who,
        case_id=row.case_id,
    )


async def record(
    conn: AsyncConnection,
    player_id: UUID,
    opinion: Opinion,
    *,
    who: str,
    hold_s: int,
    now: datetime,
    votes: int = 0,
    evidence: Mapping[str, Any] | None = None,
    case_id: UUID | None = None,
) -> int:
    """Append a verdict and make it the player's present standing; returns the verdict's number."""
    await conn.execute(sa.select(sa.func.pg_advisory_xact_lock(_VERDICT_LOCK)))
    number = await conn.scalar(
        insert(verdicts)
        .values(
            player_id=player_id,
            at=now,
            standing=opinion.standing,
            reasons=list(opinion.reasons),
            weight=opinion.weight,
            p_abusive=opinion.p_abusive,
            votes=votes,
            evidence=dict(evidence or {}),
            who=who,
            case_id=case_id,
        )
        .returning(verdicts.c.verdict_no)
    )
    await players.set_standing(
        conn,
        player_id,
        standing=opinion.standing,
        reasons=opinion.reasons,
        weight=opinion.weight,
        hold_s=hold_s,
    )
    assert number is not None
    return int(number)


async def rulings(conn: AsyncConnection, player_ids: Sequence[UUID]) -> dict[UUID, Ruling]:
    """The newest word of a person on each of these players, where there is one."""
    rows = await conn.execute(
        sa.select(verdicts)
        .ext(distinct_on(verdicts.c.player_id))
        .where(verdicts.c.player_id == _any(player_ids), verdicts.c.who != REVIEW)
        .order_by(verdicts.c.player_id, verdicts.c.verdict_no.desc())
    )
    return {row.player_id: Ruling(_verdict(row).opinion, row.at) for row in rows}


async def verdicts_on(conn: AsyncConnection, player_id: UUID, *, limit: int = 50) -> list[Verdict]:
    """What was ever concluded of a player, the newest first."""
    rows = await conn.execute(
        sa.select(verdicts).where(verdicts.c.player_id == player_id).order_by(verdicts.c.verdict_no.desc()).limit(limit)
    )
    return [_verdict(row) for row in rows]


async def latest_verdict_no(conn: AsyncConnection) -> int:
    """The number of the newest verdict, 0 where there is none."""
    return int(await conn.scalar(sa.select(sa.func.max(verdicts.c.verdict_no))) or 0)


# --- what a vote counts in one test ----------------------------------------------------------------


async def weights_in(conn: AsyncConnection, test_id: UUID, player_ids: Sequence[UUID]) -> dict[UUID, float]:
    """What the votes of these players count in this test, only those below 1: standing times the bound on influence."""
    rows = await conn.execute(
        sa.select(
            players.players.c.player_id,
            (players.players.c.weight * sa.func.coalesce(influence.c.factor, 1)).label("weight"),
        )
        .select_from(
            players.players.outerjoin(
                influence,
                sa.and_(influence.c.player_id == players.players.c.player_id, influence.c.test_id == test_id),
            )
        )
        .where(
            players.players.c.player_id == _any(player_ids),
            sa.or_(players.players.c.weight < 1, influence.c.factor < 1),
        )
    )
    return {row.player_id: float(row.weight) for row in rows}


async def set_influence(conn: AsyncConnection, test_id: UUID, factors: Mapping[UUID, float]) -> None:
    """Replace the bounds of a test: who is named here is scaled, everybody else is not."""
    gone = sa.delete(influence).where(influence.c.test_id == test_id)
    if factors:
        gone = gone.where(influence.c.player_id != sa.all_(sa.bindparam("kept", list(factors), type_=ARRAY(sa.Uuid))))
    await conn.execute(gone)
    if factors:
        rows = [
            {"test_id": test_id, "player_id": player, "factor": factor} for player, factor in sorted(factors.items())
        ]
        statement = insert(influence).values(rows)
        await conn.execute(
            statement.on_conflict_do_update(
                index_elements=["test_id", "player_id"], set_={"factor": statement.excluded.factor}
            )
        )


@dataclass(frozen=True, slots=True)
class StyleGates:
    """The gates of a test, and by what the votes of single players on gated styles count: (player, position) -> factor."""

    gates: tuple[Gate, ...] = ()
    factors: Mapping[tuple[UUID, int], float] = field(default_factory=dict)


async def set_gates(conn: AsyncConnection, test_id: UUID, found: StyleGates) -> None:
    """Replace the gates of a test and what they take: an opinion, that can be thrown away and come back the same."""
    for table in (style_weights, style_gates):
        await conn.execute(sa.delete(table).where(table.c.test_id == test_id))
    if found.gates:
        await conn.execute(
            insert(style_gates),
            [
                {
                    "test_id": test_id,
                    "position": gate.item,
                    "always": gate.always,
                    "expected": gate.expected,
                    "voters": gate.voters,
                    "z": gate.z,
                }
                for gate in found.gates
            ],
        )
    rows = [
        {"test_id": test_id, "player_id": player, "position": position, "factor": factor}
        for (player, position), factor in sorted(found.factors.items())
    ]
    for start in range(0, len(rows), 5000):
        await conn.execute(insert(style_weights), rows[start : start + 5000])


async def gates_in(conn: AsyncConnection, test_id: UUID) -> StyleGates:
    """The gates of a test and what they take; empty for nearly every test."""
    g = style_gates.c
    rows = (await conn.execute(sa.select(style_gates).where(g.test_id == test_id).order_by(g.position))).all()
    if not rows:
        return StyleGates()
    w = style_weights.c
    factors = await conn.execute(sa.select(w.player_id, w.position, w.factor).where(w.test_id == test_id))
    return StyleGates(
        tuple(Gate(row.position, row.z, row.always, row.expected, row.voters) for row in rows),
        {(row.player_id, row.position): float(row.factor) for row in factors},
    )


# --- whether results hold ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultCheck:
    """A decided test looked at again: what would be chosen now, and whether that survives without a share of the voters."""

    test_id: UUID
    verdict_no: int
    at: datetime
    votes: int
    chosen: tuple[int, ...]
    holds: bool | None
    share: float | None
    share_to_flip: float | None
    n_removed: int | None


@dataclass(frozen=True, slots=True)
class ResultFlag:
    """That the result of a decided test became another one; `cleared_at` when it became the first one again."""

    at: datetime
    chosen_before: tuple[int, ...]
    chosen_after: tuple[int, ...]
    cleared_at: datetime | None


_UNCHECKED = sa.text("""
select t.test_id
from style_tests t
left join lateral (select max(c.verdict_no) as seen from result_checks c where c.test_id = t.test_id) c on true
where t.state = 'decided' and t.ended_at > :since
  and (c.seen is null or exists (
      select 1 from verdicts d where d.verdict_no > c.seen and exists (
          select 1 from votes v where v.player_id = d.player_id and v.test_id = t.test_id)))
order by t.ended_at
limit :limit
""")


async def unchecked_results(conn: AsyncConnection, *, since: datetime, limit: int) -> list[UUID]:
    """Decided tests that were never checked, or on whose voters there are verdicts that the last check did not know."""
    return list(await conn.scalars(_UNCHECKED, {"since": since, "limit": limit}))


async def record_check(conn: AsyncConnection, check: ResultCheck) -> None:
    """Write a check; the same one again is left as it is."""
    await conn.execute(
        insert(result_checks)
        .values(
            test_id=check.test_id,
            verdict_no=check.verdict_no,
            at=check.at,
            votes=check.votes,
            chosen=list(check.chosen),
            holds=check.holds,
            share=check.share,
            share_to_flip=check.share_to_flip,
            n_removed=check.n_removed,
        )
        .on_conflict_do_nothing()
    )


async def latest_check(conn: AsyncConnection, test_id: UUID) -> ResultCheck | None:
    """The newest check of a test's result."""
    return await _a_check(conn, test_id, result_checks.c.verdict_no.desc())


async def first_check(conn: AsyncConnection, test_id: UUID) -> ResultCheck | None:
    """The check that was made when the test was decided: what later ones are compared with."""
    return await _a_check(conn, test_id, result_checks.c.verdict_no.asc())


async def _a_check(conn: AsyncConnection, test_id: UUID, order: Any) -> ResultCheck | None:
    query = sa.select(result_checks).where(result_checks.c.test_id == test_id).order_by(order).limit(1)
    row = (await conn.execute(query)).one_or_none()
    return ResultCheck(**{**row._asdict(), "chosen": tuple(row.chosen)}) if row else None


async def flag_changed_result(
    conn: AsyncConnection,
    test_id: UUID,
    *,
    chosen_before: Sequence[int],
    chosen_after: Sequence[int],
    now: datetime,
) -> bool:
    """Flag a decided test to its merchant when other styles would be chosen now, or clear its flag when the same would.

    Positions of the chosen styles; their order does not matter. True when this is news.
    """
    before, after = sorted(chosen_before), sorted(chosen_after)
    if before == after:
        cleared = await conn.execute(
            sa.update(result_flags)
            .where(result_flags.c.test_id == test_id, result_flags.c.cleared_at.is_(None))
            .values(cleared_at=now, chosen_after=after)
        )
        return cleared.rowcount == 1
    statement = insert(result_flags).values(test_id=test_id, at=now, chosen_before=before, chosen_after=after)
    written = await conn.execute(
        statement.on_conflict_do_update(
            index_elements=["test_id"],
            set_={"at": now, "chosen_after": statement.excluded.chosen_after, "cleared_at": None},
            where=sa.or_(
                result_flags.c.chosen_after != statement.excluded.chosen_after, result_flags.c.cleared_at.isnot(None)
            ),
        )
    )
    return written.rowcount == 1


async def result_flag(conn: AsyncConnection, test_id: UUID) -> ResultFlag | None:
    """The flag of a test whose result changed after it was decided, None where it never did."""
    row = (await conn.execute(sa.select(result_flags).where(result_flags.c.test_id == test_id))).one_or_none()
    return ResultFlag(row.at, tuple(row.chosen_before), tuple(row.chosen_after), row.cleared_at) if row else None


# --- from where, and with whom ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Sessions of some players, sorted by player and moment, as columns of equal length."""

    player: list[UUID]
    session: list[UUID]
    device: list[bytes]
    address: list[bytes]
    opened_at: np.ndarray


async def whereabouts(conn: AsyncConnection, player_ids: Sequence[UUID]) -> Whereabouts:
    """From where these players logged in, and when. Devices and address blocks are keyed hashes."""
    s = players.sessions.c
    rows = (
        await conn.execute(
            sa.select(s.player_id, s.session_id, s.device, s.address_block, s.created_at)
            .where(s.player_id == _any(player_ids))
            .order_by(s.player_id, s.created_at)
        )
    ).all()
    fields = list(zip(*rows, strict=True)) if rows else [()] * 5
    return Whereabouts(
        list(fields[0]),
        list(fields[1]),
        list(fields[2]),
        list(fields[3]),
        np.array([moment.timestamp() for moment in fields[4]], dtype=float),
    )


@dataclass(frozen=True, slots=True)
class Known:
    """What review knows of a player beside the votes."""

    player_id: UUID
    group: str
    payee: bytes | None
    phone: bytes | None
    inviter: UUID | None
    opinion: Opinion
    hold_s: int
    vetted_votes: int


_KNOWN = sa.text("""
select p.player_id, p.standing, p.standing_reasons, p.weight, p.hold_s,
       coalesce(case when (p.consent->>'gender')::boolean then p.gender end, '') || '/' ||
       coalesce(case when (p.consent->>'age')::boolean then (p.birth_year / 10)::text end, '') as audience,
       (select l.digest from player_links l where l.player_id = p.player_id and l.kind = 'payee'
        order by l.at desc limit 1) as payee,
       (select l.digest from player_links l where l.player_id = p.player_id and l.kind = 'phone'
        order by l.at desc limit 1) as phone,
       (select i.inviter_id from invitations i where i.invitee_id = p.player_id) as inviter,
       (select count(*) from grants g where g.player_id = p.player_id and g.state = 'settled'
        and g.kind = 'per_vote') as vetted_votes
from players p where p.player_id = any(:ids) and p.deleted_at is null
""").bindparams(sa.bindparam("ids", type_=ARRAY(sa.Uuid)))


async def known_of(conn: AsyncConnection, player_ids: Sequence[UUID]) -> dict[UUID, Known]:
    """What is known of these players and thought of them now; deleted ones are left out.

    `group` is the declared audience, as far as the player agreed to tell: people of one age and sex have one pace.
    """
    rows = await conn.execute(_KNOWN, {"ids": list(player_ids)})
    return {
        row.player_id: Known(
            row.player_id,
            row.audience,
            row.payee,
            row.phone,
            row.inviter,
            Opinion(row.standing, tuple(row.standing_reasons), row.weight),
            row.hold_s,
            row.vetted_votes,
        )
        for row in rows
    }


async def not_trusted(conn: AsyncConnection) -> frozenset[UUID]:
    """All players whose standing is not the common one; they are few."""
    return frozenset(
        await conn.scalars(sa.select(players.players.c.player_id).where(players.players.c.standing != "trusted"))
    )


async def link_player(conn: AsyncConnection, player_id: UUID, *, kind: str, digest: bytes, now: datetime) -> None:
    """Note that a player has this payee or phone (a keyed hash, see `server.flows.link_player`)."""
    await conn.execute(
        insert(player_links).values(player_id=player_id, kind=kind, digest=digest, at=now).on_conflict_do_nothing()
    )


async def forget_player(conn: AsyncConnection, player_id: UUID) -> None:
    """Delete what links a player to a person. Verdicts stay, like the votes that they are about, without anyone behind."""
    for table in (player_links, platform_risks):
        await conn.execute(sa.delete(table).where(table.c.player_id == player_id))


async def link_staff(
    conn: AsyncConnection, merchant_id: UUID, *, kind: str, digest: bytes, added_by: str, now: datetime
) -> bool:
    """Note that this device, phone, payee or player belongs to a merchant's people; False when it was known."""
    done = await conn.execute(
        insert(staff_links)
        .values(merchant_id=merchant_id, kind=kind, digest=digest, added_by=added_by, at=now)
        .on_conflict_do_nothing()
    )
    return done.rowcount == 1


async def staff_of(conn: AsyncConnection, merchant_id: UUID) -> list[tuple[str, str, datetime]]:
    """(kind, added by, when) of a merchant's links, oldest first; the digests say nothing to anybody."""
    rows = await conn.execute(
        sa.select(staff_links.c.kind, staff_links.c.added_by, staff_links.c.at)
        .where(staff_links.c.merchant_id == merchant_id)
        .order_by(staff_links.c.at)
    )
    return [(row.kind, row.added_by, row.at) for row in rows]


# Looks at nothing but keys: a player's own sessions and links, each against the index of staff.
_BARRED = sa.text("""
select l.merchant_id from staff_links l
join player_sessions s on l.kind = 'device' and l.digest = s.device where s.player_id = :player
union
select l.merchant_id from staff_links l
join player_links p on p.kind = l.kind and p.digest = l.digest where p.player_id = :player
union
select l.merchant_id from staff_links l where l.kind = 'player' and l.digest = :own
""")


async def barred_merchants(conn: AsyncConnection, player_id: UUID) -> frozenset[UUID]:
    """The merchants whose tests this player must not judge: he, his device, phone or payee is one of their people's."""
    return frozenset(await conn.scalars(_BARRED, {"player": player_id, "own": player_id.bytes}))


@dataclass(frozen=True, slots=True)
class PlatformRisk:
    """What a platform said of a player's likelihood to farm rewards."""

    platform: str
    at: datetime
    level: str
    rank: int | None
    reason: str


async def record_risk(conn: AsyncConnection, player_id: UUID, risk: PlatformRisk) -> None:
    """Keep the newest opinion of each platform."""
    values = {"at": risk.at, "level": risk.level, "rank": risk.rank, "reason": risk.reason}
    await conn.execute(
        insert(platform_risks)
        .values(player_id=player_id, platform=risk.platform, **values)
        .on_conflict_do_update(index_elements=["player_id", "platform"], set_=values)
    )


async def risks_of(conn: AsyncConnection, player_ids: Iterable[UUID]) -> dict[UUID, list[PlatformRisk]]:
    """What platforms said of these players."""
    rows = await conn.execute(sa.select(platform_risks).where(platform_risks.c.player_id == _any(list(player_ids))))
    found: dict[UUID, list[PlatformRisk]] = {}
    for row in rows:
        found.setdefault(row.player_id, []).append(PlatformRisk(row.platform, row.at, row.level, row.rank, row.reason))
    return found


def _any(ids: Sequence[UUID]) -> Any:
    return sa.any_(sa.bindparam(None, list(ids), type_=ARRAY(sa.Uuid), unique=True))
