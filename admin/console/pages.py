"""The console's pages: made on the server, made alive by small modules of script."""

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import jinja2
import pydantic
from aiohttp import web

from admin.api.account import LAST
from admin.api.afterwards import get_hit_rate
from admin.api.tests import cursor_of, picture_warnings, read_cursor
from admin.flows.sign_in import sign_in
from admin.roles import May
from game.attributes import find_attribute
from game.conclusions import STATUS_WORDS, VERDICT_WORDS
from game.content import STATE_WORDS as STATE_WORDS_OF_CONTENT
from game.content import pieces_of, refused
from game.style_test import TestState
from rewards import ledger as books
from server.edge.problems import Problem
from server.edge.wire import REQUEST_ID, Call, Route, Wire, wants_english
from server.flows.check_list import check_list
from server.report.model import shown_attributes
from server.stores import billing, contents, ledger, sales, staff, tests
from server.stores.db import reading, transaction

CHINA = timezone(timedelta(hours=8), "Asia/Shanghai")
COOKIE = "xk_console"
_HERE = Path(__file__).parent
_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=jinja2.StrictUndefined,
    trim_blocks=True, lstrip_blocks=True,
)  # fmt: skip

STATE_WORDS = {
    "draft": ("草稿", "Draft"),
    "review": ("审核中", "In review"),
    "running": ("进行中", "Running"),
    "paused": ("已暂停", "Paused"),
    "decided": ("已有结论", "Decided"),
    "stopped": ("已停止", "Stopped"),
    "archived": ("已归档", "Archived"),
}


def yuan(fen: int) -> str:
    """Money as it is shown."""
    return f"{'-' if fen < 0 else ''}¥{abs(fen) / 100:,.2f}"


def local_time(at: datetime | str) -> str:
    """A moment as it is shown: China's time, to the minute."""
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    return moment.astimezone(CHINA).strftime("%Y-%m-%d %H:%M")


def yuan_plain(fen: int) -> str:
    """Money as a form's field holds it: to the fen, without what need not be typed."""
    whole, rest = divmod(fen, 100)
    return f"{whole}.{rest:02}" if rest else str(whole)


_TEMPLATES.filters["yuan"] = yuan
_TEMPLATES.filters["local_time"] = local_time
_TEMPLATES.filters["yuan_plain"] = yuan_plain


class SignInBody(Wire):
    """Login, password, and the six digits where a second factor is set up."""

    login: str = pydantic.Field(min_length=1, max_length=80)
    password: str = pydantic.Field(min_length=1, max_length=200)
    code: str = pydantic.Field(default="", max_length=6)


class SignInReply(pydantic.BaseModel):
    """Signed in: what pages send back with every form, and where this person's work begins."""

    csrf: str
    home: str


class SessionReply(pydantic.BaseModel):
    """Who is signed in, with the token that this session's forms send back."""

    login: str
    csrf: str
    home: str


def here(request: web.Request, path: str) -> str:
    """An address of this console in the language that was asked for."""
    lang = request.query.get("lang")
    return f"{path}?lang={'en' if lang.startswith('en') else 'zh'}" if lang else path


def home_of(merchant_id: UUID | None) -> str:
    """Where a person's work begins: a merchant's people see their tests, operators the programme."""
    return "/" if merchant_id else "/ops"


def render(call: Call, template: str, *, status: int = 200, **values: Any) -> web.Response:
    """A page in the language of the caller."""
    english = wants_english(call.request)

    def words(zh: str, en: str) -> str:
        return en if english else zh

    html = _TEMPLATES.get_template(template).render(
        t=words,
        lang="en" if english else "zh-CN",
        english=english,
        who=call.who,
        here=call.request.path,
        csrf=call.who.csrf if call.who else "",
        state_words={state: words(*pair) for state, pair in STATE_WORDS.items()},
        status_words={status_.value: words(*pair) for status_, pair in STATUS_WORDS.items()},
        verdict_words={verdict.value: words(*pair) for verdict, pair in VERDICT_WORDS.items()},
        **values,
    )
    return web.Response(text=html, content_type="text/html", status=status, headers={"Cache-Control": "no-store"})


def refusal_page(call: Call, problem: Problem) -> web.Response:
    """A refusal as a page: what is wrong, in words, and the way on."""
    sentence = problem.detail(english=wants_english(call.request))
    return render(
        call,
        "refused.html",
        status=problem.status,
        sentence=sentence,
        code=problem.code,
        again=problem.status in (429, 503),
    )


async def get_sign_in(call: Call) -> web.Response:
    """The way in."""
    return render(call, "sign_in.html", next=_inside(call.request.query.get("next", "/")))


def _inside(target: str) -> str:
    """A place of this console to go to, whatever the address says: never another site's."""
    parts = urlsplit(target)
    if parts.scheme or parts.netloc or not target.startswith("/") or target.startswith(("//", "/\\")):
        return "/"
    return target


async def post_sign_in(call: Call) -> web.Response:
    """Open a console session."""
    shell = call.shell
    signed_in = await sign_in(
        shell.engine,
        shell.vault,
        login=call.body.login.strip(),
        password=call.body.password,
        code=call.body.code,
        now=call.now,
        request_id=call.request[REQUEST_ID],
        agent=call.request.headers.get("User-Agent", ""),
    )
    response = web.json_response({"csrf": signed_in.csrf, "home": home_of(signed_in.merchant_id)})
    response.set_cookie(
        COOKIE,
        signed_in.cookie,
        httponly=True,
        samesite="Strict",
        secure=shell.config.mode == "production",
        max_age=int((signed_in.expires_at - call.now).total_seconds()),
        path="/",
    )
    return response


