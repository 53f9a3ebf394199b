"""See it all at once: a sample test, simulated shoppers, the ranking moving, the verdict."""

import asyncio
import contextlib
import dataclasses
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from game.conclusions import VERDICT_WORDS, Verdict, shown_percent
from game.segments import Audience, Quota, Segment
from game.style_test import StyleTest, TestState
from rewards.days import day_of
from rewards.economy import Economy
from rewards.prizes import EVERYWHERE, week_of
from server.commands import BadInput, screen
from server.config import Config, ConfigRefused
from server.files.test_folder import DraftTest, FolderRefused, read_test_folder
from server.flows.fund_merchant import fund_merchant
from server.flows.house_merchant import house_merchant
from server.flows.import_test import import_test
from server.flows.launch_test import launch_test
from server.report.load import report_of
from server.report.render import write_reports
from server.running import api, configure_logging, database_of, migrated, run, working
from server.shoppers import Tally, crowd, read_world
from server.stores import farm, prizes, snapshots, tests
from server.stores.db import AsyncEngine, DatabaseAway, reading, transaction
from server.stores.snapshots import Snapshot

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "summer-dresses"
CLIENT = Path(__file__).resolve().parents[2] / "miniprogram" / "dist" / "build" / "h5"
SHOPPERS = 400
# Who plays by hand has told nothing of themselves, and is in no audience that asks for an age: the sample test takes them in
# without a share of its votes, and when it is decided the same styles stay open to everyone.
BY_HAND = Quota(Segment("其他玩家"))
STAYS_OPEN = "试玩：夏季连衣裙"
WEEKS_IN_STOCK, BOXES_A_WEEK = 8, 100


@click.command()
@click.option(
    "--port", type=click.IntRange(1, 65534), default=8080, show_default=True, help="Players here, consoles on the next."
)
@click.option("--once", is_flag=True, help="Run until the sample test is decided, write its report, and end.")
@click.option(
    "--shoppers", type=click.IntRange(0, 20_000), default=SHOPPERS, show_default=True, help="How many come to play."
)
@click.option("--seed", type=int, default=None, help="Seed of the shoppers' tastes and luck.")
def command(port: int, once: bool, shoppers: int, seed: int | None) -> None:
    """See it all at once: a sample test, simulated shoppers, the ranking moving, the verdict."""
    try:
        config = Config.from_environment({**os.environ, "XUANKUAN_MODE": "demo"}, port=port, admin_port=port + 1)
        if config.client_dir is None and (CLIENT / "index.html").is_file():
            config = dataclasses.replace(config, client_dir=CLIENT)
    except ConfigRefused as refused:
        raise BadInput(str(refused)) from None
    configure_logging(level="error")
    with database_of(config) as settled, contextlib.suppress(KeyboardInterrupt):
        raise SystemExit(run(_demo(settled, once=once, shoppers=shoppers, seed=seed)))


async def _demo(config: Config, *, once: bool, shoppers: int, seed: int | None) -> int:
    out = screen()
    config = await migrated(config)
    async with api(config) as (shell, port), working(shell), _door(config):
        test = await _sample_test(shell.engine, config, economy=shell.economy, by_hand=not once)
        await _fruit_in_stock(shell.engine, economy=shell.economy)
        await shell.dealer.refresh()
        base_url = f"http://{config.host}:{port}"
        _say_where(out, config, base_url, once=once)
        seed = seed if seed is not None else int(datetime.now(UTC).timestamp())
        tally = Tally()
        stop = _stop_signal()
        playing = asyncio.create_task(
            crowd(base_url, read_world(SAMPLE), shoppers=shoppers, seed=seed, tally=tally, arrive_over_s=25.0),
            name="shoppers",
        )
        decided = await _watch(out, shell.engine, test, tally, playing, stop, once=once)
        if decided and not once and not stop.is_set():
            await _stay_open(shell.engine, config, economy=shell.economy)
            await shell.dealer.refresh()
            out.print("The test is decided. The game and the pages stay open; stop with Ctrl-C.")
            await stop.wait()
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
        if once and not stop.is_set():
            return await _finish(out, shell.engine, config, test)
    return 0


