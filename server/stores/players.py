"""Players, the platform identities behind them, their sessions, and the facts that they agreed to give.

Race settled here: two first log-ins of one identity at once. The unique key on (platform, subject) lets one insert win;
the other reads the winner's player.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from game.segments import PlayerFacts
from server.stores.db import metadata

players = sa.Table(
    "players",
    metadata,
    sa.Column("player_id", sa.Uuid, primary_key=True),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("nickname", sa.Text, nullable=False, server_default=""),
    sa.Column("gender", sa.Text),
    sa.Column("birth_year", sa.SmallInteger),
    sa.Column("interests", ARRAY(sa.Text), nullable=False, server_default="{}"),
    sa.Column("region", sa.Text),
    sa.Column("consent", JSONB, nullable=False, server_default="{}"),
    sa.Column("standing", sa.Text, nullable=False, server_default="trusted"),
    sa.Column("standing_reasons", ARRAY(sa.Text), nullable=False, server_default="{}"),
    sa.Column("weight", sa.REAL, nullable=False, server_default="1"),
    # How long this player's grants are held before they settle; new players' longer than known ones'.
    sa.Column("hold_s", sa.Integer, nullable=False, server_default="0"),
    sa.Column("deleted_at", sa.DateTime(timezone=True)),
    sa.CheckConstraint("standing in ('trusted', 'watched', 'muted')", name="standing_known"),
    sa.CheckConstraint("weight >= 0 and weight <= 1", name="weight_in_range"),
)

identities = sa.Table(
    "platform_identities",
    metadata,
    sa.Column("platform", sa.Text, primary_key=True),
    # A keyed hash of the platform's user id: enough to know a player again, useless to anyone who reads the table.
    sa.Column("subject", sa.LargeBinary, primary_key=True),
    sa.Column("sealed_subject", sa.LargeBinary),
    sa.Column("player_id", sa.Uuid, sa.ForeignKey("players.player_id"), nullable=False, index=True),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
)

sessions = sa.Table(
    "player_sessions",
    metadata,
    sa.Column("session_id", sa.Uuid, primary_key=True),
    sa.Column("player_id", sa.Uuid, sa.ForeignKey("players.player_id"), nullable=False, index=True),
    # Keyed hashes: links between accounts can be seen, devices and addresses cannot.
    sa.Column("device", sa.LargeBinary, nullable=False),
    sa.Column("address_block", sa.LargeBinary, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("revoked_at", sa.DateTime(timezone=True)),
)
sa.Index("ix_players_not_trusted", players.c.player_id, postgresql_where=players.c.standing != "trusted")
sa.Index("ix_player_sessions_device", sessions.c.device)
sa.Index("ix_player_sessions_revoked_at", sessions.c.revoked_at, postgresql_where=sessions.c.revoked_at.isnot(None))


@dataclass(frozen=True, slots=True)
class Player:
    """A player on record."""

    player_id: UUID
    created_at: datetime
    nickname: str
    gender: str | None
    birth_year: int | None
    interests: tuple[str, ...]
    region: str | None
    consent: dict[str, bool]
    standing: str
    standing_reasons: tuple[str, ...]
    weight: float
    hold_s: int

    def facts(self, now: datetime) -> PlayerFacts:
        """The facts that rules may use: only what the player consented to."""
        told = self.consent.get
        return PlayerFacts(
            gender=self.gender if told("gender") else None,
            age=now.year - self.birth_year if self.birth_year is not None and told("age") else None,
            interests=frozenset(self.interests) if told("interests") else frozenset(),
            region=self.region if told("region") else None,
        )


_COLUMNS = (
    players.c.player_id,
    players.c.created_at,
    players.c.nickname,
    players.c.gender,
    players.c.birth_year,
    players.c.interests,
    players.c.region,
    players.c.consent,
    players.c.standing,
    players.c.standing_reasons,
    players.c.weight,
    players.c.hold_s,
)


def _player(row: Any) -> Player:
    values = row._asdict()
    values["interests"] = tuple(values["interests"])
    values["standing_reasons"] = tuple(values["standing_reasons"])
    return Player(**values)


async def find(conn: AsyncConnection, player_id: UUID) -> Player | None:
    """The player of this id, unless deleted."""
    row = (
        await conn.execute(sa.select(*_COLUMNS).where(players.c.player_id == player_id, players.c.deleted_at.is_(None)))
    ).one_or_none()
    return _player(row) if row else None


async def identify(
    conn: AsyncConnection,
    *,
    platform: str,
    subject: bytes,
    sealed_subject: bytes | None,
    known_as: Sequence[bytes] = (),
    new_player_id: UUID,
    hold_s: int,
    now: datetime,
) -> UUID:
    """The player behind a platform identity, made now if it was never seen.

    `known_as` are the same identity's hashes under other keys: while keys rotate it may be on record under any.
    """
    names = [subject, *known_as]
    known = await _known_as(conn, platform, names)
    if known is None and known_as:
        # Two processes may hash by different keys just now: the primary key would let both of them win.
        await conn.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": _lock_key(names)})
        known = await _known_as(conn, platform, names)
    if known is not None:
        if sealed_subject is not None:
            await conn.execute(
                sa.update(identities)
                .where(identities.c.platform == platform, identities.c.subject == subject)
                .where(identities.c.sealed_subject.is_(None))
                .values(sealed_subject=sealed_subject)
            )
        return known
    await conn.execute(insert(players).values(player_id=new_player_id, created_at=now, hold_s=hold_s))
    won: UUID | None = await conn.scalar(
        insert(identities)
        .values(
            platform=platform, subject=subject, sealed_subject=sealed_subject, player_id=new_player_id, created_at=now
        )
        .on_conflict_do_nothing()
        .returning(identities.c.player_id)
    )
    if won is not None:
        return won
    await conn.execute(sa.delete(players).where(players.c.player_id == new_player_id))
    winner: UUID = (
        await conn.execute(
            sa.select(identities.c.player_id).where(identities.c.platform == platform, identities.c.subject == subject)
        )
    ).scalar_one()
    return winner


async def page(
    conn: AsyncConnection, *, standing: str | None = None, before: UUID | None = None, limit: int
) -> list[Player]:
    """Players who are not deleted, newest first (their ids begin with the moment), from after `before`."""
    query = sa.select(*_COLUMNS).where(players.c.deleted_at.is_(None)).order_by(players.c.player_id.desc()).limit(limit)
    if standing is not None:
        query = query.where(players.c.standing == standing)
        if standing != "trusted":  # the index of those few
            query = query.where(players.c.standing != "trusted")
    if before is not None:
        query = query.where(players.c.player_id < before)
    return [_player(row) for row in await conn.execute(query)]


async def by_subjects(conn: AsyncConnection, subjects: Sequence[tuple[str, bytes]]) -> list[UUID]:
    """The players of these (platform, keyed hash) pairs; an empty platform means any."""
    i = identities.c
    wanted = [sa.and_(i.subject == subject, *([i.platform == name] if name else [])) for name, subject in subjects]
    rows = await conn.scalars(sa.select(i.player_id).where(sa.or_(*wanted)).distinct())
    return list(rows)


async def _known_as(conn: AsyncConnection, platform: str, names: Sequence[bytes]) -> UUID | None:
    found: UUID | None = await conn.scalar(
        sa.select(identities.c.player_id)
        .where(identities.c.platform == platform, identities.c.subject.in_(names))
        .order_by(identities.c.created_at)
        .limit(1)
    )
    return found


def _lock_key(names: Sequence[bytes]) -> int:
    """The same number for the same names in any order."""
    return int.from_bytes(min(names)[:8], signed=True)


@dataclass(frozen=True, slots=True)
class Identity:
    """A platform's name for a player: as a keyed hash, and sealed for those who must ask the platform about him."""

    platform: str
    subject: bytes
    sealed_subject: bytes | None


