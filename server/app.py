"""The players' application: made by a factory from a configuration and an address, never at import."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import aiohttp
import asyncpg
import redis.asyncio as redis
from aiohttp import web

from rewards.economy import DEFAULT, Economy
from server.api import ROUTES
from server.budget_desk import BudgetDesk
from server.clock import DatabaseClock
from server.config import Config
from server.dealer import Dealer
from server.desk import Desk, DirectDesk, GroupDesk
from server.edge.auth import PlayerSession, bearer, read_token
from server.edge.health import health_routes
from server.edge.limits import MemoryLimiter, RedisLimiter
from server.edge.openapi import document
from server.edge.problems import Problem
from server.edge.serve import mount, unknown_is_a_problem
from server.edge.wire import MAX_BODY_BYTES, Route
from server.figures import Figures
from server.metrics import Metrics
from server.platforms import platforms_of
from server.ports import Clock, Shell
from server.revocations import Revocations
from server.risk_desk import RiskDesk
from server.secrets import vault_of
from server.stores.db import engine_from, plain, pool_from, transaction

SHELL: web.AppKey[Shell] = web.AppKey("shell", Shell)


@contextlib.asynccontextmanager
async def shell_of(
    config: Config, *, clock: Clock | None = None, economy: Economy | None = None
) -> AsyncIterator[Shell]:
    """Everything the players' application runs on, started in order and stopped in reverse.

    Without a `clock` the database's time decides; `economy` is what holds until one is saved.
    """
    assert config.database_url, "the caller starts or names a database first"
    url = config.database_url
    async with contextlib.AsyncExitStack() as stack:
        engine = engine_from(url, pool_size=10)
        stack.push_async_callback(engine.dispose)
        tasks: list[asyncio.Task[None]] = []
        stack.push_async_callback(_end, tasks)
        if clock is None:
            clock = shared = DatabaseClock(engine)
            await shared.refresh()
            tasks.append(asyncio.create_task(shared.keep_fresh(), name="clock"))
        figures = Figures(engine, default=economy or DEFAULT)
        await figures.refresh()
        pool = await pool_from(url, size=4)
        stack.push_async_callback(pool.close)
        limiter: MemoryLimiter | RedisLimiter = MemoryLimiter()
        if config.redis_url:
            client = redis.from_url(config.redis_url, socket_timeout=1.0, socket_connect_timeout=1.0)
            stack.push_async_callback(client.aclose)
            limiter = RedisLimiter(client)
        desk: Desk
        if config.desk:
            desk = GroupDesk(lambda: asyncpg.connect(plain(url)), pool.acquire, batch=config.desk_batch)
        else:

            @contextlib.asynccontextmanager
            async def own_transaction() -> AsyncIterator[Any]:
                async with transaction(engine) as conn:
                    raw = await conn.get_raw_connection()
                    yield raw.driver_connection

            desk = DirectDesk(own_transaction)
        stack.push_async_callback(desk.close)
        dealer = Dealer(engine)
        revocations = Revocations(engine)
        budget_desk = BudgetDesk(
            engine,
            economy=lambda: figures.economy,
            ticket_life=timedelta(seconds=config.ticket_ttl_s),
            clock=clock,
        )
        stack.push_async_callback(budget_desk.close)
        http = await stack.enter_async_context(aiohttp.ClientSession())
        platforms = platforms_of(config, http)
        risk_desk = RiskDesk(engine, platforms.risk_checks, vault_of(config))
        stack.push_async_callback(risk_desk.close)
        shell = Shell(
            config=config,
            engine=engine,
            borrow=pool.acquire,
            desk=desk,
            dealer=dealer,
            budget_desk=budget_desk,
            limiter=limiter,
            revocations=revocations,
            metrics=Metrics(),
            figures=figures,
            risk_desk=risk_desk,
            platforms=platforms,
            clock=clock,
        )
        await dealer.refresh()
        await revocations.refresh(clock())
        tasks += [
            asyncio.create_task(figures.keep_fresh(), name="figures"),
            asyncio.create_task(dealer.keep_fresh(), name="dealer"),
            asyncio.create_task(budget_desk.keep_filled(), name="budget_desk"),
            asyncio.create_task(revocations.keep_fresh(clock), name="revocations"),
        ]
        # Before anything that they use is closed, and once more at the very end, where there is nothing left to do.
        stack.push_async_callback(_end, tasks)
        yield shell


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def player_of(request: web.Request, route: Route) -> PlayerSession | None:
    """Who calls the players' application: the session of the bearer token, or nobody where the route asks nobody."""
    if route.auth == "none":
        return None
    shell = request.app[SHELL]
    session = read_token(bearer(request), shell.config.token_keys, now=shell.clock())
    if session.session_id in shell.revocations:
        raise Problem("unauthenticated")
    return session


def player_app(shell: Shell) -> web.Application:
    """The players' application on a running shell."""
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[unknown_is_a_problem])
    app[SHELL] = shell
    api = document("选款 players", ROUTES, bearer=True)
    mount(app, (*ROUTES, *health_routes(api)), shell, player_of, shell.metrics)
    media = shell.config.media_dir
    media.mkdir(parents=True, exist_ok=True)
    app.router.add_static("/media/", media, append_version=False)
    app.on_response_prepare.append(_cache_what_is_named_by_its_content)
    client = shell.config.client_dir
    if client is not None and (client / "index.html").is_file():
        app.router.add_get("/play", _to_client)
        app.router.add_get("/play/", _client_page)
        app.router.add_static("/play/", client)
    return app


async def _to_client(_: web.Request) -> web.Response:
    raise web.HTTPFound("/play/")


async def _client_page(request: web.Request) -> web.FileResponse:
    client = request.app[SHELL].config.client_dir
    assert client is not None
    return web.FileResponse(client / "index.html", headers={"Cache-Control": "no-cache"})


async def _cache_what_is_named_by_its_content(request: web.Request, response: web.StreamResponse) -> None:
    """Pictures and the client's code bear the hash of their content in their names, so they can be kept for ever."""
    if response.status != 200 or not request.path.startswith(("/media/", "/play/")):
        return
    response.headers["X-Content-Type-Options"] = "nosniff"
    if request.path.startswith(("/media/", "/play/assets/")):
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    elif request.path.startswith("/play/static/"):
        response.headers["Cache-Control"] = "public, max-age=86400"


def settle_memory() -> None:
    """After the start: what is loaded now stays, so the collector need not look at it again (p99 falls by two thirds)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 50)
