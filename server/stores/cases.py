"""Cases of abuse review, the appeals of players, and payments that two persons agree to take back.

Races settled here. Two sweeps open a case about the same players: the unique key on the subject of open cases lets one
insert win. Two appeals of one player at once: the same with the player. Two operators judge one case, or answer one
appeal: the row is locked, and the second is told how it ended. One person's four eyes: the check `four_eyes` refuses
the row, whatever the flow above believed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from game.standing import CaseState, Outcome
from server.stores.db import metadata

cases = sa.Table(
    "cases",
    metadata,
    sa.Column("case_id", sa.Uuid, primary_key=True),
    # "player": one muted player; "group": linked players who are suspect together; "manual": opened by a person.
    sa.Column("kind", sa.Text, nullable=False),
    # What the case is about, in one string, so that there is one open case about it.
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="open"),
    sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("opened_by", sa.Text, nullable=False),
    sa.Column("reasons", ARRAY(sa.Text), nullable=False, server_default="{}"),
    sa.Column("suggestion", sa.Text, nullable=False),
    sa.Column("evidence", JSONB, nullable=False, server_default="{}"),
    sa.Column("judged_at", sa.DateTime(timezone=True)),
    sa.Column("judged_by", sa.Text),
    sa.Column("note", sa.Text, nullable=False, server_default=""),
    sa.CheckConstraint("state in ('open', 'lifted', 'upheld')", name="state_known"),
    sa.CheckConstraint("(state = 'open') = (judged_at is null)", name="judged_has_moment"),
)
sa.Index("ix_cases_open_subject", cases.c.subject, unique=True, postgresql_where=cases.c.state == "open")
sa.Index("ix_cases_subject", cases.c.subject)
sa.Index("ix_cases_state_opened_at", cases.c.state, cases.c.opened_at)

case_players = sa.Table(
    "case_players",
    metadata,
    sa.Column("case_id", sa.Uuid, sa.ForeignKey("cases.case_id"), primary_key=True),
    sa.Column("player_id", sa.Uuid, primary_key=True),
)
sa.Index("ix_case_players_player_id", case_players.c.player_id)

appeals = sa.Table(
    "appeals",
    metadata,
    sa.Column("appeal_id", sa.Uuid, primary_key=True),
    sa.Column("player_id", sa.Uuid, nullable=False, index=True),
    sa.Column("case_id", sa.Uuid, sa.ForeignKey("cases.case_id")),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="open"),
    sa.Column("answer", sa.Text),
    sa.Column("answered_at", sa.DateTime(timezone=True)),
    sa.Column("answered_by", sa.Text),
    sa.CheckConstraint("state in ('open', 'lifted', 'upheld')", name="state_known"),
    sa.CheckConstraint("(state = 'open') = (answer is null)", name="answered_has_answer"),
)
sa.Index("ix_appeals_open_player", appeals.c.player_id, unique=True, postgresql_where=appeals.c.state == "open")
sa.Index("ix_appeals_state_at", appeals.c.state, appeals.c.at)

reversals = sa.Table(
    "case_reversals",
    metadata,
    # A payment is proposed for reversal once.
    sa.Column("transfer_id", sa.Uuid, primary_key=True),
    sa.Column("case_id", sa.Uuid, sa.ForeignKey("cases.case_id"), nullable=False, index=True),
    sa.Column("player_id", sa.Uuid, nullable=False),
    sa.Column("amount_g", sa.Integer, nullable=False),
    sa.Column("proposed_by", sa.Uuid, nullable=False),
    sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("approved_by", sa.Uuid),
    sa.Column("approved_at", sa.DateTime(timezone=True)),
    sa.Column("reversal_id", sa.Uuid),
    sa.CheckConstraint("approved_by <> proposed_by", name="four_eyes"),
    sa.CheckConstraint("(approved_by is null) = (reversal_id is null)", name="approved_is_done"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A case as it stands."""

    case_id: UUID
    kind: str
    subject: str
    state: CaseState
    opened_at: datetime
    opened_by: str
    reasons: tuple[str, ...]
    suggestion: str
    evidence: dict[str, Any]
    judged_at: datetime | None
    judged_by: str | None
    note: str
    player_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Appeal:
    """An appeal as it stands."""

    appeal_id: UUID
    player_id: UUID
    case_id: UUID | None
    text: str
    at: datetime
    state: CaseState
    answer: str | None
    answered_at: datetime | None
    answered_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reversal:
    """A payment that one person proposed to take back; `reversal_id` is the transfer by which it was."""

    transfer_id: UUID
    case_id: UUID
    player_id: UUID
    amount_g: int
    proposed_by: UUID
    proposed_at: datetime
    approved_by: UUID | None
    approved_at: datetime | None
    reversal_id: UUID | None


