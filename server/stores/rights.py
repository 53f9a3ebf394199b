"""What the service's own role may do in the database: append facts, and never rewrite the books.

The schema belongs to one role, and the service logs in as another. The triggers beside the tables refuse changes of
facts to everybody; these rights refuse them to the service a second time, and keep it from taking the triggers off.
"""

from collections.abc import Iterable

from server.stores import every_table

FACTS = (
    "transfers",
    "votes",
    "audit_lines",
    "seals",
    "switches",
    "verdicts",
    "segment_versions",
    "alarm_events",
    "alarm_thresholds",
)
"""Tables to which the service may only add."""

MOVED_BY_TRIGGER = ("accounts",)
"""Tables to which the service may add, and whose rows only the database itself changes."""

NEVER_DELETED = ("grants", "reservations", "budgets")


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


def script(role: str) -> str:
    """The statements as one SQL script."""
    return "".join(f"{statement};\n" for statement in statements(role))
