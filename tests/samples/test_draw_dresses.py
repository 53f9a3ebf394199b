"""The dresses of the sample test: drawn the same every time, told apart at a glance, with a known true answer."""

import importlib.util
import sys
import tomllib
from itertools import combinations
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

SAMPLES = Path(__file__).parents[2] / "samples"
DRESSES = SAMPLES / "summer-dresses"


@pytest.fixture(scope="module")
def draw() -> ModuleType:
    """The script itself, which is no part of the installed package."""
    spec = importlib.util.spec_from_file_location("draw_dresses", SAMPLES / "draw_dresses.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["draw_dresses"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"), dtype=np.int16)


def test_a_dress_is_drawn_the_same_every_time_and_stands_in_the_folder(draw: ModuleType):
    once, again = (draw.draw_dress(draw.DYES["blue"], "short-mini") for _ in range(2))
    assert once.tobytes() == again.tobytes()
    kept = pixels(DRESSES / "blue-short-mini.webp")
    # WebP loses a little; anything that is drawn elsewhere or in another colour is far more
    assert np.abs(np.asarray(once, dtype=np.int16) - kept).mean() < 3


def test_the_folder_has_one_picture_for_each_colour_and_cut_and_nothing_else(draw: ModuleType):
    drawn = {f"{colour}-{cut}" for colour in draw.DYES for cut in draw.CUTS} | set(draw.POOR_PICTURES)
    assert {path.stem for path in DRESSES.glob("*.webp")} == drawn
    for path in DRESSES.glob("*.webp"):
        with Image.open(path) as picture:
            assert picture.size == (900, 1200)
        assert path.stat().st_size < 60_000


def test_any_two_dresses_differ_at_a_glance(draw: ModuleType):
    """At the size of a thumbnail, a good part of the picture is plainly of another colour or another shape."""
    thumbnails = {}
    for path in DRESSES.glob("*.webp"):
        if path.stem not in draw.POOR_PICTURES:
            with Image.open(path) as picture:
                thumbnails[path.stem] = np.asarray(picture.convert("RGB").resize((60, 80)), dtype=np.int16)
    assert len(thumbnails) == 12
    for (one, a), (other, b) in combinations(thumbnails.items(), 2):
        plainly = np.abs(a - b).max(axis=2) > 24
        assert plainly.mean() > 0.05, (one, other)


def test_the_true_appeal_is_known_for_every_dress_in_every_segment():
    test = tomllib.loads((DRESSES / "test.toml").read_text(encoding="utf-8"))
    world = tomllib.loads((DRESSES / "world.toml").read_text(encoding="utf-8"))
    names = {style["name"] for style in test["styles"] if not style.get("decoy")}
    assert {segment["name"] for segment in test["audience"]} == set(world["segments"]) == set(world["strength"])
    for strength in world["strength"].values():
        assert set(strength) == names
        assert world["decoy_strength"] < min(strength.values()) - 1


def test_the_sample_has_a_clear_answer_overall_and_another_in_each_segment():
    """The best three are out of reach of the fourth, or a demo would show nothing but patience."""
    world = tomllib.loads((DRESSES / "world.toml").read_text(encoding="utf-8"))
    keep = tomllib.loads((DRESSES / "test.toml").read_text(encoding="utf-8"))["goal"]["keep"]
    overall = {
        name: sum(share * world["strength"][segment][name] for segment, share in world["segments"].items())
        for name in next(iter(world["strength"].values()))
    }
    ranked = sorted(overall.values(), reverse=True)
    assert ranked[keep - 1] - ranked[keep] > 0.2
    best = {frozenset(sorted(strength, key=strength.get)[-keep:]) for strength in world["strength"].values()}
    assert len(best) == 2
