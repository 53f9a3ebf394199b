"""Simulated shoppers: they play over HTTP exactly as a phone would, with tastes of their own and a weak network.

They know nothing but the public API and what they are shown. What they like comes from a small world file, so that it is
known what a test should find; the service never sees that file.
"""

import asyncio
import contextlib
import math
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

# What the band of a simulated shopper's age is, by the audience's name in the sample world.
_AGE_BANDS = {"18-29": ("18-24", "25-29"), "30-45": ("30-39",)}


@dataclass(frozen=True, slots=True)
class World:
    """What shoppers truly like: strength of each style's title by segment, in logits, and how they differ."""

    segments: dict[str, float]
    strength: dict[str, dict[str, float]]
    taste_sd: float = 0.5
    side: float = 0.08
    neither_below: float = -1.1


def read_world(folder: Path) -> World:
    """The world of a sample folder: `world.toml` beside its `test.toml`."""
    test = tomllib.loads((folder / "test.toml").read_text("utf-8"))
    world = tomllib.loads((folder / "world.toml").read_text("utf-8"))
    title_of = {style.get("name", style["title"]): style["title"] for style in test["styles"]}
    decoys = {style["title"]: world["decoy_strength"] for style in test["styles"] if style.get("decoy")}
    return World(
        segments=world["segments"],
        strength={
            segment: {title_of[name]: value for name, value in strengths.items()} | decoys
            for segment, strengths in world["strength"].items()
        },
        taste_sd=world["taste_sd"],
        side=world["side"],
        neither_below=world["neither_below"],
    )


@dataclass(slots=True)
class Tally:
    """What the crowd has done so far."""

    counted: int = 0
    repeated: int = 0
    refused: int = 0
    lost_requests: int = 0
    lost_replies: int = 0
    gone: int = 0
    refusals: dict[str, int] = field(default_factory=dict)


