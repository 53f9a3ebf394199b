"""Laws of the platform gateways, held against local servers that speak the documented wire format over real sockets."""

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from server.gateways import (
    ContentUnreadable,
    GatewayError,
    LoginCodeRefused,
    PlatformAnswerUnreadable,
    PlatformBusy,
    PlatformQuotaUsed,
    PlatformSetUpWrong,
    PlatformSignatureWrong,
    PlatformUnreachable,
    UserBlockedByPlatform,
    UserNotRecentlySeen,
)
from server.gateways import alipay as alipay_gateway
from server.gateways import wechat as wechat_gateway
from server.gateways.alipay import Alipay, is_signed, read_private_key, read_public_key, sign, text_to_sign
from server.gateways.stand_ins import DOUBTFUL_WORD, RISKY_WORD, AlipayStandIn, WechatStandIn
from server.gateways.wechat import MAX_PICTURE_BYTES, MAX_TEXT_CHARS, Wechat

OUR_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
THEIR_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def private_text(key, form=serialization.PrivateFormat.PKCS8):
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def public_text(key):
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


@pytest.fixture
async def http():
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def wechat_server():
    stand_in = WechatStandIn(app_id="wx-app", secret="the-secret", push_token="push")
    async with TestServer(stand_in.app) as server:
        stand_in.address = str(server.make_url("")).rstrip("/")
        yield stand_in


@pytest.fixture
async def alipay_server():
    stand_in = AlipayStandIn(
        app_id="2021000000000001", app_public_key=public_text(OUR_KEY), private_key=private_text(THEIR_KEY)
    )
    async with TestServer(stand_in.app) as server:
        stand_in.address = str(server.make_url("/gateway.do"))
        yield stand_in


def a_wechat(http, stand_in, **changes):
    given = {"app_id": "wx-app", "secret": "the-secret", "push_token": "push", "address": stand_in.address}
    return Wechat(http, **{**given, **changes})


def an_alipay(http, stand_in, **changes):
    given = {
        "app_id": "2021000000000001",
        "private_key": private_text(OUR_KEY),
        "alipay_public_key": public_text(THEIR_KEY),
        "address": stand_in.address,
    }
    return Alipay(http, **{**given, **changes})


# --- WeChat


async def test_a_wechat_code_becomes_its_user_once(http, wechat_server):
    wechat_server.users["code-1"] = "o-lin"
    wechat = a_wechat(http, wechat_server)
    user = await wechat.exchange_code("code-1")
    assert (user.platform, user.open_id, user.union_id) == ("wechat", "o-lin", "u-o-lin")
    with pytest.raises(LoginCodeRefused):
        await wechat.exchange_code("code-1")


async def test_the_session_key_is_not_printed(http, wechat_server):
    wechat_server.users["code-1"] = "o-lin"
    user = await a_wechat(http, wechat_server).exchange_code("code-1")
    assert user.session_key
    assert user.session_key not in repr(user)


async def test_a_user_whom_wechat_stops_is_told_apart_from_a_wrong_code(http, wechat_server):
    wechat_server.blocked.add("code-2")
    with pytest.raises(UserBlockedByPlatform):
        await a_wechat(http, wechat_server).exchange_code("code-2")


@pytest.mark.parametrize("changes", [{"secret": "wrong"}, {"app_id": "wx-other"}])
async def test_a_wrong_set_up_is_the_operators_matter(http, wechat_server, changes):
    with pytest.raises(PlatformSetUpWrong):
        await a_wechat(http, wechat_server, **changes).exchange_code("code")


@pytest.mark.parametrize("errcode", sorted(wechat_gateway.MEANINGS))
async def test_every_documented_wechat_code_has_its_class_and_words_in_both_languages(http, wechat_server, errcode):
    wechat_server.next_errors["/sns/jscode2session"] = [errcode]
    meaning = wechat_gateway.MEANINGS[errcode]
    with pytest.raises(GatewayError) as caught:
        await a_wechat(http, wechat_server).exchange_code("code")
    assert type(caught.value) is meaning.error
    assert caught.value.platform_code == str(errcode)
    assert caught.value.params["words_zh"] == meaning.zh
    assert "{" not in str(caught.value)


