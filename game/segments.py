"""Whom a test is for: a segment is a named predicate over the facts a player has agreed to give."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from game.errors import SegmentInvalid

EVERYONE = "everyone"
GENDERS = ("female", "male", "other")
INTERESTS = (
    "dresses",
    "casual",
    "office",
    "sport",
    "street",
    "vintage",
    "minimal",
    "sweet",
    "outdoor",
    "luxury",
    "kids",
    "shoes",
)


@dataclass(frozen=True, slots=True)
class PlayerFacts:
    """What a player has agreed to tell. None means "not told", and never matches a predicate that asks for it."""

    gender: str | None = None
    age: int | None = None
    interests: frozenset[str] = frozenset()
    region: str | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """A named predicate. Ages are in whole years and include both ends; `interests` asks for any one of them."""

    name: str
    gender: str | None = None
    age_min: int | None = None
    age_max: int | None = None
    interests: frozenset[str] = frozenset()
    region: str | None = None

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise SegmentInvalid(
                segment=self.name,
                problem="give the segment a name.",
                problem_zh="请给人群起个名字。",
            )
        if self.gender is not None and self.gender not in GENDERS:
            raise SegmentInvalid(
                segment=self.name,
                problem=f'gender "{self.gender}" is unknown; use one of {", ".join(GENDERS)}.',
                problem_zh=f"性别“{self.gender}”无法识别,可选 {'、'.join(GENDERS)}。",
            )
        for age in (self.age_min, self.age_max):
            if age is not None and not 0 <= age <= 120:
                raise SegmentInvalid(
                    segment=self.name,
                    problem=f"an age of {age} is not between 0 and 120.",
                    problem_zh=f"年龄 {age} 不在 0 到 120 之间。",
                )
        if self.age_min is not None and self.age_max is not None and self.age_min > self.age_max:
            raise SegmentInvalid(
                segment=self.name,
                problem="its youngest age lies above its oldest.",
                problem_zh="起始年龄大于结束年龄。",
            )

    def holds(self, facts: PlayerFacts) -> bool:
        """Whether a player of these facts belongs to the segment."""
        if self.gender is not None and facts.gender != self.gender:
            return False
        if (self.age_min is not None or self.age_max is not None) and facts.age is None:
            return False
        if self.age_min is not None and facts.age is not None and facts.age < self.age_min:
            return False
        if self.age_max is not None and facts.age is not None and facts.age > self.age_max:
            return False
        if self.interests and not (self.interests & facts.interests):
            return False
        return self.region is None or facts.region == self.region

    def as_data(self) -> dict[str, Any]:
        """The segment as plain JSON; `segment_from` reads it back."""
        data: dict[str, Any] = {"name": self.name}
        for field in ("gender", "age_min", "age_max", "region"):
            value = getattr(self, field)
            if value is not None:
                data[field] = value
        if self.interests:
            data["interests"] = sorted(self.interests)
        return data


def segment_from(data: Mapping[str, Any]) -> Segment:
    """Read a segment from JSON; raises SegmentInvalid on an unknown key or a bad value."""
    known = {"name", "gender", "age_min", "age_max", "interests", "region"}
    unknown = sorted(set(data) - known)
    name = str(data.get("name", ""))
    if unknown:
        raise SegmentInvalid(
            segment=name,
            problem=f'"{unknown[0]}" is unknown; use {", ".join(sorted(known))}.',
            problem_zh=f"没有“{unknown[0]}”这一项。",
        )
    return Segment(
        name=name,
        gender=data.get("gender"),
        age_min=data.get("age_min"),
        age_max=data.get("age_max"),
        interests=frozenset(data.get("interests") or ()),
        region=data.get("region"),
    )


@dataclass(frozen=True, slots=True)
class Quota:
    """A segment's part of an audience. `share_permille` is the part of all votes that it should give (0: no quota)."""

    segment: Segment
    share_permille: int = 0


@dataclass(frozen=True, slots=True)
class Audience:
    """The segments that a test is for, in the order in which a player is matched (the first that holds)."""

    quotas: tuple[Quota, ...] = (Quota(Segment(EVERYONE)),)

    def __post_init__(self) -> None:
        names = [quota.segment.name for quota in self.quotas]
        if not names:
            raise SegmentInvalid(
                segment="",
                problem="name at least one segment.",
                problem_zh="至少要有一个人群。",
            )
        for name in names:
            if names.count(name) > 1:
                raise SegmentInvalid(
                    segment=name, problem="the name stands twice in the audience.", problem_zh="这个名字用了两次。"
                )
        for quota in self.quotas:
            if not 0 <= quota.share_permille <= 1000:
                raise SegmentInvalid(
                    segment=quota.segment.name,
                    problem="its quota is not between 0 and 1000 permille.",
                    problem_zh="占比应在 0 到 100% 之间。",
                )
        if sum(quota.share_permille for quota in self.quotas) > 1000:
            raise SegmentInvalid(
                segment=names[0],
                problem="the quotas add up to more than the whole (1000 permille).",
                problem_zh="所有人群的占比加起来超过了 100%。",
            )

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(quota.segment.name for quota in self.quotas)

    @property
    def weights(self) -> tuple[float, ...] | None:
        """The part of each segment in the answer, summing to 1; None where no quota was set.

        Segments without a quota share alike what the others leave; where nothing is left, they are not answered for.
        """
        shares = [quota.share_permille for quota in self.quotas]
        if not any(shares):
            return None
        silent = shares.count(0)
        rest = 1000 - sum(shares)
        parts = [share if share or not silent else rest / silent for share in shares]
        return tuple(part / sum(parts) for part in parts)

    def match(self, facts: PlayerFacts) -> int | None:
        """The index of the first segment that holds for these facts, or None when the test is not for this player."""
        for index, quota in enumerate(self.quotas):
            if quota.segment.holds(facts):
                return index
        return None

    def as_data(self) -> list[dict[str, Any]]:
        return [{**quota.segment.as_data(), "share_permille": quota.share_permille} for quota in self.quotas]


def audience_from(data: list[Mapping[str, Any]] | None) -> Audience:
    """Read an audience from JSON (a list of segments with `share_permille`); nothing given means everyone."""
    if not data:
        return Audience()
    quotas = []
    for entry in data:
        fields = dict(entry)
        share = fields.pop("share_permille", 0)
        quotas.append(Quota(segment_from(fields), share))
    return Audience(tuple(quotas))