@contextlib.asynccontextmanager
async def _door(config: Config) -> AsyncIterator[None]:
    """The consoles, in a process of their own: the service does not know its door."""
    assert config.database_url
    environment = {
        **os.environ,
        "XUANKUAN_MODE": "demo",
        "DATABASE_URL": config.database_url,
        "XUANKUAN_DATA_DIR": str(config.data_dir),
    }
    door = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "admin", "--host", config.host, "--port", str(config.admin_port),
        env=environment, start_new_session=True,
    )  # fmt: skip
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            door.terminate()
        await door.wait()


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def _sample_test(engine: AsyncEngine, config: Config, *, economy: Economy, by_hand: bool) -> StyleTest:
    """The sample test that is open, from this start or a former one; a new one where there is none."""
    for known in await _open_tests(engine):
        if known.title != STAYS_OPEN:
            return known
    draft = await _draft()
    if by_hand:
        draft = dataclasses.replace(draft, audience=Audience((*draft.audience.quotas, BY_HAND)))
    return await _launched(engine, config, draft, economy=economy)


async def _stay_open(engine: AsyncEngine, config: Config, *, economy: Economy) -> None:
    """Keep the game playable after the verdict: the same styles, for everyone."""
    if not any(known.title == STAYS_OPEN for known in await _open_tests(engine)):
        draft = dataclasses.replace(
            await _draft(), title=STAYS_OPEN, title_en="Summer dresses, to try out", audience=Audience()
        )
        await _launched(engine, config, draft, economy=economy)


async def _open_tests(engine: AsyncEngine) -> list[StyleTest]:
    async with transaction(engine) as conn:
        merchant_id = await house_merchant(conn, now=datetime.now(UTC))
        known = await tests.of_merchant(conn, merchant_id, limit=50)
    return [test for test in known if test.state in (TestState.RUNNING, TestState.PAUSED)]


async def _draft() -> DraftTest:
    try:
        draft = await asyncio.to_thread(read_test_folder, SAMPLE, now=datetime.now(UTC))
    except FolderRefused as refused:
        raise BadInput(str(refused)) from None
    # Without a deadline nothing is paced: a crowd that has two minutes shall not be made to wait for Friday.
    return dataclasses.replace(draft, ends_at=None)


async def _launched(engine: AsyncEngine, config: Config, draft: DraftTest, *, economy: Economy) -> StyleTest:
    now = datetime.now(UTC)
    async with transaction(engine) as conn:
        merchant_id = await house_merchant(conn, now=now)
        test = await import_test(conn, draft, merchant_id=merchant_id, media_dir=config.media_dir, now=now)
        # As much again is left over: whoever sees the demo is invited to make a test of his own.
        await fund_merchant(
            conn, merchant_id=merchant_id, amount_fen=2 * test.budget_fen, payment_no=f"demo-{test.test_id}", now=now
        )
        running = await launch_test(conn, test.test_id, merchant_id=merchant_id, economy=economy, who="demo", now=now)
    assert running is not None
    return running


async def _fruit_in_stock(engine: AsyncEngine, *, economy: Economy) -> None:
    """Boxes of every fruit for the weeks to come, so that a harvest ends at a door; what is in stock already stays."""
    today = day_of(datetime.now(UTC))
    async with transaction(engine) as conn:
        known = {(one.variety, one.week) for one in await prizes.stock_from(conn, week_of(today))}
        for week in sorted({week_of(today + timedelta(days=7 * number)) for number in range(WEEKS_IN_STOCK)}):
            for variety in economy.varieties:
                if (variety.code, week) not in known:
                    await prizes.set_stock(conn, variety=variety.code, region=EVERYWHERE, week=week, boxes=BOXES_A_WEEK)


def _say_where(out: Console, config: Config, base_url: str, *, once: bool) -> None:
    admin_url = f"http://{config.host}:{config.admin_port}"
    if config.client_dir is not None:
        out.print(f"Play yourself      [bold]{base_url}/play/[/bold]")
    elif not once:
        out.print("The game is not built: it needs Node 20 or newer (make client); all else runs without it.")
    out.print(f"Merchant's page    [bold]{admin_url}/[/bold]  (login demo, password demo)")
    out.print(f"Operators' pages   [bold]{admin_url}/ops[/bold]  (login operator, password operator)")
    out.print(f"Players' API       {base_url}/openapi.json")
    out.print(f"Data folder        {config.data_dir}")
    sys.stdout.flush()


