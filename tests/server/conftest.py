"""The service for its own tests: started on a fresh database, with a clock that stands still."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.server.builders import Service, a_service


@pytest.fixture
async def service(database: str, tmp_path: Path) -> AsyncIterator[Service]:
    """The players' application on a database of its own."""
    async with a_service(database, tmp_path) as running:
        yield running