async def open_case(
    conn: AsyncConnection,
    *,
    case_id: UUID,
    kind: str,
    player_ids: Sequence[UUID],
    opened_by: str,
    reasons: Sequence[str],
    suggestion: str,
    evidence: Mapping[str, Any],
    now: datetime,
    quiet_since: datetime | None = None,
) -> UUID | None:
    """Open a case about these players; None where one about them is open already, or was judged after `quiet_since`."""
    members = sorted(set(player_ids))
    assert members, "a case is about somebody"
    # Groups grow; what keeps its name while they do is the member who was there first.
    subject = f"{'player' if len(members) == 1 else 'group'}:{members[0]}"
    if quiet_since is not None and await conn.scalar(
        sa.select(sa.exists().where(cases.c.subject == subject, cases.c.judged_at > quiet_since))
    ):
        return None
    opened: UUID | None = await conn.scalar(
        insert(cases)
        .values(
            case_id=case_id,
            kind=kind,
            subject=subject,
            opened_at=now,
            opened_by=opened_by,
            reasons=list(reasons),
            suggestion=suggestion,
            evidence=dict(evidence),
        )
        .on_conflict_do_nothing()
        .returning(cases.c.case_id)
    )
    if opened is not None:
        await conn.execute(
            insert(case_players), [{"case_id": case_id, "player_id": player_id} for player_id in members]
        )
    return opened


async def _with_players(conn: AsyncConnection, rows: Sequence[Any]) -> list[Case]:
    of: dict[UUID, list[UUID]] = {row.case_id: [] for row in rows}
    if of:
        members = await conn.execute(
            sa.select(case_players).where(case_players.c.case_id.in_(list(of))).order_by(case_players.c.player_id)
        )
        for row in members:
            of[row.case_id].append(row.player_id)
    return [
        Case(
            **{
                **row._asdict(),
                "state": CaseState(row.state),
                "reasons": tuple(row.reasons),
                "player_ids": tuple(of[row.case_id]),
            }
        )
        for row in rows
    ]


async def find(conn: AsyncConnection, case_id: UUID, *, lock: bool = False) -> Case | None:
    """The case of this id; `lock` keeps others from judging it."""
    query = sa.select(cases).where(cases.c.case_id == case_id)
    if lock:
        query = query.with_for_update()
    found = await _with_players(conn, (await conn.execute(query)).all())
    return found[0] if found else None


async def page(
    conn: AsyncConnection,
    *,
    state: CaseState | None = None,
    kind: str | None = None,
    reason: str | None = None,
    before: tuple[datetime, UUID] | None = None,
    limit: int = 50,
) -> list[Case]:
    """Cases, the newest first, from after the key `before` (opened_at, case_id): of a state, a kind, with a reason."""
    query = sa.select(cases).order_by(cases.c.opened_at.desc(), cases.c.case_id.desc()).limit(limit)
    if state is not None:
        query = query.where(cases.c.state == state.value)
    if kind is not None:
        query = query.where(cases.c.kind == kind)
    if reason is not None:
        query = query.where(cases.c.reasons.contains([reason]))
    if before is not None:
        query = query.where(sa.tuple_(cases.c.opened_at, cases.c.case_id) < sa.tuple_(*map(sa.literal, before)))
    return await _with_players(conn, (await conn.execute(query)).all())


