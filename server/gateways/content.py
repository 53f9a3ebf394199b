"""Content checks of the platforms, behind one question: may players see this picture with these words?"""

import asyncio
from collections.abc import Awaitable, Callable

from server.config import Config
from server.gateways import ContentVerdict
from server.gateways.alipay import Alipay
from server.gateways.wechat import Wechat
from server.media import as_jpeg

Look = Callable[[str, str | None], Awaitable[list[ContentVerdict]]]
"""(words, key of a stored picture or None) -> what one platform says of each. Raises GatewayError."""


def looks_of(config: Config, alipay: Alipay | None, wechat: Wechat | None) -> list[Look]:
    """The looks of every platform that is set up.

    Alipay judges words, and pictures by their public address (`XUANKUAN_PUBLIC_URL`). WeChat judges pictures by their
    bytes (JPEG, at most 750 x 1334); words it judges only of a player who is there, so those of a merchant go to Alipay
    or to a person.
    """
    looks: list[Look] = []
    if alipay is not None:

        async def by_alipay(words: str, picture: str | None) -> list[ContentVerdict]:
            said = [await alipay.check_text(words)]
            if picture is not None:
                url = f"{config.public_url.rstrip('/')}/media/{picture}-large.webp"
                said.append(await alipay.check_picture(url, request_id=picture[:32]))
            return said

        looks.append(by_alipay)
    if wechat is not None:

        async def by_wechat(words: str, picture: str | None) -> list[ContentVerdict]:
            said = []
            if picture is not None:
                data = await asyncio.to_thread(as_jpeg, config.media_dir, picture)
                said.append(await wechat.check_picture(data))
            if alipay is None:
                said.append(ContentVerdict("review", ("words_not_checked",), ""))
            return said

        looks.append(by_wechat)
    return looks
