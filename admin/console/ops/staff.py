"""/ops/staff: operators, their roles, and what is open of them."""

from typing import Any

from aiohttp import web

from admin.api.ops_people import PeopleQuery, get_office_keys, get_people, get_person
from admin.console.ops.page import ops_page
from admin.roles import OPERATOR_ROLES, ROLE_WORDS, May
from server.edge.wire import Call, Route, wants_english


def role_words(call: Call) -> dict[str, str]:
    """What each role is called, in the language of the caller."""
    english = wants_english(call.request)
    return {role.value: words[english] for role, words in ROLE_WORDS.items()}


async def get_staff_page(call: Call) -> web.Response:
    """Who may come in, as what."""
    told: dict[str, Any] = await get_people(call)
    office = await get_office_keys(call)
    return ops_page(
        call, "ops/staff.html", told=told, office_keys=office["keys"], role_words=role_words(call), roles=OPERATOR_ROLES
    )


async def get_person_page(call: Call) -> web.Response:
    """One operator: roles, sessions, and the ways out."""
    person = await get_person(call)
    return ops_page(call, "ops/person.html", person=person, role_words=role_words(call), roles=OPERATOR_ROLES)


ROUTES: tuple[Route, ...] = (
    Route(method="GET", path="/ops/staff", handler=get_staff_page, summary="Staff", auth=May.MANAGE_STAFF.value,
          query=PeopleQuery, media="text/html"),
    Route(method="GET", path="/ops/staff/{user_id}", handler=get_person_page, summary="An operator",
          auth=May.MANAGE_STAFF.value, media="text/html"),
)  # fmt: skip