async def of_player(conn: AsyncConnection, player_id: UUID) -> list[Case]:
    """The cases that a player stands in, the newest first."""
    rows = await conn.execute(
        sa.select(cases)
        .join(case_players, case_players.c.case_id == cases.c.case_id)
        .where(case_players.c.player_id == player_id)
        .order_by(cases.c.opened_at.desc(), cases.c.case_id.desc())
    )
    return await _with_players(conn, rows.all())


async def write_judgement(
    conn: AsyncConnection, case_id: UUID, state: CaseState, *, who: str, note: str, now: datetime
) -> None:
    """Write how a case ended; the caller holds its lock."""
    await conn.execute(
        sa.update(cases)
        .where(cases.c.case_id == case_id)
        .values(state=state.value, judged_at=now, judged_by=who, note=note)
    )


def _appeal(row: Any) -> Appeal:
    return Appeal(**{**row._asdict(), "state": CaseState(row.state)})


async def add_appeal(
    conn: AsyncConnection, *, appeal_id: UUID, player_id: UUID, case_id: UUID | None, text: str, now: datetime
) -> bool:
    """Record an appeal; False where one of this player is open already."""
    done = await conn.execute(
        insert(appeals)
        .values(appeal_id=appeal_id, player_id=player_id, case_id=case_id, text=text, at=now)
        .on_conflict_do_nothing()
    )
    return done.rowcount == 1


async def find_appeal(conn: AsyncConnection, appeal_id: UUID, *, lock: bool = False) -> Appeal | None:
    """The appeal of this id; `lock` keeps others from answering it."""
    query = sa.select(appeals).where(appeals.c.appeal_id == appeal_id)
    row = (await conn.execute(query.with_for_update() if lock else query)).one_or_none()
    return _appeal(row) if row else None


async def open_appeal_of(conn: AsyncConnection, player_id: UUID) -> Appeal | None:
    """The appeal of a player that waits for its answer."""
    query = sa.select(appeals).where(appeals.c.player_id == player_id, appeals.c.state == "open")
    row = (await conn.execute(query)).one_or_none()
    return _appeal(row) if row else None


async def appeals_of(conn: AsyncConnection, player_id: UUID, *, limit: int = 50) -> list[Appeal]:
    """A player's appeals, the newest first."""
    rows = await conn.execute(
        sa.select(appeals)
        .where(appeals.c.player_id == player_id)
        .order_by(appeals.c.at.desc(), appeals.c.appeal_id.desc())
        .limit(limit)
    )
    return [_appeal(row) for row in rows]


async def appeals_page(
    conn: AsyncConnection,
    *,
    state: CaseState | None = None,
    before: tuple[datetime, UUID] | None = None,
    limit: int = 50,
) -> list[Appeal]:
    """Appeals, the newest first, from after the key `before` (at, appeal_id)."""
    query = sa.select(appeals).order_by(appeals.c.at.desc(), appeals.c.appeal_id.desc()).limit(limit)
    if state is not None:
        query = query.where(appeals.c.state == state.value)
    if before is not None:
        query = query.where(sa.tuple_(appeals.c.at, appeals.c.appeal_id) < sa.tuple_(*map(sa.literal, before)))
    return [_appeal(row) for row in await conn.execute(query)]


async def write_answer(
    conn: AsyncConnection, appeal_id: UUID, outcome: Outcome, *, answer: str, who: str, now: datetime
) -> None:
    """Write the answer to an appeal; the caller holds its lock."""
    await conn.execute(
        sa.update(appeals)
        .where(appeals.c.appeal_id == appeal_id)
        .values(state=outcome.value, answer=answer, answered_by=who, answered_at=now)
    )


FORGOTTEN = "(已注销)"


