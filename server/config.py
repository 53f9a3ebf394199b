"""What the service needs to know of its surroundings, read from the environment once at the start."""

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Mode = Literal["demo", "development", "production"]
ContentReview = Literal["automatic", "people", "platform"]

# Public on purpose: they let a demo start with nothing prepared. Any other mode refuses them.
SAMPLE_TICKET_KEY = "sample-ticket-key-for-demo-only"
SAMPLE_TOKEN_KEY = "sample-token-key-for-demo-only"  # noqa: S105 - a sample, refused outside demo
SAMPLE_VAULT_KEY = "sample-vault-key-for-demo-only"
_SAMPLES = {SAMPLE_TICKET_KEY, SAMPLE_TOKEN_KEY, SAMPLE_VAULT_KEY}
MIN_KEY_CHARS = 32


class ConfigRefused(Exception):
    """The configuration cannot be used; the sentence says which variable to set to what."""


@dataclass(frozen=True, slots=True)
class Config:
    """The configuration of one process.

    Keys are given as `number:secret` pairs separated by spaces, newest greatest (`XUANKUAN_TICKET_KEYS="1:… 2:…"`), so
    that one can be rotated while what the former signed is still about.
    """

    mode: Mode = "development"
    data_dir: Path = Path("data")
    database_url: str | None = None
    embedded: bool = False  # whether it is the one that comes with the package
    redis_url: str | None = None
    host: str = "127.0.0.1"
    port: int = 8080
    admin_port: int = 8081
    # Health and metrics of the worker; 0 for none.
    worker_port: int = 0
    public_url: str = ""
    ticket_keys: Mapping[int, bytes] = field(default_factory=dict, repr=False)
    token_keys: Mapping[int, bytes] = field(default_factory=dict, repr=False)
    vault_keys: Mapping[int, bytes] = field(default_factory=dict, repr=False)
    # The number of the key that seals; 0 for the greatest.
    vault_key_in_use: int = 0
    guests: bool = False
    client_dir: Path | None = None
    ticket_ttl_s: int = 1800
    desk_batch: int = 2000
    desk: bool = True
    # What one person may move alone; above it takes two. Not a figure of the economy: who moves money must not raise it.
    four_eyes_above_fen: int = 500_000
    alipay_app_id: str = ""
    alipay_private_key: str = field(default="", repr=False)
    alipay_public_key: str = field(default="", repr=False)
    wechat_app_id: str = ""
    wechat_secret: str = field(default="", repr=False)
    gateway_urls: Mapping[str, str] = field(default_factory=dict)
    # Whose X-Forwarded-For is believed; without them the caller is whoever opened the connection.
    proxies: tuple[Network, ...] = ()
    # Who looks at what merchants show: nobody (a demo), people, or the platforms first and people where these doubt.
    content_review: ContentReview = "people"

    @property
    def media_dir(self) -> Path:
        return self.data_dir / "media"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None, **overrides: object) -> "Config":
        """Read the configuration; raises ConfigRefused with one sentence where something is missing or a sample."""
        env = os.environ if environ is None else environ
        mode = str(overrides.get("mode") or env.get("XUANKUAN_MODE", "development"))
        if mode not in ("demo", "development", "production"):
            raise ConfigRefused(f'XUANKUAN_MODE is "{mode}"; set it to demo, development or production.')
        demo = mode == "demo"
        values: dict[str, object] = {
            "mode": mode,
            "data_dir": Path(env.get("XUANKUAN_DATA_DIR", "data")).absolute(),
            "database_url": env.get("DATABASE_URL") or None,
            "redis_url": env.get("REDIS_URL") or None,
            "host": env.get("XUANKUAN_HOST", "127.0.0.1"),
            "port": _whole(env, "XUANKUAN_PORT", 8080),
            "admin_port": _whole(env, "XUANKUAN_ADMIN_PORT", 8081),
            "worker_port": _whole(env, "XUANKUAN_WORKER_PORT", 0),
            "public_url": env.get("XUANKUAN_PUBLIC_URL", ""),
            "ticket_keys": _keys(env, "XUANKUAN_TICKET_KEYS", SAMPLE_TICKET_KEY, demo=demo),
            "token_keys": _keys(env, "XUANKUAN_TOKEN_KEYS", SAMPLE_TOKEN_KEY, demo=demo),
            "vault_keys": _keys(env, "XUANKUAN_VAULT_KEYS", SAMPLE_VAULT_KEY, demo=demo),
            "vault_key_in_use": _whole(env, "XUANKUAN_VAULT_KEY_IN_USE", 0),
            "guests": env.get("XUANKUAN_GUESTS", "1" if demo else "0") == "1",
            "ticket_ttl_s": _whole(env, "XUANKUAN_TICKET_TTL_S", 1800),
            "client_dir": Path(env["XUANKUAN_CLIENT_DIR"]) if env.get("XUANKUAN_CLIENT_DIR") else None,
            "four_eyes_above_fen": _whole(env, "XUANKUAN_FOUR_EYES_ABOVE_FEN", 500_000),
            "desk": env.get("XUANKUAN_DESK", "1") == "1",
            "alipay_app_id": env.get("ALIPAY_APP_ID", ""),
            "alipay_private_key": env.get("ALIPAY_PRIVATE_KEY", ""),
            "alipay_public_key": env.get("ALIPAY_PUBLIC_KEY", ""),
            "wechat_app_id": env.get("WECHAT_APP_ID", ""),
            "wechat_secret": env.get("WECHAT_SECRET", ""),
            "gateway_urls": {
                name: env[key]
                for name, key in (("alipay", "ALIPAY_GATEWAY_URL"), ("wechat", "WECHAT_GATEWAY_URL"))
                if env.get(key)
            },
            "proxies": _networks(env, "XUANKUAN_PROXIES"),
            "content_review": _content_review(env, demo=demo),
        }
        values.update({name: value for name, value in overrides.items() if value is not None})
        config = cls(**values)  # type: ignore[arg-type]
        if config.vault_key_in_use and config.vault_key_in_use not in config.vault_keys:
            raise ConfigRefused(
                f"XUANKUAN_VAULT_KEY_IN_USE is {config.vault_key_in_use}, and XUANKUAN_VAULT_KEYS has no such key."
            )
        return config


