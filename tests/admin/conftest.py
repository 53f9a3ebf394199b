"""The door for its own tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.admin.doors import Door, Merchant, a_door


@pytest.fixture
async def door(database: str, tmp_path: Path) -> AsyncIterator[Door]:
    """The door's application on a database of its own."""
    async with a_door(database, tmp_path) as running:
        yield running


@pytest.fixture
async def merchant(door: Door) -> Merchant:
    """A merchant with money and a key."""
    return await door.merchant()
