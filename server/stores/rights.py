"""What the service's own role may do in the database: append facts, and never rewrite the books.

The schema belongs to one role, and the service logs in as another. The triggers beside the tables refuse changes of
facts to everybody; these rights refuse them to the service a second time, and keep it from taking the triggers off.
"""

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from server.stores import every_table
from server.stores.db import engine_from, transaction

SERVICE_ROLE = "xuankuan_service"
"""The name of the service's role on the database that comes with the package."""
RIGHTS_LOCK = 7_305_102

FACTS = (
    "transfers",
    "votes",
    "audit_lines",
    "seals",
    "switches",
    "programme_days",
    "verdicts",
    "segment_versions",
    "alarm_events",
    "alarm_thresholds",
    "applications",
    "tree_stages",
    "claims",
    "expiry_notices",
    "economies",
    "order_moves",
)
"""Tables to which the service may only add."""

MOVED_BY_TRIGGER = ("accounts",)
"""Tables to which the service may add, and whose rows only the database itself changes."""

NEVER_DELETED = (
    "money_moves",
    "segments",
    "grants",
    "budgets",
    "reservations",
    "reserved_days",
    "trees",
    "tree_members",
    "farm_days",
    "awards",
    "invitations",
    "prize_stock",
    "prize_boxes",
    "fulfilment_orders",
    "damage_reports",
)
"""Tables whose rows may change (as far as their triggers allow), and stay."""


def statements(role: str) -> list[str]:
    """The statements that give `role` the service's rights on every table, to be run by the schema's owner.

    Raises ValueError when the name is none.
    """
    if not role.replace("_", "").isalnum() or not role.isascii():
        raise ValueError(f'"{role}" cannot be the name of a role.')
    tables = [table.name for table in every_table().sorted_tables]
    return [
        f'revoke all on all tables in schema public from "{role}"',
        f'grant usage on schema public to "{role}"',
        *(f'grant {rights} on {name} to "{role}"' for name, rights in _rights(tables)),
        f'grant usage on all sequences in schema public to "{role}"',
        f'grant select on alembic_version to "{role}"',
    ]


def _rights(tables: Iterable[str]) -> Iterable[tuple[str, str]]:
    for name in tables:
        if name in FACTS or name in MOVED_BY_TRIGGER:
            yield name, "select, insert"
        elif name in NEVER_DELETED:
            yield name, "select, insert, update"
        else:
            yield name, "select, insert, update, delete"


async def as_service(url: str, *, role: str = SERVICE_ROLE) -> str:
    """The same database, logged in as the service's role: made where it is not there, and given its rights anew.

    `url` is the owner's. Any number of processes may do so at once. For a server that asks its users for no password.
    """
    engine = engine_from(url, pool_size=1)
    try:
        async with transaction(engine) as conn:
            await conn.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": RIGHTS_LOCK})
            if not await conn.scalar(sa.text("select exists (select from pg_roles where rolname = :r)"), {"r": role}):
                await conn.execute(sa.text(f'create role "{role}" login'))
            for statement in statements(role):
                await conn.execute(sa.text(statement))
    finally:
        await engine.dispose()
    return sa.make_url(url).set(username=role).render_as_string(hide_password=False)


async def may_rewrite_books(url: str) -> bool:
    """Whether the role of this address owns the books, or could change them."""
    engine = engine_from(url, pool_size=1)
    try:
        async with transaction(engine) as conn:
            return bool(
                await conn.scalar(
                    sa.text(
                        "select bool_or(has_table_privilege(t, 'update') or has_table_privilege(t, 'delete')) "
                        "from unnest(cast(:facts as text[])) as t"
                    ).bindparams(sa.bindparam("facts", list(FACTS), type_=ARRAY(sa.Text)))
                )
            )
    finally:
        await engine.dispose()


async def may_change_schema(url: str) -> bool:
    """Whether the role of this address may make tables, as migrations do."""
    engine = engine_from(url, pool_size=1)
    try:
        async with transaction(engine) as conn:
            return bool(await conn.scalar(sa.text("select has_schema_privilege('public', 'create')")))
    finally:
        await engine.dispose()


def script(role: str) -> str:
    """The statements as one SQL script."""
    return "".join(f"{statement};\n" for statement in statements(role))
