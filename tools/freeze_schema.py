"""Writes the first migration's SQL from the stores: `python -m tools.freeze_schema` (`--check`: only looks).

Until the first release there is one migration, and this file makes it. Afterwards a migration that has been released
is never written again: add a new one (`make migration name=...`).
"""

import argparse
import re
import sys
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import DDLElement

from server.stores import every_store, every_table

FROZEN = Path(__file__).parents[1] / "server/migrations/versions/first_books.sql"
FUNCTION = re.compile(r"create\s+(or\s+replace\s+)?function\b", re.IGNORECASE)
INDEX = re.compile(r"create\s+(unique\s+)?index\b", re.IGNORECASE)
HEADER = (
    "-- The schema of the first release, written by `python -m tools.freeze_schema` from server/stores; do not edit.\n"
)


def frozen_schema() -> str:
    """The stores' tables in the order of their references, then the functions and then the triggers of their `DDL`.

    Functions come first whichever store they stand in: a trigger may call another store's, and a function's body is
    only looked at when it runs (so says the first line of the file).
    """
    tables: list[str] = []
    dialect = postgresql.dialect()

    def note(statement: DDLElement, *_: object, **__: object) -> None:
        lines = str(statement.compile(dialect=dialect)).replace("\t", "    ").strip().splitlines()
        tables.append("\n".join(line.rstrip() for line in lines))

    # In the order of their names where references leave it open; otherwise it would be the order of the imports.
    metadata = every_table()
    mock = sa.create_mock_engine("postgresql+asyncpg://", note)
    metadata.create_all(mock, tables=metadata.sorted_tables, checkfirst=False)
    # A table keeps its indexes in a set, which has no order: give them one, or the file would change by chance.
    tables.sort(key=lambda statement: (INDEX.match(statement) is not None, statement if INDEX.match(statement) else ""))
    laws = [statement.strip() for store in every_store() for statement in getattr(store, "DDL", ())]
    laws.sort(key=lambda statement: FUNCTION.match(statement) is None)
    # The same function may stand in two stores that both need it.
    statements = dict.fromkeys(["set local check_function_bodies = off", *tables, *laws])
    return HEADER + "".join(f"\n{statement.rstrip(';')};\n" for statement in statements)


def main() -> int:
    parser = argparse.ArgumentParser(description="Freeze the stores' schema into the first migration.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the file is not up to date")
    check = parser.parse_args().check
    schema = frozen_schema()
    if FROZEN.exists() and FROZEN.read_text(encoding="utf-8") == schema:
        return 0
    if check:
        print(f"{FROZEN.name} is not what the stores say: run `python -m tools.freeze_schema`.", file=sys.stderr)
        return 1
    FROZEN.write_text(schema, encoding="utf-8")
    print(f"wrote {FROZEN.name}: {schema.count(chr(10))} lines")
    return 0


if __name__ == "__main__":
    sys.exit(main())
