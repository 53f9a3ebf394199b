"""Every refusal has its status and its words: whatever a rule refuses, a caller is told in both languages what to do."""

import importlib
import pkgutil
import re
from collections.abc import Iterator

import pytest

import game
import ranking
import rewards
import server
from game.errors import GameRefusal
from ranking.errors import RankingError
from rewards.errors import RewardsRefusal
from server.edge.problems import Problem, problem_of
from server.edge.words import CATALOGUE

for package in (game, ranking, rewards, server):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if ".migrations" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def below(cls: type) -> Iterator[type]:
    for sub in cls.__subclasses__():
        yield sub
        yield from below(sub)


REFUSALS = sorted({cls for base in (GameRefusal, RewardsRefusal) for cls in below(base)}, key=lambda cls: cls.__name__)


@pytest.mark.parametrize("cls", REFUSALS, ids=lambda cls: cls.__name__)
def test_every_refusal_has_a_row(cls: type) -> None:
    """A new error without a status and a Chinese sentence would reach its user as nothing."""
    assert cls.code in CATALOGUE  # type: ignore[attr-defined]


@pytest.mark.parametrize("cls", [cls for cls in REFUSALS if cls.__doc__], ids=lambda cls: cls.__name__)
def test_the_chinese_sentence_asks_for_nothing_that_the_error_does_not_know(cls: type) -> None:
    """Both sentences are filled from the same parameters."""
    known = set(re.findall(r"{(\w+)", cls.__doc__ or ""))
    asked = set(re.findall(r"{(\w+)", CATALOGUE[cls.code].zh))  # type: ignore[attr-defined]
    assert asked <= known, asked - known


def test_codes_are_names_and_statuses_are_refusals() -> None:
    """Codes are stable snake_case names; nothing in the catalogue says that all is well."""
    for code, words in CATALOGUE.items():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", code), code
        assert 400 <= words.status < 600
        assert words.zh.strip()


def test_no_two_errors_of_a_room_share_a_code() -> None:
    """A code names one reason."""
    for base in (GameRefusal, RewardsRefusal, RankingError):
        codes = [cls.code for cls in below(base) if "code" in vars(cls)]  # type: ignore[attr-defined]
        assert len(codes) == len(set(codes)), sorted(code for code in codes if codes.count(code) > 1)


def test_an_error_without_a_row_of_its_own_takes_that_of_its_kind_and_a_bug_none() -> None:
    """A subclass that only says more is told as what it is; a bug is never told to callers."""

    class MoreExact(GameRefusal):
        """This is a special kind of refusal."""

        code = "nobody_listed_this"

    assert problem_of(ZeroDivisionError()) is None
    assert problem_of(Problem("not_found")).status == 404  # type: ignore[union-attr]
    assert problem_of(MoreExact()) is None