def _content_review(env: Mapping[str, str], *, demo: bool) -> str:
    asks = bool(env.get("ALIPAY_APP_ID") or env.get("WECHAT_APP_ID"))
    value = env.get("XUANKUAN_CONTENT_REVIEW") or ("automatic" if demo else "platform" if asks else "people")
    if value not in ("automatic", "people", "platform"):
        raise ConfigRefused(f'XUANKUAN_CONTENT_REVIEW is "{value}"; set it to automatic, people or platform.')
    if value == "platform" and not asks:
        raise ConfigRefused("XUANKUAN_CONTENT_REVIEW is platform, but neither ALIPAY_APP_ID nor WECHAT_APP_ID is set.")
    if value == "automatic" and env.get("XUANKUAN_MODE") == "production":
        raise ConfigRefused("XUANKUAN_CONTENT_REVIEW is automatic; in production it is people or platform.")
    return value


def _whole(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name, str(default))
    try:
        value = int(text)
    except ValueError:
        raise ConfigRefused(f'{name} is "{text}"; set it to a whole number.') from None
    if not 0 <= value <= 10_000_000:
        raise ConfigRefused(f"{name} is {value}, which is out of range.")
    return value


def _networks(env: Mapping[str, str], name: str) -> tuple[Network, ...]:
    found = []
    for part in env.get(name, "").replace(",", " ").split():
        try:
            found.append(ipaddress.ip_network(part, strict=False))
        except ValueError:
            raise ConfigRefused(f'{name}: "{part}" is no address or network; set it as 10.0.0.0/8 192.0.2.7.') from None
    return tuple(found)


def _keys(env: Mapping[str, str], name: str, sample: str, *, demo: bool) -> dict[int, bytes]:
    text = env.get(name, f"1:{sample}" if demo else "")
    if not text.strip():
        raise ConfigRefused(f"{name} is not set; set it to 1:<at least {MIN_KEY_CHARS} random characters>.")
    keys = {}
    for part in text.split():
        number, _, secret = part.partition(":")
        if not number.isdigit() or not 0 < int(number) < 256 or not secret:
            raise ConfigRefused(f'{name}: "{number}" must be number:secret with a number from 1 to 255.')
        if not demo and secret in _SAMPLES:
            raise ConfigRefused(f"{name} holds the public sample key; make your own before you run outside demo.")
        if not demo and len(secret) < MIN_KEY_CHARS:
            raise ConfigRefused(f"{name}: key {number} is shorter than {MIN_KEY_CHARS} characters.")
        keys[int(number)] = secret.encode()
    return keys