class Shopper:
    """One shopper with a phone: logs in, consents, plants a tree, plays rounds, feeds the tree."""

    def __init__(
        self, http: aiohttp.ClientSession, base_url: str, world: World, number: int, seed: int, tally: Tally
    ) -> None:
        self._http = http
        self._url = base_url
        self._world = world
        self._rng = np.random.default_rng([seed, number])
        self._number = number
        self._seed = seed
        self._tally = tally
        self._token = ""
        names = list(world.segments)
        shares = np.array([world.segments[name] for name in names])
        self._segment = names[int(self._rng.choice(len(names), p=shares / shares.sum()))]
        self._taste: dict[str, float] = {}
        self._outbox: list[dict[str, Any]] = []

    async def play(self, *, choices: int, hurry: float = 1.0) -> None:
        """Play up to `choices` choices; `hurry` divides the time that thinking takes (not the time that is reported)."""
        try:
            await self._log_in()
            await self._tend_tree()
            done = 0
            while done < choices:
                dealt = await self._call("POST", "/v1/rounds", {"size": 5})
                if dealt is None:
                    await asyncio.sleep(1.0 / hurry)
                    continue
                if not dealt["matchups"]:
                    if dealt.get("reason") in ("budget_exhausted", "paused"):
                        await asyncio.sleep(1.0 / hurry)
                        done += 1
                        continue
                    break
                for matchup in dealt["matchups"]:
                    await self._answer(matchup, hurry)
                    done += 1
            while self._outbox:
                await self._send()
            await self._tend_tree()
        finally:
            self._tally.gone += 1

    async def _log_in(self) -> None:
        while True:
            session = await self._call(
                "POST",
                "/v1/sessions",
                {
                    "platform": "guest",
                    "code": f"shopper-{self._seed}-{self._number}",
                    "device": f"phone-{self._number}",
                },
            )
            if session is not None:
                break
            await asyncio.sleep(0.5)
        self._token = session["token"]
        bands = next((bands for key, bands in _AGE_BANDS.items() if key in self._segment), ("25-29",))
        await self._call(
            "PATCH", "/v1/me", {"gender": "female", "age_band": bands[int(self._rng.integers(len(bands)))]}
        )

    async def _tend_tree(self) -> None:
        farm = await self._call("GET", "/v1/farm")
        if farm is None:
            return
        if farm["tree"] is None:
            await self._call("POST", "/v1/farm/trees", {"variety": "apple"})
        if not farm["today"]["claim"]["claimed"]:
            await self._call("POST", "/v1/farm/claims", {})
        farm = await self._call("GET", "/v1/farm")
        if farm is not None and farm["tree"] is not None:
            applications = farm["today"]["applications"]
            times = min(farm["available_g"] // applications["each_g"], applications["left"])
            if times > 0:
                await self._call("POST", "/v1/farm/applications", {"times": times})

    def _likes(self, title: str) -> float:
        if title not in self._taste:
            mean = self._world.strength[self._segment].get(title, 0.0)
            self._taste[title] = mean + self._world.taste_sd * float(self._rng.standard_normal())
        return self._taste[title]

    async def _answer(self, matchup: dict[str, Any], hurry: float) -> None:
        took_ms = int(1000 * math.exp(0.65 + 0.4 * float(self._rng.standard_normal())))
        await asyncio.sleep(took_ms / 1000 / hurry)
        left, right = self._likes(matchup["left"]["title"]), self._likes(matchup["right"]["title"])
        if max(left, right) < self._world.neither_below:
            choice = "neither"
        else:
            p_left = 1 / (1 + math.exp(-(left - right + self._world.side)))
            choice = "left" if self._rng.random() < p_left else "right"
        self._outbox.append({"ticket": matchup["ticket"], "choice": choice, "took_ms": took_ms})
        luck = self._rng.random()
        if luck < 0.03:
            self._tally.lost_requests += 1  # in the lift: the answer stays in the outbox
        elif luck < 0.05:
            # The answer arrives, its receipt does not; the phone cannot know and will send it again.
            self._tally.lost_replies += 1
            await self._call("POST", "/v1/answers", {"answers": self._outbox}, drop_reply=True)
        else:
            await self._send()

    async def _send(self) -> None:
        sent = list(self._outbox)
        reply = await self._call("POST", "/v1/answers", {"answers": sent})
        if reply is None:
            await asyncio.sleep(0.3)
            return
        for receipt in reply["receipts"]:
            if receipt["status"] == "counted":
                self._tally.counted += 1
            elif receipt["status"] == "repeated":
                self._tally.repeated += 1
            else:
                self._tally.refused += 1
                self._tally.refusals[receipt["code"]] = self._tally.refusals.get(receipt["code"], 0) + 1
        self._outbox = [answer for answer in self._outbox if answer not in sent]

    async def _call(self, method: str, path: str, body: Any = None, *, drop_reply: bool = False) -> Any:
        """The body of a good reply; None when the network or the service is away for a moment."""
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        try:
            async with self._http.request(method, f"{self._url}{path}", json=body, headers=headers) as reply:
                data = await reply.json(content_type=None)
                if drop_reply:
                    return None
                if reply.status == 429:
                    await asyncio.sleep(float(reply.headers.get("Retry-After", "1")))
                    return None
                return data if reply.status < 400 else None
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None


async def crowd(
    base_url: str,
    world: World,
    *,
    shoppers: int,
    choices: int = 20,
    seed: int = 1,
    arrive_over_s: float = 15.0,
    hurry: float = 1.0,
    tally: Tally | None = None,
) -> Tally:
    """Let a crowd play; returns what came of it. Cancelling it sends everybody home."""
    tally = tally if tally is not None else Tally()
    rng = np.random.default_rng(seed)
    arrivals_s = np.sort(rng.uniform(0, arrive_over_s, shoppers))
    connector = aiohttp.TCPConnector(limit=256)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=20)) as http:

        async def one(number: int) -> None:
            await asyncio.sleep(float(arrivals_s[number]) / hurry)
            await Shopper(http, base_url, world, number, seed, tally).play(choices=choices, hurry=hurry)

        tasks = [asyncio.create_task(one(number)) for number in range(shoppers)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(*tasks, return_exceptions=True)
    return tally