async def _watch(
    out: Console,
    engine: AsyncEngine,
    test: StyleTest,
    tally: Tally,
    playing: asyncio.Task[Tally],
    stop: asyncio.Event,
    *,
    once: bool,
) -> bool:
    """Show the ranking moving until the test is decided, the shoppers have gone home, or somebody stops it."""
    live = Live(console=out, refresh_per_second=4, transient=False) if out.is_terminal else None
    said = -1
    snapshot, state = None, TestState.RUNNING
    with live or contextlib.nullcontext():
        while not stop.is_set():
            # A database that is away for a moment comes back by itself; what is shown just stands still meanwhile.
            with contextlib.suppress(DatabaseAway):
                async with reading(engine) as conn:
                    snapshot = await snapshots.latest(conn, test.test_id)
                    state = (await tests.states(conn, [test.test_id]))[test.test_id]
            if live is not None:
                live.update(_picture(test, snapshot, tally, state))
            elif snapshot is not None and snapshot.votes // 500 > said:
                said = snapshot.votes // 500
                out.print(f"{snapshot.votes} votes, {snapshot.document['status']}")
            if state in (TestState.DECIDED, TestState.STOPPED):
                return True
            if playing.done() and (once or playing.exception()):
                return False
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 0.25)
    return False


def _picture(test: StyleTest, snapshot: Snapshot | None, tally: Tally, state: TestState) -> Group:
    head = Text(
        f"{test.title}  ·  {state.value}  ·  answers {tally.counted}, sent again {tally.repeated}, "
        f"lost in the lift {tally.lost_requests + tally.lost_replies}, refused {tally.refused}"
    )
    if snapshot is None or not snapshot.document["items"]:
        return Group(head, Text("waiting for the first votes …"))
    probability = snapshot.document["decision"]["probability"]
    bar = ProgressBar(total=1.0, completed=probability, width=60)
    return Group(
        head,
        Text(f"{snapshot.votes} votes · sure of the best {test.goal.keep} to {shown_percent(probability)}"),
        bar,
        verdict_table(snapshot),
    )


def verdict_table(snapshot: Snapshot) -> Table:
    """The ranking with its intervals, chances and verdicts, best first."""
    keep = snapshot.document["goal"]["keep"]
    table = Table(title="结论 Verdict", title_style="bold")
    for name, justify in (
        ("名次 rank", "right"),
        ("款式 style", "left"),
        ("强度 strength (95 %)", "left"),
        ("份额 share", "right"),
        (f"前 {keep} top", "right"),
        ("票 votes", "right"),
        ("结论 verdict", "left"),
    ):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for item in sorted(snapshot.document["items"], key=lambda item: item["rank"]):
        zh, en = VERDICT_WORDS[Verdict(item["verdict"])]
        table.add_row(
            str(item["rank"]),
            item["name"],
            f"{item['strength']:+.2f}  ({item['low']:+.2f} … {item['high']:+.2f})",
            f"{100 * item['share']:.1f}%",
            shown_percent(item["p_top"]),
            str(item["votes"]),
            f"{zh} {en}",
            style="bold" if item["verdict"] == Verdict.HIT else None,
        )
    return table


async def _finish(out: Console, engine: AsyncEngine, config: Config, test: StyleTest) -> int:
    """Print the verdict, write the report files; 0 if the test was decided, 1 if the votes did not suffice."""
    async with reading(engine) as conn:
        snapshot = await snapshots.latest(conn, test.test_id)
        ended = await tests.find(conn, test.test_id)
    assert ended is not None
    if snapshot is None:
        out.print("No votes came in; nothing can be said.")
        return 1
    out.print(verdict_table(snapshot))
    out.print(f"{snapshot.votes} votes of {snapshot.document['voters']} players; state: {ended.state.value}")
    async with reading(engine) as conn:
        report = await report_of(conn, ended, economy=await farm.current_economy(conn), now=datetime.now(UTC))
    written = await asyncio.to_thread(write_reports, report, config.data_dir, media_dir=config.media_dir)
    out.print(f"Report  {written[0].parent}{os.sep}  ({', '.join(path.name for path in written)})", soft_wrap=True)
    return 0 if ended.state is TestState.DECIDED else 1