async def test_an_undocumented_wechat_code_is_said_as_it_came(http, wechat_server):
    wechat_server.next_errors["/sns/jscode2session"] = [123456]
    with pytest.raises(PlatformAnswerUnreadable, match="123456"):
        await a_wechat(http, wechat_server).exchange_code("code")


async def test_what_can_be_waited_for_says_how_long(http, wechat_server):
    for errcode, error in ((-1, PlatformBusy), (45011, PlatformQuotaUsed)):
        wechat_server.next_errors["/sns/jscode2session"] = [errcode]
        with pytest.raises(error) as caught:
            await a_wechat(http, wechat_server).exchange_code("code")
        assert caught.value.retry_after_s > 0
    assert LoginCodeRefused.retry_after_s is None


@pytest.mark.parametrize(
    ("text", "suggestion", "labels"),
    [("好看的裙子", "pass", ()), (RISKY_WORD, "block", ("crime",)), (DOUBTFUL_WORD, "review", ("advertising",))],
)
async def test_a_text_passes_is_stopped_or_goes_to_a_person(http, wechat_server, text, suggestion, labels):
    verdict = await a_wechat(http, wechat_server).check_text(text, open_id="o-lin", scene="comment")
    assert (verdict.suggestion, verdict.labels) == (suggestion, labels)


async def test_characters_are_counted_as_characters(http, wechat_server):
    wechat = a_wechat(http, wechat_server)
    assert (await wechat.check_text("裙" * MAX_TEXT_CHARS, open_id="o", scene="profile")).suggestion == "pass"
    with pytest.raises(ContentUnreadable):
        await wechat.check_text("裙" * (MAX_TEXT_CHARS + 1), open_id="o", scene="profile")
    with pytest.raises(ContentUnreadable):
        await wechat.check_text("  ", open_id="o", scene="profile")


async def test_a_user_away_for_two_hours_cannot_be_asked_about(http, wechat_server):
    wechat_server.away.add("o-lin")
    wechat = a_wechat(http, wechat_server)
    with pytest.raises(UserNotRecentlySeen):
        await wechat.check_text("裙子", open_id="o-lin", scene="comment")
    with pytest.raises(UserNotRecentlySeen):
        await wechat.risk_rank(open_id="o-lin", client_ip="203.0.113.9")


async def test_a_picture_is_judged_at_once(http, wechat_server):
    wechat = a_wechat(http, wechat_server)
    assert (await wechat.check_picture(b"\xff\xd8 a dress")).suggestion == "pass"
    assert (await wechat.check_picture(b"\xff\xd8 risky")).suggestion == "block"
    for picture in (b"", b"x" * (MAX_PICTURE_BYTES + 1)):
        with pytest.raises(ContentUnreadable):
            await wechat.check_picture(picture)


async def test_a_large_picture_is_handed_in_and_its_verdict_comes_by_push(http, wechat_server):
    wechat = a_wechat(http, wechat_server)
    trace_id = await wechat.check_media_later("https://cdn.example/p.webp", open_id="o-lin", scene="social")
    body, signed = wechat_server.pushed(wechat_server.verdict_on(trace_id, suggest="risky", label=20002))
    event = wechat.read_media_event(body, **signed)
    assert event.trace_id == trace_id
    assert (event.verdict.suggestion, event.verdict.labels) == ("block", ("pornography",))


async def test_a_push_without_the_right_signature_is_not_even_read(http, wechat_server):
    wechat = a_wechat(http, wechat_server)
    body, signed = wechat_server.pushed(wechat_server.verdict_on("trace"))
    for wrong in ({"signature": "0" * 40}, {"nonce": "43"}, {"timestamp": "1"}, {"signature": "签名"}):
        with pytest.raises(PlatformSignatureWrong):
            wechat.read_media_event(b"not even json", **{**signed, **wrong})
    assert wechat.read_media_event(body, **signed).verdict.suggestion == "pass"
    assert wechat.greet(**signed, echo="hello") == "hello"


async def test_a_push_about_something_else_or_another_app_is_no_verdict(http, wechat_server):
    wechat = a_wechat(http, wechat_server)
    for message in ({"Event": "subscribe"}, {**wechat_server.verdict_on("t"), "appid": "wx-other"}):
        body, signed = wechat_server.pushed(message)
        assert wechat.read_media_event(body, **signed) is None