async def forget_words_of(conn: AsyncConnection, player_id: UUID) -> None:
    """Take out what a player wrote in appeals: that there was one, and how it ended, stays on record."""
    await conn.execute(sa.update(appeals).where(appeals.c.player_id == player_id).values(text=FORGOTTEN))


# --- money ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Payment:
    """Grams that were paid to a player for a vote, and whether they were taken back."""

    transfer_id: UUID
    player_id: UUID
    amount_g: int
    at: datetime
    reversed: bool


_PAYMENTS = sa.text("""
select t.transfer_id, t.player_id, t.amount, t.at,
       exists (select 1 from transfers r where r.reason = 'reversal' and r.out_biz_no = t.transfer_id::text) as reversed
from transfers t
where t.reason = 'grant_settled' and t.player_id = any(:players)
  and (cast(:ids as uuid[]) is null or t.transfer_id = any(:ids))
order by t.seq desc limit :limit
""").bindparams(sa.bindparam("players", type_=ARRAY(sa.Uuid)))


async def payments_to(
    conn: AsyncConnection, player_ids: Sequence[UUID], *, ids: Sequence[UUID] | None = None, limit: int = 200
) -> list[Payment]:
    """What was paid to these players for votes, the newest first; with `ids` only those transfers."""
    statement = _PAYMENTS.bindparams(sa.bindparam("ids", None if ids is None else list(ids), type_=ARRAY(sa.Uuid)))
    rows = await conn.execute(statement, {"players": list(player_ids), "limit": limit})
    return [Payment(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Taken:
    """A grant that its player did not get, or not keep: voided for abuse, or reversed."""

    grant_id: UUID
    amount_g: int


_TAKEN = sa.text("""
select matchup_id as grant_id, amount_g from grants
where player_id = :player and state = 'voided' and void_reason = 'abuse'
union all
select t.transfer_id, t.amount::int from transfers t
where t.player_id = :player and t.reason = 'grant_settled'
  and exists (select 1 from transfers r where r.reason = 'reversal' and r.out_biz_no = t.transfer_id::text)
order by 1
""")


async def taken_from(conn: AsyncConnection, player_id: UUID) -> list[Taken]:
    """All that review took from a player, or kept from him: what a restoration gives back."""
    return [Taken(row.grant_id, row.amount_g) for row in await conn.execute(_TAKEN, {"player": player_id})]


async def propose_reversals(
    conn: AsyncConnection, case_id: UUID, payments: Sequence[Payment], *, by: UUID, now: datetime
) -> int:
    """Note that these payments should be taken back; returns how many were not proposed before."""
    if not payments:
        return 0
    done = await conn.execute(
        insert(reversals)
        .values(
            [
                {
                    "transfer_id": payment.transfer_id,
                    "case_id": case_id,
                    "player_id": payment.player_id,
                    "amount_g": payment.amount_g,
                    "proposed_by": by,
                    "proposed_at": now,
                }
                for payment in payments
            ]
        )
        .on_conflict_do_nothing()
    )
    return done.rowcount


async def reversals_of(conn: AsyncConnection, case_id: UUID, *, lock: bool = False) -> list[Reversal]:
    """What was proposed in a case, in the order of the transfers; `lock` keeps others from approving it."""
    query = sa.select(reversals).where(reversals.c.case_id == case_id).order_by(reversals.c.transfer_id)
    return [Reversal(**row._asdict()) for row in await conn.execute(query.with_for_update() if lock else query)]


async def write_reversal(
    conn: AsyncConnection, transfer_id: UUID, *, approved_by: UUID, reversal_id: UUID, now: datetime
) -> None:
    """Write who approved a reversal, and by which transfer it was done."""
    await conn.execute(
        sa.update(reversals)
        .where(reversals.c.transfer_id == transfer_id, reversals.c.reversal_id.is_(None))
        .values(approved_by=approved_by, approved_at=now, reversal_id=reversal_id)
    )
