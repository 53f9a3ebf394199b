"""When each background job last ended well: one row a job, written by whoever ran it."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from server.stores.db import metadata

job_runs = sa.Table(
    "job_runs",
    metadata,
    sa.Column("job", sa.Text, primary_key=True),
    sa.Column("ended_well_at", sa.DateTime(timezone=True)),
    sa.Column("failed_at", sa.DateTime(timezone=True)),
    sa.Column("failure", sa.Text),
)


async def job_ended(conn: AsyncConnection, job: str, *, now: datetime, failure: str | None = None) -> None:
    """Record the end of a job's run; `failure` is the name of the error, never its text (it may hold data)."""
    values = {"ended_well_at": now} if failure is None else {"failed_at": now, "failure": failure}
    await conn.execute(
        insert(job_runs).values(job=job, **values).on_conflict_do_update(index_elements=["job"], set_=values)
    )


async def job_ages_s(conn: AsyncConnection, now: datetime) -> dict[str, float]:
    """Seconds since each job last ended well."""
    rows = await conn.execute(sa.select(job_runs.c.job, job_runs.c.ended_well_at))
    return {job: round((now - at).total_seconds(), 1) for job, at in rows if at is not None}
