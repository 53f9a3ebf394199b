"""The players' API keeps its own document: whatever is sent, every answer is one that the document names."""

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings

from server.api import ROUTES
from server.edge.openapi import document
from tests.server.threads import ThreadedService, a_threaded_service

SCHEMA = schemathesis.openapi.from_dict(document("选款 players", ROUTES, bearer=True))
OPERATIONS = {result.ok().label: result.ok() for result in SCHEMA.get_all_operations()}


@pytest.fixture(scope="module")
def player_api(module_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreadedService]:
    """The service in a thread of its own, with a test that is open and a player who is logged in."""
    with a_threaded_service(module_database, tmp_path_factory.mktemp("service")) as service:
        yield service


def test_the_document_names_every_route() -> None:
    """No route is forgotten."""
    assert set(OPERATIONS) == {f"{route.method} {route.path}" for route in ROUTES}


@pytest.mark.parametrize("label", sorted(set(OPERATIONS) - {"DELETE /v1/me"}))
def test_every_answer_is_documented(label: str, player_api: ThreadedService) -> None:
    """No 5xx, no status and no body that the document does not know."""

    @given(case=OPERATIONS[label].as_strategy())
    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def holds(case: schemathesis.Case) -> None:
        response = case.call(base_url=player_api.url, headers={"Authorization": f"Bearer {player_api.token}"})
        assert response.status_code < 500, response.text
        documented = OPERATIONS[label].definition.raw["responses"]
        assert str(response.status_code) in documented, (response.status_code, response.text)
        OPERATIONS[label].validate_response(response)

    holds()