async def test_a_picture_that_wechat_could_not_fetch_has_no_verdict(http, wechat_server):
    body, signed = wechat_server.pushed(wechat_server.verdict_on("t", errcode=-1008))
    with pytest.raises(ContentUnreadable):
        a_wechat(http, wechat_server).read_media_event(body, **signed)


async def test_an_unknown_suggestion_never_passes(http, wechat_server):
    body, signed = wechat_server.pushed(wechat_server.verdict_on("t", suggest="excellent"))
    with pytest.raises(PlatformAnswerUnreadable):
        a_wechat(http, wechat_server).read_media_event(body, **signed)


@pytest.mark.parametrize(("rank", "level"), [(0, "low"), (1, "low"), (2, "medium"), (3, "medium"), (4, "high")])
async def test_a_risk_rank_becomes_a_level(http, wechat_server, rank, level):
    wechat_server.risk_ranks["o-lin"] = rank
    verdict = await a_wechat(http, wechat_server).risk_rank(open_id="o-lin", client_ip="203.0.113.9")
    assert (verdict.rank, verdict.level) == (rank, level)


async def test_a_rank_off_the_scale_is_not_believed(http, wechat_server):
    wechat_server.risk_ranks["o-lin"] = 9
    with pytest.raises(PlatformAnswerUnreadable):
        await a_wechat(http, wechat_server).risk_rank(open_id="o-lin", client_ip="203.0.113.9")


async def test_twenty_callers_at_once_fetch_one_token(http, wechat_server):
    wechat = a_wechat(http, wechat_server)
    await asyncio.gather(*(wechat.check_text("裙子", open_id=f"o-{n}", scene="comment") for n in range(20)))
    assert wechat_server.calls["/cgi-bin/stable_token"] == 1


async def test_a_token_that_went_stale_is_renewed_once_and_the_call_succeeds(http, wechat_server):
    wechat = a_wechat(http, wechat_server)
    await wechat.check_text("裙子", open_id="o", scene="comment")
    wechat_server.token_is_stale = True  # as when another process has renewed it
    assert (await wechat.check_text("裙子", open_id="o", scene="comment")).suggestion == "pass"
    assert wechat_server.calls["/cgi-bin/stable_token"] == 2


async def test_a_token_that_stays_stale_is_not_asked_for_for_ever(http, wechat_server):
    wechat_server.next_errors["/wxa/msg_sec_check"] = [40001, 42001, 40001]
    with pytest.raises(PlatformSetUpWrong):
        await a_wechat(http, wechat_server).check_text("裙子", open_id="o", scene="comment")
    assert wechat_server.calls["/wxa/msg_sec_check"] == 2


async def test_a_token_is_renewed_before_it_expires(http, wechat_server):
    clock = [1000.0]
    wechat = a_wechat(http, wechat_server, monotonic=lambda: clock[0])
    await wechat.check_text("裙子", open_id="o", scene="comment")
    clock[0] += 7200 * 0.89
    await wechat.check_text("裙子", open_id="o", scene="comment")
    assert wechat_server.calls["/cgi-bin/stable_token"] == 1
    clock[0] += 7200 * 0.02
    await wechat.check_text("裙子", open_id="o", scene="comment")
    assert wechat_server.calls["/cgi-bin/stable_token"] == 2


@pytest.mark.parametrize("gateway", ["wechat", "alipay"])
async def test_a_platform_that_is_away_is_named_and_no_secret_is_said(http, wechat_server, alipay_server, gateway):
    nobody = "http://127.0.0.1:9"
    line = (
        a_wechat(http, wechat_server, address=nobody)
        if gateway == "wechat"
        else an_alipay(http, alipay_server, address=nobody)
    )
    with pytest.raises(PlatformUnreachable) as caught:
        await line.exchange_code("code")
    assert "the-secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.retry_after_s > 0


