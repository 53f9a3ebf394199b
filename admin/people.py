"""People from the command line: the first administrator, and the way back in when everybody is out."""

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from uuid import UUID

import click
from rich.table import Table

from admin.flows.add_person import FIRST_PASSWORD_BYTES, LOGIN_PATTERN, add_person
from admin.flows.change_person import change_person
from admin.flows.sign_in import hash_password
from admin.passwords import one_time
from admin.roles import OPERATOR_ROLES, Role
from server.commands import BadInput, run, screen, settings_without_keys, the_database
from server.edge.problems import Problem
from server.migrations import upgrade
from server.stores import staff
from server.stores.db import AsyncEngine, engine_from, reading, transaction

BY = "command line"
MOST_SHOWN = 500


@click.group()
def main() -> None:
    """Operators of the console: add, list, let in again, shut out. A password is shown once, and changed at first use."""


@main.command("add")
@click.argument("login")
@click.option("--name", default=None, help="Name as shown (the login, unless given).")
@click.option(
    "--role", "roles", multiple=True, default=(Role.ADMINISTRATOR.value,), show_default=True,
    type=click.Choice([role.value for role in OPERATOR_ROLES]), help="May be given several times.",
)  # fmt: skip
def add(login: str, name: str | None, roles: tuple[str, ...]) -> None:
    """Let a person in, with a one-time password."""
    login = login.strip().lower()
    if not re.match(LOGIN_PATTERN, login):
        raise BadInput(f'"{login}" is no login: use 2 to 60 of a-z, 0-9 and . _ @ -, a letter or digit first.')

    async def work(engine: AsyncEngine) -> None:
        added = await add_person(
            engine, login=login, name=name or login, roles={Role(role) for role in roles},
            merchant_id=None, who=BY, why="xuankuan staff add", now=datetime.now(UTC),
        )  # fmt: skip
        click.echo(f"{login} may sign in with this password, once, and then chooses another:")
        click.echo(added.password)

    _on_the_database(work)


@main.command("list")
def list_people() -> None:
    """Who may come in, as what."""

    async def work(engine: AsyncEngine) -> None:
        async with reading(engine) as conn:
            people = await staff.page(conn, limit=MOST_SHOWN)
        table = Table("login", "name", "roles", "second factor", "state")
        for person in people:
            state = "disabled" if person.disabled_at else "first sign-in awaited" if person.password_is_initial else ""
            factor = "yes" if person.sealed_totp else "no"
            table.add_row(person.login, person.name, ", ".join(person.roles), factor, state)
        screen().print(table)

    _on_the_database(work)


@main.command("password")
@click.argument("login")
@click.option("--without-second-factor", is_flag=True, help="Forget a lost authenticator, too.")
def password(login: str, without_second_factor: bool) -> None:
    """Give a new one-time password, and end every session of this person."""

    async def work(engine: AsyncEngine) -> None:
        given = one_time(secrets.token_bytes(FIRST_PASSWORD_BYTES))
        hashed = await asyncio.to_thread(hash_password, given)
        async with transaction(engine) as conn:
            await change_person(
                conn, await _id_of(engine, login), password_hash=hashed,
                without_second_factor=without_second_factor, who=BY, why="xuankuan staff password",
                now=datetime.now(UTC),
            )  # fmt: skip
        click.echo(given)

    _on_the_database(work)


@main.command("disable")
@click.argument("login")
@click.option("--undo", is_flag=True, help="Let in again.")
def disable(login: str, undo: bool) -> None:
    """Shut a person out at once."""

    async def work(engine: AsyncEngine) -> None:
        user_id = await _id_of(engine, login)
        async with transaction(engine) as conn:
            await change_person(
                conn, user_id, disabled=not undo, who=BY, why="xuankuan staff disable", now=datetime.now(UTC)
            )
        click.echo(f"{login} may {'sign in again' if undo else 'not sign in any more'}.")

    _on_the_database(work)


async def _id_of(engine: AsyncEngine, login: str) -> UUID:
    async with reading(engine) as conn:
        person = await staff.by_login(conn, login.strip().lower())
    if person is None or person.merchant_id is not None:
        raise BadInput(f'There is no operator "{login}"; `xuankuan staff list` shows all.')
    return person.user_id


def _on_the_database(work: Callable[[AsyncEngine], Awaitable[None]]) -> None:
    config = settings_without_keys()

    async def worked(url: str) -> None:
        await upgrade(url)
        engine = engine_from(url, pool_size=2)
        try:
            await work(engine)
        except Problem as problem:
            raise BadInput(problem.detail(english=True)) from None
        finally:
            await engine.dispose()

    with the_database(config) as url:
        run(worked(url))


if __name__ == "__main__":
    main(prog_name="xuankuan staff")
