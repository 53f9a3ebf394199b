"""When each background job last ended well, and how often it should: one row a job; and what time it is."""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from server.alarms import JobSeen
from server.stores.db import metadata

job_runs = sa.Table(
    "job_runs",
    metadata,
    sa.Column("job", sa.Text, primary_key=True),
    sa.Column("ended_well_at", sa.DateTime(timezone=True)),
    sa.Column("failed_at", sa.DateTime(timezone=True)),
    sa.Column("failure", sa.Text),
    # How long it rests between runs.
    sa.Column("every_s", sa.REAL, nullable=False, server_default="0"),
)


async def job_ended(
    conn: AsyncConnection, job: str, *, now: datetime, every_s: float = 0.0, failure: str | None = None
) -> None:
    """Record the end of a job's run; `failure` is the name of the error, never its text (it may hold data)."""
    values: dict[str, object] = {"ended_well_at": now} if failure is None else {"failed_at": now, "failure": failure}
    values["every_s"] = every_s
    await conn.execute(
        insert(job_runs).values(job=job, **values).on_conflict_do_update(index_elements=["job"], set_=values)
    )


async def forget_others(conn: AsyncConnection, jobs: Collection[str]) -> None:
    """Forget jobs that there are no more (an older version's): nobody will ever run them."""
    await conn.execute(sa.delete(job_runs).where(job_runs.c.job.not_in(jobs)))


async def jobs_seen(conn: AsyncConnection, now: datetime) -> list[JobSeen]:
    """Every job that was ever reported: how long ago it ended well, how often it should, and its newer error."""
    rows = await conn.execute(sa.select(job_runs).order_by(job_runs.c.job))
    seen = []
    for row in rows:
        age_s = (now - row.ended_well_at).total_seconds() if row.ended_well_at is not None else None
        newer = row.failed_at is not None and (row.ended_well_at is None or row.failed_at > row.ended_well_at)
        seen.append(JobSeen(row.job, age_s, row.every_s, row.failure if newer else ""))
    return seen


async def time_now(conn: AsyncConnection) -> datetime:
    """The database's own time, of this very moment rather than of the transaction's begin."""
    now: datetime = (await conn.execute(sa.select(sa.func.clock_timestamp()))).scalar_one()
    return now