async def identities_of(conn: AsyncConnection, player_id: UUID) -> list[Identity]:
    """By which platforms a player is known."""
    i = identities.c
    rows = await conn.execute(
        sa.select(i.platform, i.subject, i.sealed_subject).where(i.player_id == player_id).order_by(i.platform)
    )
    return [Identity(*row) for row in rows]


async def open_session(
    conn: AsyncConnection,
    *,
    session_id: UUID,
    player_id: UUID,
    device: bytes,
    address_block: bytes,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Record that a session was opened, from which device and address block."""
    await conn.execute(
        insert(sessions).values(
            session_id=session_id,
            player_id=player_id,
            device=device,
            address_block=address_block,
            created_at=now,
            expires_at=expires_at,
        )
    )


async def platforms_of(conn: AsyncConnection, player_id: UUID) -> list[tuple[str, datetime]]:
    """By which platforms this player logs in, and since when."""
    rows = await conn.execute(
        sa.select(identities.c.platform, identities.c.created_at)
        .where(identities.c.player_id == player_id)
        .order_by(identities.c.created_at)
    )
    return [(row.platform, row.created_at) for row in rows]


async def sessions_of(conn: AsyncConnection, player_id: UUID) -> list[tuple[datetime, datetime]]:
    """When this player's sessions were opened, and when each ends; oldest first."""
    rows = await conn.execute(
        sa.select(sessions.c.created_at, sessions.c.expires_at)
        .where(sessions.c.player_id == player_id)
        .order_by(sessions.c.created_at)
    )
    return [(row.created_at, row.expires_at) for row in rows]


async def revoked_since(conn: AsyncConnection, since: datetime) -> Sequence[UUID]:
    """Sessions that were revoked after `since`; tokens of theirs must be refused from now on."""
    return (await conn.scalars(sa.select(sessions.c.session_id).where(sessions.c.revoked_at > since))).all()


async def update_facts(conn: AsyncConnection, player_id: UUID, changes: dict[str, object]) -> None:
    """Write what a player changed about himself."""
    if changes:
        await conn.execute(sa.update(players).where(players.c.player_id == player_id).values(**changes))


async def forget(conn: AsyncConnection, player_id: UUID, now: datetime) -> None:
    """Delete a player's identity and facts. Votes and book entries stay, without anyone behind them."""
    await conn.execute(sa.delete(identities).where(identities.c.player_id == player_id))
    await conn.execute(
        sa.update(sessions)
        .where(sessions.c.player_id == player_id)
        .values(revoked_at=now, device=b"", address_block=b"")
    )
    await conn.execute(
        sa.update(players)
        .where(players.c.player_id == player_id)
        .values(
            deleted_at=now, nickname="", gender=None, birth_year=None, interests=[], region=None, consent={}, hold_s=0
        )
    )


async def weights(conn: AsyncConnection, since_ids: Sequence[UUID]) -> dict[UUID, float]:
    """Vote weights of the given players, only those below 1."""
    rows = await conn.execute(
        sa.select(players.c.player_id, players.c.weight).where(
            players.c.player_id == sa.any_(sa.bindparam("ids", since_ids, type_=ARRAY(sa.Uuid))),
            players.c.weight < 1,
        )
    )
    return {row.player_id: row.weight for row in rows}


async def set_standing(
    conn: AsyncConnection, player_id: UUID, *, standing: str, reasons: Sequence[str], weight: float, hold_s: int
) -> None:
    """Write what is thought of a player now; the verdict behind it is on record (`server.stores.standings.record`)."""
    await conn.execute(
        sa.update(players)
        .where(players.c.player_id == player_id)
        .values(standing=standing, standing_reasons=list(reasons), weight=weight, hold_s=hold_s)
    )


async def set_hold(conn: AsyncConnection, hold_s: dict[UUID, int]) -> None:
    """Write how long the grants of these players are held from now on."""
    for player_id, seconds in sorted(hold_s.items()):
        await conn.execute(sa.update(players).where(players.c.player_id == player_id).values(hold_s=seconds))


async def lock(conn: AsyncConnection, player_id: UUID) -> None:
    """Keep everybody else from changing what is thought of this player until the transaction ends."""
    await conn.execute(
        sa.select(players.c.player_id).where(players.c.player_id == player_id).with_for_update(key_share=True)
    )
