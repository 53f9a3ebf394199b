"""Laws of the operators' frame: one sees what is one's work, lands there, and is refused in words."""

from admin.console.ops import SECTIONS
from admin.roles import PERMITTED, Role
from tests.admin.doors import Door


async def test_each_role_is_shown_its_own_sections(door: Door):
    """The navigation names exactly the registered sections that the role permits."""
    paths = {resource.canonical for resource in door.client.app.router.resources()}
    for role in Role:
        if role is Role.MERCHANT:
            continue
        person = await door.signed_in(await door.operator(role, login=f"one-{role.value}"))
        status, page = await person.call("GET", "/ops")
        assert status == 200
        session = await person.good("GET", "/session")
        assert (session["home"], session["csrf"]) == ("/ops", person.csrf)
        may = PERMITTED[role]
        wanted = {one.path for one in SECTIONS if one.path in paths and (one.may in may or one.path == "/ops/me")}
        shown = {one.path for one in SECTIONS if f'<li><a href="{one.path}"' in page}
        assert shown == wanted


async def test_an_operator_begins_at_operations_and_a_merchant_with_tests(door: Door):
    """The start page leads an operator on; a merchant's person may not open an operator's page, and is told so."""
    operator = await door.signed_in(await door.operator())
    status, _ = await operator.call("GET", "/")
    assert status == 303
    merchant = await door.signed_in(await door.person(await door.merchant()))
    assert (await merchant.call("GET", "/"))[0] == 200
    status, page = await merchant.call("GET", "/ops?lang=en")
    assert status == 403
    assert "Your role may not do this" in page