@pytest.mark.parametrize("gateway", ["wechat", "alipay"])
async def test_a_platform_that_hangs_is_given_up(http, gateway):
    async def hang(reader, writer):
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    stand_in = type("Hanging", (), {"address": address})
    line = (a_wechat if gateway == "wechat" else an_alipay)(http, stand_in, timeout_s=0.05)
    with pytest.raises(PlatformUnreachable, match=r"0\.05"):
        await line.exchange_code("code")
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("gateway", ["wechat", "alipay"])
@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (502, "<html>bad gateway</html>", PlatformBusy),
        (200, "<html>please log in to this hotel</html>", PlatformAnswerUnreadable),
        (200, "[]", PlatformAnswerUnreadable),
        (200, '{"hello": 1}', PlatformAnswerUnreadable),
        (200, "", PlatformAnswerUnreadable),
    ],
)
async def test_an_answer_from_something_else_is_never_believed(http, gateway, status, body, error):
    async def answer(_request):
        return aiohttp.web.Response(status=status, text=body)

    app = aiohttp.web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        stand_in = type("Foreign", (), {"address": str(server.make_url("")).rstrip("/")})
        line = (a_wechat if gateway == "wechat" else an_alipay)(http, stand_in)
        with pytest.raises(error):
            await line.exchange_code("code")


# --- Alipay


@pytest.mark.parametrize("tells_user_id", [False, True])
async def test_an_alipay_code_becomes_its_user_once(http, alipay_server, tells_user_id):
    alipay_server.users["auth-1"] = "074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5lsNpazWYoCo5"
    alipay_server.tells_user_id = tells_user_id
    alipay = an_alipay(http, alipay_server)
    assert (await alipay.exchange_code("auth-1")).open_id.startswith("074a1")
    with pytest.raises(LoginCodeRefused):
        await alipay.exchange_code("auth-1")


async def test_an_answer_with_one_byte_changed_is_not_believed(http, alipay_server):
    alipay_server.users["auth-1"] = "user"
    alipay_server.forge_next = True
    with pytest.raises(PlatformSignatureWrong):
        await an_alipay(http, alipay_server).exchange_code("auth-1")


async def test_an_answer_signed_by_another_key_is_not_believed(http, alipay_server):
    alipay_server.users["auth-1"] = "user"
    with pytest.raises(PlatformSignatureWrong):
        await an_alipay(http, alipay_server, alipay_public_key=public_text(OUR_KEY)).exchange_code("auth-1")


async def test_a_document_that_names_its_node_twice_is_believed_only_where_it_is_signed(http):
    genuine = json.dumps({"open_id": "honest"})
    forged = json.dumps({"open_id": "mallory"})
    name = "alipay_system_oauth_token_response"
    body = f'{{"{name}":{genuine},"{name}":{forged},"sign":"{sign(genuine, THEIR_KEY)}"}}'

    async def answer(_request):
        return aiohttp.web.Response(text=body)

    app = aiohttp.web.Application()
    app.router.add_post("/", answer)
    async with TestServer(app) as server:
        stand_in = type("Doubled", (), {"address": str(server.make_url("/"))})
        assert (await an_alipay(http, stand_in).exchange_code("code")).open_id == "honest"


async def test_a_request_signed_with_the_wrong_key_is_the_operators_matter(http, alipay_server):
    with pytest.raises(PlatformSetUpWrong, match="private key"):
        await an_alipay(http, alipay_server, private_key=private_text(THEIR_KEY)).exchange_code("code")
    with pytest.raises(PlatformSetUpWrong, match="app id"):
        await an_alipay(http, alipay_server, app_id="2021").exchange_code("code")


async def test_a_wrong_clock_is_named(http, alipay_server):
    a_day_off = datetime.now(UTC) + timedelta(days=1)
    with pytest.raises(PlatformSetUpWrong, match="clock"):
        await an_alipay(http, alipay_server, now=lambda: a_day_off).exchange_code("code")


@pytest.mark.parametrize("code", sorted(alipay_gateway.MEANINGS))
async def test_every_documented_alipay_code_has_its_class_and_words(http, alipay_server, code):
    gateway_code, sub_code = (code, "") if code.isdigit() else ("40004", code)
    alipay_server.next_errors.append((gateway_code, sub_code))
    with pytest.raises(GatewayError) as caught:
        await an_alipay(http, alipay_server).check_text("裙子")
    assert type(caught.value) is alipay_gateway.MEANINGS[code].error
    assert caught.value.platform_code == code
    assert "{" not in str(caught.value)


async def test_an_unknown_sub_code_falls_back_to_its_gateway_code(http, alipay_server):
    alipay_server.next_errors.append(("20000", "isp.something-new"))
    with pytest.raises(PlatformBusy) as caught:
        await an_alipay(http, alipay_server).check_text("裙子")
    assert caught.value.platform_code == "isp.something-new"