async def get_session(call: Call) -> dict[str, str]:
    """The present session's token, for a page that was open while its person signed in anew."""
    return {"login": call.who.name, "csrf": call.who.csrf, "home": home_of(call.who.merchant_id)}


async def post_sign_out(call: Call) -> web.Response:
    """End the console session."""
    if call.who.session_id is not None:
        async with transaction(call.shell.engine) as conn:
            await staff.revoke_session(conn, call.who.session_id, call.now)
    response = web.json_response({})
    response.del_cookie(COOKIE, path="/")
    return response


def _merchant(call: Call) -> UUID | None:
    merchant_id: UUID | None = call.who.merchant_id
    return merchant_id


async def get_home(call: Call) -> web.Response:
    """The merchant's tests, newest first. Operators have another beginning."""
    merchant_id = _merchant(call)
    if merchant_id is None:
        raise web.HTTPSeeOther(here(call.request, "/ops"))
    cursor = call.request.query.get("cursor")
    try:
        before = read_cursor(cursor) if cursor else None
    except Problem:
        before = None  # an old or broken address leads to the first page
    async with reading(call.shell.engine) as conn:
        own = await tests.of_merchant(conn, merchant_id, before=before, limit=PAGE + 1)
        balance_fen = await ledger.balance(conn, books.merchant(merchant_id))
    last = own[PAGE - 1] if len(own) > PAGE else None
    following = cursor_of(last.created_at, last.test_id) if last is not None and last.created_at else None
    return render(call, "tests.html", tests=own[:PAGE], balance_fen=balance_fen, next=following)


async def get_new(call: Call) -> web.Response:
    """The form of a new test."""
    return render(call, "new.html")


async def get_page(call: Call) -> web.Response:
    """One test: its check-list and quote as a draft, its ranking while it runs, its verdict when it has ended."""
    english = wants_english(call.request)
    try:
        test_id = call.path_uuid("test_id")
    except Problem:
        return render(call, "not_found.html", status=404)
    merchant_id = _merchant(call)
    if merchant_id is None:
        return render(call, "no_merchant.html", status=403)
    async with reading(call.shell.engine) as conn:
        test = await tests.find(conn, test_id, merchant_id=merchant_id)
        if test is None:
            return render(call, "not_found.html", status=404)
        is_draft, launched = test.state is TestState.DRAFT, test.launched_at is not None
        warnings = await picture_warnings(conn, test, english=english) if is_draft else {}
        looked = {} if launched else await contents.known_of_test(conn, test)
        sold = await sales.sales_of(conn, test.test_id) if launched else {}
        produced = await sales.produced_of(conn, test.test_id) if launched else set()
    refused_ = refused(pieces_of(test), looked)
    points = check_list(test, economy=call.shell.economy, now=call.now, refused=refused_) if is_draft else ()
    return render(
        call,
        "test.html",
        test=test,
        warnings=warnings,
        missing=[point.en if english else point.zh for point in points],
        shown=lambda style: shown_attributes(style.attribute_map, english),
        sold=sold,
        produced=produced,
        fabrics={level.code: level.en if english else level.zh for level in find_attribute("fabric").levels},
        content_words={
            piece.style_id: STATE_WORDS_OF_CONTENT[looked[piece.digest][0]][english]
            for piece in (pieces_of(test) if looked else ())
            if piece.digest in looked
        },
    )


async def get_billing_page(call: Call) -> web.Response:
    """What was paid, for what, and what came back."""
    merchant_id = _merchant(call)
    if merchant_id is None:
        return render(call, "no_merchant.html", status=403)
    async with reading(call.shell.engine) as conn:
        balance_fen = await ledger.balance(conn, books.merchant(merchant_id))
        bills = await billing.bills(conn, merchant_id, before=LAST, limit=200)
    return render(call, "billing.html", balance_fen=balance_fen, bills=bills)


async def get_afterwards_page(call: Call) -> web.Response:
    """How right the tests were."""
    if _merchant(call) is None:
        return render(call, "no_merchant.html", status=403)
    return render(call, "afterwards.html", seen=await get_hit_rate(call))


async def get_settings(call: Call) -> web.Response:
    """Keys and webhooks."""
    if _merchant(call) is None:
        return render(call, "no_merchant.html", status=403)
    return render(call, "settings.html")


PAGE = 24
OWN = May.OWN_TESTS.value
ANYONE = May.ANYONE_SIGNED_IN.value

ROUTES: tuple[Route, ...] = (
    Route(method="GET", path="/sign-in", handler=get_sign_in, summary="Sign in", auth="none", media="text/html"),
    Route(method="POST", path="/sign-in", handler=post_sign_in, summary="Sign in", auth="none", body=SignInBody,
          reply=SignInReply, problems=(401, 413, 415, 422, 429, 503)),
    Route(method="GET", path="/session", handler=get_session, summary="The present session", auth=ANYONE,
          reply=SessionReply, problems=(401, 403, 503)),
    Route(method="POST", path="/sign-out", handler=post_sign_out, summary="Sign out", auth=ANYONE, problems=(401, 403, 503)),
    Route(method="GET", path="/", handler=get_home, summary="Tests", auth=ANYONE, media="text/html"),
    Route(method="GET", path="/tests/new", handler=get_new, summary="New test", auth=OWN, media="text/html"),
    Route(method="GET", path="/billing", handler=get_billing_page, summary="Billing", auth=OWN, media="text/html"),
    Route(method="GET", path="/afterwards", handler=get_afterwards_page, summary="Hit rate", auth=OWN, media="text/html"),
    Route(method="GET", path="/settings", handler=get_settings, summary="API and webhooks", auth=OWN, media="text/html"),
    Route(method="GET", path="/tests/{test_id}", handler=get_page, summary="Test", auth=OWN, media="text/html"),
)  # fmt: skip
