"""A small service that speaks the player's API from memory: for working on the client, and for stories about bad days.

`python miniprogram/dev/stand_in.py` serves the h5 build at http://127.0.0.1:8090/play/ with the pictures of the sample test.
It keeps no promise that the real service keeps (nothing is booked, nothing survives); its value is that a test can make it
fail in every way that a phone has to live with.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiohttp import web

ROOT = Path(__file__).resolve().parents[2]
CLIENT = ROOT / "miniprogram" / "dist" / "build" / "h5"
PICTURES = ROOT / "samples" / "summer-dresses"

STAGES = ("seed", "sprout", "sapling", "blossom", "fruiting", "ripe")
STAGE_NAMES = {"seed": "种子", "sprout": "发芽", "sapling": "树苗", "blossom": "开花", "fruiting": "结果", "ripe": "成熟"}
PERMILLE = (0, 20, 100, 300, 600, 1000)
AWARDS = (0, 20, 50, 100, 150, 200)
VARIETIES = {"apple": ("苹果", "Apple", 9_000), "mandarin": ("蜜桔", "Mandarin", 9_000), "pear": ("雪梨", "Pear", 10_000)}
KINDS = {
    "per_vote": ("选款", "Choosing"),
    "daily_claim": ("每日领取", "Daily claim"),
    "stage_award": ("成长奖励", "Growth award"),
    "streak": ("连续七天", "Seven days in a row"),
    "consistency": ("认真作答", "Careful choices"),
    "invite": ("邀请好友", "Inviting a friend"),
}
REASONS = {
    "one_sided": ("你几乎总是点同一边。", "You almost always tapped the same side."),
    "too_fast": ("你的很多选择快到来不及看清两张图片。", "Many choices came too fast to have seen both pictures."),
}
CHOICE_G, CLAIM_G, APPLICATION_G, APPLICATIONS, PAID = 10, 30, 50, 10, 20
COLOURS = {"blue": ("蓝色", "Blue"), "ivory": ("米白", "Ivory"), "red": ("红色", "Red")}
SLEEVES = {"long": ("长袖", "long-sleeve"), "short": ("短袖", "short-sleeve")}
LENGTHS = {"maxi": ("长裙", "maxi"), "mini": ("短裙", "mini")}


def name(pair: tuple[str, str]) -> dict[str, str]:
    return {"zh": pair[0], "en": pair[1]}


@dataclass
class Player:
    """One player, in memory."""

    player_id: str
    new: bool = True
    available_g: int = 0
    held_g: int = 0
    variety: str | None = None
    applied_g: int = 0
    applications: int = 0
    paid: int = 0
    claimed: bool = False
    streak_days: int = 2
    standing: str = "trusted"
    reasons: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    choices: dict[str, str] = field(default_factory=dict)  # matchup id -> choice on record
    lines: list[dict[str, Any]] = field(default_factory=list)
    cards: list[dict[str, Any]] = field(default_factory=list)
    orders: list[dict[str, Any]] = field(default_factory=list)
    appeals: list[dict[str, Any]] = field(default_factory=list)
    likes: Counter[tuple[str, str]] = field(default_factory=Counter)
    met: Counter[tuple[str, str]] = field(default_factory=Counter)
    seen_pairs: set[frozenset[str]] = field(default_factory=set)
    replies: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    invited_by: str | None = None
    family_of: str | None = None  # whose tree this player grows
    expiring: list[dict[str, Any]] = field(default_factory=list)


class Refused(Exception):
    """A call that is refused, as a problem."""

    def __init__(self, status: int, code: str, *, retry_after_s: int | None = None, params: dict | None = None) -> None:
        self.status, self.code, self.retry_after_s, self.params = status, code, retry_after_s, params or {}
        super().__init__(code)


class StandIn:
    """The service. The attributes at the top are knobs for stories."""

    def __init__(self, *, client: Path = CLIENT, pictures: Path = PICTURES, seed: int = 7) -> None:
        self.is_down = False  # every API call is answered by a cut connection
        self.fail_next: defaultdict[str, list[int]] = defaultdict(list)  # path -> statuses to answer once each
        self.lose_next_answers = 0  # answers that are recorded, whose receipts never arrive
        self.closed_reason: str | None = None  # why rounds are empty
        self.broken_pictures: set[str] = set()
        self.delay_s = 0.0
        self.ticket_life = timedelta(minutes=30)
        self.token_life = timedelta(hours=12)
        self.clock_skew = timedelta(0)  # of this service against the phone
        self.held = False  # whether grants are held first
        self.calls: Counter[str] = Counter()
        self.answers_seen: list[dict[str, Any]] = []
        self.choice_on_record: dict[str, str] = {}

        self.players: dict[str, Player] = {}
        self.subjects: dict[str, str] = {}
        self.tokens: dict[str, tuple[str, datetime]] = {}
        self.tickets: dict[str, dict[str, Any]] = {}
        self._dice = random.Random(seed)
        self._client = client
        self._pictures = pictures
        self.styles = sorted(one.stem for one in pictures.glob("*-*-*.webp"))
        self.app = web.Application(middlewares=[self._guard])
        self.app.add_routes(
            [
                web.post("/v1/sessions", self._sessions),
                web.get("/v1/me", self._me),
                web.patch("/v1/me", self._patch_me),
                web.post("/v1/me", self._patch_me),
                web.delete("/v1/me", self._delete_me),
                web.get("/v1/me/export", self._export),
                web.get("/v1/farm", self._farm),
                web.post("/v1/farm/trees", self._plant),
                web.post("/v1/farm/claims", self._claim),
                web.post("/v1/farm/applications", self._apply),
                web.post("/v1/farm/harvests", self._harvest),
                web.post("/v1/farm/family", self._join),
                web.post("/v1/farm/invitations", self._invited),
                web.post("/v1/rounds", self._round),
                web.post("/v1/answers", self._answers),
                web.get("/v1/wallet", self._wallet),
                web.get("/v1/redemptions", self._redemptions),
                web.put("/v1/redemptions/{id}/address", self._address),
                web.post("/v1/redemptions/{id}/end", self._end),
                web.post("/v1/redemptions/{id}/damage", self._damage),
                web.get("/v1/taste", self._taste),
                web.post("/v1/appeals", self._appeal),
                web.get("/media/{file}", self._picture),
                web.get("/play", self._to_client),
                web.get("/play/", self._index),
            ]
        )
        if client.is_dir():
            self.app.router.add_static("/play/", client)

    # --- for stories

    @property
    def now(self) -> datetime:
        return datetime.now(UTC) + self.clock_skew

    def only_player(self) -> Player:
        """The player of a story that has one."""
        assert len(self.players) == 1, f"{len(self.players)} players"
        return next(iter(self.players.values()))

    def let_every_token_expire(self) -> None:
        self.tokens = {token: (player_id, self.now) for token, (player_id, _) in self.tokens.items()}

    def let_every_ticket_expire(self) -> None:
        for one in self.tickets.values():
            one["expires_at"] = self.now - timedelta(seconds=1)

    def mute(self, player: Player, *reasons: str) -> None:
        player.standing, player.reasons = "muted", list(reasons)

    def produced(self, player: Player, style: str, *, bonus_g: int = 88) -> None:
        """A style that this player met was made."""
        player.cards.append(
            {
                "kind": "produced",
                "title": self._title(style, "zh"),
                "image_url": f"/media/{style}.webp",
                "chosen": True,
                "bonus_g": bonus_g,
            }
        )

    # --- plumbing

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        path = request.path
        self.calls[f"{request.method} {path}"] += 1
        if path.startswith("/v1/"):
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            if self.is_down:
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
            if self.fail_next[path]:
                return self._problem(Refused(self.fail_next[path].pop(0), "database_away", retry_after_s=1))
        try:
            response = await handler(request)
        except Refused as refused:
            response = self._problem(refused)
        response.headers["Date"] = self.now.strftime("%a, %d %b %Y %H:%M:%S GMT")
        return response

    def _problem(self, refused: Refused) -> web.Response:
        body = {"type": "about:blank", "status": refused.status, "code": refused.code, "title": refused.code}
        body |= {"detail": refused.code, "request_id": "stand-in", "params": refused.params}
        headers = {"Retry-After": str(refused.retry_after_s)} if refused.retry_after_s else {}
        text = json.dumps(body)
        return web.Response(
            text=text, status=refused.status, content_type="application/problem+json", headers=headers
        )

    def _who(self, request: web.Request) -> Player:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        player_id, expires_at = self.tokens.get(token, ("", self.now))
        if expires_at <= self.now:
            raise Refused(401, "token_expired")
        if player_id not in self.players:
            raise Refused(401, "player_gone")
        return self.players[player_id]

    async def _once(self, request: web.Request, player: Player, do: Any) -> web.Response:
        """The same key gets the same reply; with another body it is refused."""
        key, body = request.headers.get("Idempotency-Key"), await request.text()
        if key and key in player.replies:
            if player.replies[key][0] != body:
                raise Refused(422, "idempotency_mismatch")
            return web.json_response(player.replies[key][1], status=201)
        reply = do(json.loads(body or "{}"))
        if key:
            player.replies[key] = (body, reply)
        return web.json_response(reply, status=201)

    # --- players

    async def _sessions(self, request: web.Request) -> web.Response:
        body = await request.json()
        subject = f"{body['platform']}:{body['code']}"
        new = subject not in self.subjects or self.subjects[subject] not in self.players
        if new:
            player = Player(str(uuid4()))
            self.subjects[subject] = player.player_id
            self.players[player.player_id] = player
        player = self.players[self.subjects[subject]]
        token, expires_at = uuid4().hex, self.now + self.token_life
        self.tokens[token] = (player.player_id, expires_at)
        return web.json_response(
            {
                "token": token,
                "expires_at": rfc3339(expires_at),
                "player": {"player_id": player.player_id, "nickname": "", "standing": player.standing, "new": new},
            },
            status=201,
        )

    def _facts(self, player: Player) -> dict[str, Any]:
        return {
            "player_id": player.player_id, "nickname": "", "gender": player.facts.get("gender"),
            "birth_year": player.facts.get("birth_year"), "interests": player.facts.get("interests", []), "region": None,
            "consent": {key: True for key in player.facts}, "standing": player.standing,
            "standing_reasons": player.reasons, "standing_words": [{"code": code, **name(REASONS[code])} for code in player.reasons], "created_at": rfc3339(self.now), "appeals": player.appeals,
        }  # fmt: skip

    async def _me(self, request: web.Request) -> web.Response:
        return web.json_response(self._facts(self._who(request)))

    async def _patch_me(self, request: web.Request) -> web.Response:
        player, body = self._who(request), await request.json()
        middles = {"under_18": 16, "18-24": 21, "25-29": 27, "30-39": 35, "40-49": 45, "50-59": 55, "60+": 65}
        if "age_band" in body:
            band = body.pop("age_band")
            body["birth_year"] = None if band is None else self.now.year - middles[band]
        for key, value in body.items():
            if value is None:
                player.facts.pop(key, None)
            else:
                player.facts[key] = value
        return web.json_response(self._facts(player))

    async def _delete_me(self, request: web.Request) -> web.Response:
        del self.players[self._who(request).player_id]
        return web.Response(status=204)

    async def _export(self, request: web.Request) -> web.Response:
        player = self._who(request)
        return web.json_response({"player": self._facts(player), "votes": list(player.choices.values())})

    # --- farm

    def farm_of(self, player: Player) -> dict[str, Any]:
        """The farm as the service sends it."""
        requirement_g = VARIETIES[player.variety or "apple"][2]
        marks = [
            {"stage": stage, "at_g": -(-requirement_g * PERMILLE[i] // 1000), "award_g": AWARDS[i]}
            for i, stage in enumerate(STAGES)
        ]
        index = max(i for i, mark in enumerate(marks) if player.applied_g >= mark["at_g"])
        missing_g = requirement_g - player.applied_g
        tree = None
        if player.variety:
            following = marks[index + 1] if index + 1 < len(marks) else None
            tree = {
                "tree_id": f"tree-{player.player_id}", "variety": player.variety,
                "variety_name": name(VARIETIES[player.variety][:2]), "stage": STAGES[index],
                "applied_g": player.applied_g, "requirement_g": requirement_g, "missing_g": missing_g,
                "next_stage": following["stage"] if following else None,
                "next_stage_at_g": following["at_g"] if following else None,
                "ripe": missing_g <= 0, "stages": marks, "family_open": index == 0, "prize_set_aside": index >= 3,
                "boxes": 1 + sum(one.family_of == player.player_id for one in self.players.values()),
            }  # fmt: skip
        days = -(-max(0, missing_g - player.available_g) // 230) if player.choices else None
        return {
            "tree": tree,
            "available_g": player.available_g,
            "held_g": player.held_g,
            "today": {
                "claim": {"claimed": player.claimed, "amount_g": CLAIM_G},
                "applications": {"left": APPLICATIONS - player.applications, "each_g": APPLICATION_G},
                "choices": {"left": PAID - player.paid, "each_g": CHOICE_G},
            },
            "streak": {"days": player.streak_days, "target_days": 7, "bonus_g": 100, "cards": 0},
            "forecast": {"missing_g": missing_g, "days": days} if tree else None,
            "tasks": [
                {"code": "consistency", "name": name(KINDS["consistency"]), "amount_g": 50, "progress": len(player.choices) % 100, "target": 100, "state": "open"},
                {"code": "invite", "name": name(KINDS["invite"]), "amount_g": 200, "progress": 0, "target": 10, "state": "open"},
            ],
            "expiring": player.expiring,
            "varieties": [
                {"code": code, "name": name(given[:2]), "requirement_g": given[2]} for code, given in VARIETIES.items()
            ],
            "rules": {
                "terms": {
                    "frozen": tree is not None, "requirement_g": requirement_g, "application_g": APPLICATION_G,
                    "applications_per_day": APPLICATIONS, "paid_choices_per_day": PAID, "daily_claim_g": CLAIM_G,
                    "streak_days": 7, "streak_g": 100, "family_members": 3,
                    "stages": [{"name": mark["stage"], "value": mark["at_g"], "unit": "g"} for mark in marks],
                    "stage_awards": [{"name": mark["stage"], "value": mark["award_g"], "unit": "g"} for mark in marks],
                },
                "kinds": [
                    {"code": "invite", "figures": [{"name": "invite_vetted_votes", "value": 50, "unit": "votes"}]}
                ],
                "expiry_days": 180,
                "wallet_cap_g": 20_000,
            },
            "standing": {"standing": player.standing, "reasons": player.reasons},
        }  # fmt: skip

    async def _farm(self, request: web.Request) -> web.Response:
        return web.json_response(self.farm_of(self._who(request)))

    def _book(self, player: Player, amount_g: int, reason: str, kind: str | None = None) -> None:
        words = KINDS.get(kind or "", (reason, reason))
        line = {"transfer_id": str(uuid4()), "at": rfc3339(self.now), "amount_g": amount_g, "reason": reason, "kind": kind}
        player.lines.insert(0, {**line, "text": name(words)})
        player.available_g += amount_g

    async def _plant(self, request: web.Request) -> web.Response:
        player = self._who(request)

        def plant(body: dict[str, Any]) -> dict[str, Any]:
            if player.variety:
                raise Refused(409, "second_tree")
            if body.get("variety") not in VARIETIES:
                raise Refused(422, "unknown_variety")
            player.variety = body["variety"]
            return self.farm_of(player)

        return await self._once(request, player, plant)

    async def _claim(self, request: web.Request) -> web.Response:
        player = self._who(request)

        def claim(_: dict[str, Any]) -> dict[str, Any]:
            if player.claimed:
                raise Refused(409, "already_claimed")
            player.claimed, player.streak_days = True, player.streak_days + 1
            self._book(player, CLAIM_G, "programme_awarded", "daily_claim")
            awards = [{"kind": "daily_claim", "name": name(KINDS["daily_claim"]), "amount_g": CLAIM_G}]
            return {"awards": awards, "card_used": False, "farm": self.farm_of(player)}

        return await self._once(request, player, claim)

    async def _apply(self, request: web.Request) -> web.Response:
        player = self._who(request)

        def apply(body: dict[str, Any]) -> dict[str, Any]:
            if not player.variety:
                raise Refused(409, "no_tree")
            requirement_g = VARIETIES[player.variety][2]
            before = self.farm_of(player)["tree"]["stage"]
            made, amount_g = 0, 0
            for _ in range(min(body.get("times", 1), APPLICATIONS - player.applications)):
                portion = min(APPLICATION_G, requirement_g - player.applied_g - amount_g)
                if portion <= 0 or player.available_g < amount_g + portion:
                    break
                made, amount_g = made + 1, amount_g + portion
            if not made:
                raise Refused(409, "not_enough_fertilizer" if player.applications < APPLICATIONS else "daily_cap_reached")
            player.applications += made
            player.applied_g += amount_g
            self._book(player, -amount_g, "fertilizer_applied")
            after = self.farm_of(player)["tree"]["stage"]
            reached = STAGES[STAGES.index(before) + 1 : STAGES.index(after) + 1]
            awards = []
            for stage in reached:
                award_g = AWARDS[STAGES.index(stage)]
                self._book(player, award_g, "programme_awarded", "stage_award")
                awards.append({"kind": "stage_award", "name": name(KINDS["stage_award"]), "amount_g": award_g})
            return {
                "times": made, "amount_g": amount_g, "stages": list(reached), "awards": awards, "farm": self.farm_of(player),
            }  # fmt: skip

        return await self._once(request, player, apply)

    async def _harvest(self, request: web.Request) -> web.Response:
        player = self._who(request)

        def harvest(body: dict[str, Any]) -> dict[str, Any]:
            farm = self.farm_of(player)
            if not farm["tree"] or not farm["tree"]["ripe"]:
                raise Refused(409, "not_ripe")
            if body.get("donate"):
                player.variety, player.applied_g = None, 0
                return {"redemption_id": None, "donated": True, "farm": self.farm_of(player)}
            order = {
                "redemption_id": str(uuid4()), "variety": player.variety, "state": "address_needed",
                "variety_name": name(VARIETIES[player.variety or "apple"][:2]), "address": None, "address_editable": True,
                "state_name": name(("请填写地址", "Address needed")), "made_at": rfc3339(self.now), "carrier": None,
                "tracking_no": None, "substitutes": [], "steps": [], "damage": [],
            }  # fmt: skip
            player.orders.insert(0, order)
            player.variety, player.applied_g = None, 0
            return {"redemption_id": order["redemption_id"], "donated": False, "farm": self.farm_of(player)}

        return await self._once(request, player, harvest)

    async def _join(self, request: web.Request) -> web.Response:
        player = self._who(request)

        def join(body: dict[str, Any]) -> dict[str, Any]:
            planter = self.players.get(body["tree_id"].removeprefix("tree-"))
            if planter is None or not planter.variety:
                raise Refused(409, "no_tree")
            player.variety, player.family_of = planter.variety, planter.player_id
            return self.farm_of(player)

        return await self._once(request, player, join)

    async def _invited(self, request: web.Request) -> web.Response:
        player, body = self._who(request), await request.json()
        if player.invited_by is not None or body["inviter_id"] not in self.players:
            raise Refused(409, "invited_before")
        player.invited_by = body["inviter_id"]
        return web.json_response({"vetted_votes_wanted": 50, "vests_until": rfc3339(self.now)}, status=201)

    # --- play

    def _title(self, style: str, language: str) -> str:
        colour, sleeve, length = style.split("-")
        index = 0 if language == "zh" else 1
        parts = COLOURS[colour][index], SLEEVES[sleeve][index], LENGTHS[length][index]
        return "".join(parts) if index == 0 else " ".join(parts)

    async def _round(self, request: web.Request) -> web.Response:
        player, body = self._who(request), await request.json()
        english = request.headers.get("Accept-Language", "").startswith("en")
        size = body.get("size", 5)
        if not 1 <= size <= 20:
            raise Refused(422, "field_invalid", params={"field": "size"})
        if self.closed_reason:
            return web.json_response({"round_id": str(uuid4()), "matchups": [], "reason": self.closed_reason, "detail": ""})
        matchups = []
        for _ in range(400):
            if len(matchups) == size:
                break
            left, right = self._dice.sample(self.styles, 2)
            if frozenset((left, right)) in player.seen_pairs:
                continue
            player.seen_pairs.add(frozenset((left, right)))
            matchup_id, ticket = str(uuid4()), f"t.{uuid4().hex}"
            offer_g = CHOICE_G if player.standing != "muted" and player.paid < PAID else 0
            expires_at = self.now + self.ticket_life
            entry = {"matchup_id": matchup_id, "player_id": player.player_id, "left": left, "right": right}
            self.tickets[ticket] = {**entry, "offer_g": offer_g, "expires_at": expires_at}
            shown = {}
            for side, style in (("left", left), ("right", right)):
                url = f"/media/{style}.webp"
                shown[side] = {
                    "style_id": style, "title": self._title(style, "en" if english else "zh"), "image_url": url,
                    "image_urls": {"small": url, "medium": url, "large": url},
                }  # fmt: skip
            matchups.append(
                {
                    "matchup_id": matchup_id, "ticket": ticket, **shown, "offer_g": offer_g,
                    "question": "Which one would you rather wear this summer?" if english else "夏天出门,你更想穿哪一条?",
                    "expires_at": rfc3339(expires_at),
                }  # fmt: skip
            )
        reply: dict[str, Any] = {"round_id": str(uuid4()), "matchups": matchups}
        if not matchups:
            reply |= {"reason": "all_pairs_met", "detail": ""}
        return web.json_response(reply)

    async def _answers(self, request: web.Request) -> web.Response:
        player, body = self._who(request), await request.json()
        self.answers_seen += body["answers"]
        receipts = [self._receipt(player, one) for one in body["answers"]]
        if self.lose_next_answers > 0:
            self.lose_next_answers -= 1
            assert request.transport is not None
            request.transport.abort()
        totals = {"available_g": player.available_g, "held_g": player.held_g}
        return web.json_response({"receipts": receipts, "fertilizer": totals})

    def _receipt(self, player: Player, answer: dict[str, Any]) -> dict[str, Any]:
        dealt = self.tickets.get(answer["ticket"])
        if dealt is None:
            return {"matchup_id": None, "status": "refused", "code": "ticket_forged", "grant_g": 0, "detail": ""}
        matchup_id, choice = dealt["matchup_id"], answer["choice"]
        reply = {"matchup_id": matchup_id, "status": "counted", "code": None, "grant_g": dealt["offer_g"]}
        recorded = player.choices.get(matchup_id)
        if recorded is not None:
            if recorded != choice:
                return {**reply, "status": "refused", "code": "answered_differently", "grant_g": 0}
            return {**reply, "status": "repeated", "agreement": 640}
        if dealt["player_id"] != player.player_id:
            return {**reply, "status": "refused", "code": "ticket_foreign", "grant_g": 0}
        if dealt["expires_at"] < self.now:
            return {**reply, "status": "refused", "code": "ticket_expired", "grant_g": 0}
        if choice == "unclear":
            return {**reply, "status": "refused", "code": "picture_unclear", "grant_g": 0}
        player.choices[matchup_id] = choice
        self.choice_on_record[matchup_id] = choice
        for side in ("left", "right"):
            colour, sleeve, _ = dealt[side].split("-")
            for level in (("颜色", COLOURS[colour][0]), ("袖长", SLEEVES[sleeve][0])):
                player.met[level] += 1
                player.likes[level] += choice == side
        if dealt["offer_g"]:
            player.paid += 1
            if self.held:
                player.held_g += dealt["offer_g"]
            else:
                self._book(player, dealt["offer_g"], "grant_settled")
        agreement = self._dice.randint(380, 880) if choice != "neither" else None
        return {**reply, "agreement": agreement}

    async def _taste(self, request: web.Request) -> web.Response:
        player = self._who(request)
        favourites = [
            {"attribute": attribute, "level": level, "share_permille": 1000 * player.likes[attribute, level] // n, "n": n}
            for (attribute, level), n in player.met.items()
            if n >= 3
        ]
        return web.json_response({"choices": len(player.choices), "favourites": favourites, "cards": player.cards})

    # --- the rest

    async def _wallet(self, request: web.Request) -> web.Response:
        player = self._who(request)
        start = int(request.query.get("cursor", 0))
        page = player.lines[start : start + 50]
        following = start + 50 if start + 50 < len(player.lines) else None
        totals = {"available_g": player.available_g, "held_g": player.held_g, "owed_g": 0}
        return web.json_response({**totals, "lines": page, "promises": [], "next_cursor": following})

    async def _redemptions(self, request: web.Request) -> web.Response:
        return web.json_response({"redemptions": self._who(request).orders})

    async def _address(self, request: web.Request) -> web.Response:
        player = self._who(request)
        order = next((one for one in player.orders if one["redemption_id"] == request.match_info["id"]), None)
        if order is None:
            raise Refused(404, "not_found")
        address = await request.json()
        if not address.get("phone", "").strip().startswith("1"):
            raise Refused(422, "phone_unreadable", params={"field": "phone"})
        order |= {"address": address, "state": "pending", "state_name": name(("等待下单", "Waiting to be ordered"))}
        return web.json_response(order)

    def _order(self, request: web.Request) -> dict[str, Any]:
        for order in self._who(request).orders:
            if order["redemption_id"] == request.match_info["id"]:
                return order
        raise Refused(404, "not_found")

    async def _end(self, request: web.Request) -> web.Response:
        order = self._order(request)
        order |= {"state": "cancelled", "state_name": name(("已赠出", "Given away")), "address_editable": False}
        return web.json_response(order)

    async def _damage(self, request: web.Request) -> web.Response:
        order, form = self._order(request), await request.post()
        picture = form["picture"]
        assert isinstance(picture, web.FileField)
        assert picture.file.read()
        report = {"report_id": str(uuid4()), "text": str(form["text"]), "state": "open", "answer": None}
        order |= {"damage": [report], "damage_until": None}
        return web.json_response(order, status=201)

    async def _appeal(self, request: web.Request) -> web.Response:
        player, body = self._who(request), await request.json()
        player.appeals.insert(
            0, {"appeal_id": str(uuid4()), "state": "open", "text": body["text"], "answer": None, "at": rfc3339(self.now)}
        )
        return web.json_response(player.appeals[0], status=201)

    async def _picture(self, request: web.Request) -> web.StreamResponse:
        file = request.match_info["file"]
        if Path(file).stem in self.broken_pictures or Path(file).stem not in self.styles:
            return web.Response(status=404)
        return web.FileResponse(self._pictures / file, headers={"Cache-Control": "public, max-age=31536000, immutable"})

    async def _to_client(self, _: web.Request) -> web.Response:
        raise web.HTTPFound("/play/")

    async def _index(self, _: web.Request) -> web.FileResponse:
        return web.FileResponse(self._client / "index.html", headers={"Cache-Control": "no-cache"})


def rfc3339(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serve the h5 build with an API from memory.")
    parser.add_argument("--port", type=int, default=8090)
    web.run_app(StandIn().app, host="127.0.0.1", port=parser.parse_args().port)