@pytest.mark.parametrize(
    ("text", "suggestion", "labels"),
    [('好看的 <裙子> & "q" / 100%', "pass", ()), (RISKY_WORD, "block", (RISKY_WORD,)), (DOUBTFUL_WORD, "review", ())],
)
async def test_alipay_judges_a_text(http, alipay_server, text, suggestion, labels):
    verdict = await an_alipay(http, alipay_server).check_text(text)
    assert (verdict.suggestion, verdict.labels) == (suggestion, labels)


async def test_alipay_judges_a_picture_at_its_address(http, alipay_server):
    alipay = an_alipay(http, alipay_server)
    assert (await alipay.check_picture("https://cdn.example/a.webp", request_id="r1")).suggestion == "pass"
    verdict = await alipay.check_picture("https://cdn.example/risky.webp", request_id="r2")
    assert (verdict.suggestion, verdict.labels, verdict.trace_id) == ("block", ("TJ_PORN_MC",), "r2")


@pytest.mark.parametrize(("rank", "level"), [(0, "unknown"), (1, "low"), (2, "medium"), (3, "high")])
async def test_alipay_says_how_likely_a_user_farms(http, alipay_server, rank, level):
    alipay_server.farming_ranks["user"] = rank
    verdict = await an_alipay(http, alipay_server).farming_risk(open_id="user", client_ip="203.0.113.9")
    assert (verdict.rank, verdict.level) == (rank, level)


async def test_an_app_from_before_open_id_asks_by_user_id(http, alipay_server):
    """The id that such an app's log-in tells is of another kind, and is handed on as that kind."""
    alipay_server.tells_user_id = True
    alipay_server.users["code"] = "2088102150477652"
    alipay_server.farming_ranks["2088102150477652"] = 3
    alipay = an_alipay(http, alipay_server)
    user = await alipay.exchange_code("code")
    verdict = await alipay.farming_risk(open_id=user.open_id, client_ip="203.0.113.9")
    assert verdict.level == "high"


async def test_a_notice_is_read_only_if_alipay_signed_it(http, alipay_server):
    alipay = an_alipay(http, alipay_server)
    notice = alipay_server.notice({"notify_type": "open_app_auth_notify", "app_id": "2021", "empty": ""})
    assert alipay.read_notice(notice) == {"notify_type": "open_app_auth_notify", "app_id": "2021", "empty": ""}
    for forged in ({**notice, "app_id": "2022"}, {**notice, "sign": ""}, {**notice, "sign": "%%%"}):
        with pytest.raises(PlatformSignatureWrong):
            alipay.read_notice(forged)


def test_the_text_to_sign_is_sorted_and_leaves_out_what_is_empty():
    params = {"b": "2", "a": "1&x=y", "sign": "s", "empty": "", "sign_type": "RSA2"}
    assert text_to_sign(params) == "a=1&x=y&b=2&sign_type=RSA2"
    assert text_to_sign(params, without=("sign", "sign_type")) == "a=1&x=y&b=2"


def test_a_signature_holds_for_its_text_alone():
    signature = sign("a=1&名=裙", OUR_KEY)
    assert is_signed("a=1&名=裙", signature, OUR_KEY.public_key())
    assert not is_signed("a=1&名=裤", signature, OUR_KEY.public_key())
    assert not is_signed("a=1&名=裙", signature[:-4], OUR_KEY.public_key())
    assert not is_signed("a=1&名=裙", "不是", OUR_KEY.public_key())


@pytest.mark.parametrize("form", [serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL])
@pytest.mark.parametrize("bare", [False, True])
def test_a_key_is_read_in_each_form_that_the_vendors_tool_writes(form, bare):
    text = private_text(OUR_KEY, form)
    if bare:
        text = "".join(text.splitlines()[1:-1])
    assert read_private_key(text).private_numbers() == OUR_KEY.private_numbers()


def test_what_is_not_an_rsa_key_is_refused():
    assert read_public_key("".join(public_text(OUR_KEY).splitlines()[1:-1])).key_size == 2048
    for text in ("", "hello", base64.b64encode(b"\x00" * 300).decode()):
        with pytest.raises(ValueError, match="key"):
            read_private_key(text)
        with pytest.raises(ValueError, match="key"):
            read_public_key(text)
