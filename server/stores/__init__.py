"""Tables and all SQL, one file per group of tables; the only place where the service speaks to its database."""

import importlib
import pkgutil
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import MetaData


def every_store() -> list[ModuleType]:
    """All modules of this package, `db` first and the others by name."""
    names = sorted((one.name for one in pkgutil.iter_modules(__path__)), key=lambda name: (name != "db", name))
    return [importlib.import_module(f"{__name__}.{name}") for name in names]


def every_table() -> "MetaData":
    """The metadata with every table of every store in it: importing a store is what defines its tables."""
    db, *_ = every_store()
    return db.metadata  # type: ignore[no-any-return]
