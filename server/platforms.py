"""The platforms that this service is set up for: their gateways as the few questions that the service asks."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import aiohttp

from server.config import Config, ConfigRefused
from server.flows.check_platform_risk import RiskCheck
from server.gateways import ContentVerdict, RiskVerdict
from server.gateways import alipay as alipay_gateway
from server.gateways import wechat as wechat_gateway
from server.gateways.alipay import Alipay
from server.gateways.wechat import Wechat

CodeExchange = Callable[[str], Awaitable[str]]
"""A log-in code -> the platform's id of the user. Raises GatewayError."""

TextCheck = Callable[[str, str], Awaitable[ContentVerdict]]
"""(a short text, the platform's id of the user who wrote it) -> what the platform thinks of it. Raises GatewayError."""


@dataclass(frozen=True, slots=True)
class Platforms:
    """By platform, what may be asked of it; a platform that is not configured is in none of these.

    `alipay` and `wechat` are the gateways themselves, for whoever asks more (checks of merchants' pictures and texts).
    """

    log_ins: dict[str, CodeExchange] = field(default_factory=dict)
    risk_checks: dict[str, RiskCheck] = field(default_factory=dict)
    text_checks: dict[str, TextCheck] = field(default_factory=dict)
    alipay: Alipay | None = None
    wechat: Wechat | None = None


def platforms_of(config: Config, http: aiohttp.ClientSession) -> Platforms:
    """The gateways that the configuration names, at the vendors' addresses or at those that it gives instead.

    Raises ConfigRefused where a platform is set up by half, or with a key that nobody can read: better at the start than
    at the first log-in.
    """
    alipay, wechat = _alipay(config, http), _wechat(config, http)
    found = Platforms(alipay=alipay, wechat=wechat)
    if alipay is not None:
        found.log_ins["alipay"] = _log_in(alipay)

        async def farming(open_id: str, client_ip: str) -> RiskVerdict:
            return await alipay.farming_risk(open_id=open_id, client_ip=client_ip)

        async def alipay_text(text: str, open_id: str) -> ContentVerdict:
            del open_id  # Alipay judges the text alone
            return await alipay.check_text(text)

        found.risk_checks["alipay"], found.text_checks["alipay"] = farming, alipay_text
    if wechat is not None:
        found.log_ins["wechat"] = _log_in(wechat)

        async def rank(open_id: str, client_ip: str) -> RiskVerdict:
            return await wechat.risk_rank(open_id=open_id, client_ip=client_ip)

        async def wechat_text(text: str, open_id: str) -> ContentVerdict:
            return await wechat.check_text(text, open_id=open_id, scene="profile")

        found.risk_checks["wechat"], found.text_checks["wechat"] = rank, wechat_text
    return found


def _log_in(gateway: Alipay | Wechat) -> CodeExchange:
    async def exchange(code: str) -> str:
        return (await gateway.exchange_code(code)).open_id

    return exchange


def _alipay(config: Config, http: aiohttp.ClientSession) -> Alipay | None:
    given = {
        "ALIPAY_APP_ID": config.alipay_app_id,
        "ALIPAY_PRIVATE_KEY": config.alipay_private_key,
        "ALIPAY_PUBLIC_KEY": config.alipay_public_key,
    }
    if not _whole("Alipay", given):
        return None
    for name, read in (
        ("ALIPAY_PRIVATE_KEY", alipay_gateway.read_private_key),
        ("ALIPAY_PUBLIC_KEY", alipay_gateway.read_public_key),
    ):
        try:
            read(given[name])
        except (ValueError, TypeError):
            whose = "your app's private key" if name == "ALIPAY_PRIVATE_KEY" else "Alipay's public key (not your own)"
            raise ConfigRefused(f"{name} cannot be read; set it to {whose}, as PEM or bare base64.") from None
    return Alipay(
        http,
        app_id=config.alipay_app_id,
        private_key=config.alipay_private_key,
        alipay_public_key=config.alipay_public_key,
        address=_address(config, "alipay", alipay_gateway.ADDRESS),
    )


def _wechat(config: Config, http: aiohttp.ClientSession) -> Wechat | None:
    if not _whole("WeChat", {"WECHAT_APP_ID": config.wechat_app_id, "WECHAT_SECRET": config.wechat_secret}):
        return None
    return Wechat(
        http,
        app_id=config.wechat_app_id,
        secret=config.wechat_secret,
        address=_address(config, "wechat", wechat_gateway.ADDRESS),
    )


def _whole(platform: str, given: Mapping[str, str]) -> bool:
    """Whether a platform is set up; raises ConfigRefused where it is by half."""
    absent = [name for name, value in given.items() if not value.strip()]
    if absent and len(absent) < len(given):
        raise ConfigRefused(
            f"{platform} is set up by half: set {' and '.join(absent)}, too, or none of {', '.join(given)}."
        )
    return not absent


def _address(config: Config, platform: str, otherwise: str) -> str:
    address = config.gateway_urls.get(platform, otherwise)
    if config.mode == "production" and not address.startswith("https://"):
        raise ConfigRefused(f"{platform.upper()}_GATEWAY_URL is {address}; in production it must be https.")
    return address
