"""Draws the twelve dresses of the sample test (three colours, two sleeves, two lengths) and two poor pictures.

    python samples/draw_dresses.py [--only NAME] [--png] [OUT]

Every dress is a relief: a height above the paper for each point of the cloth, lit from the upper left, tinted by a few
tones of one colour, and outlined. Folds, seams and hems come from the relief, so the light agrees with the cut. Four
cuts, each with its own silhouette, are sewn in three colours. Nothing is left to chance: folds are scattered by a
seeded generator.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

WIDTH, HEIGHT = 900, 1200
SCALE = 2  # drawn at twice the size, then reduced: edges are smooth although every mask is computed per pixel
MIDDLE = WIDTH / 2

Field = np.ndarray  # float32, of the shape of a window of the picture
Curve = Callable[[Field], Field]
Colour = tuple[int, int, int]
Points = list[tuple[float, float]]

LIGHT = np.array([-0.46, -0.42, 0.78]) / np.linalg.norm([-0.46, -0.42, 0.78])


@dataclass(frozen=True, slots=True)
class Dye:
    """The tones of one colour of cloth, from the depth of a fold to its lit edge, and the pen that outlines it."""

    deep: Colour
    shadow: Colour
    base: Colour
    light: Colour
    pen: Colour


DYES = {
    "ivory": Dye((168, 150, 128), (216, 203, 183), (247, 241, 230), (255, 253, 248), (122, 104, 84)),
    "red": Dye((92, 18, 24), (140, 32, 36), (186, 52, 50), (221, 98, 88), (70, 12, 18)),
    "blue": Dye((48, 70, 100), (80, 108, 142), (123, 152, 184), (176, 199, 221), (34, 50, 76)),
}
MUD = Dye((46, 44, 30), (78, 74, 50), (112, 106, 74), (140, 134, 98), (36, 34, 24))  # of the poor pictures only
LINEN = Dye((140, 117, 88), (178, 156, 126), (206, 187, 160), (226, 211, 189), (112, 92, 68))
WOOD = Dye((78, 50, 30), (112, 74, 46), (150, 104, 68), (186, 142, 104), (66, 42, 26))
BRASS = Dye((104, 82, 46), (146, 120, 72), (184, 158, 104), (222, 204, 158), (84, 66, 38))


# --- geometry -------------------------------------------------------------------------------------


def through(*points: tuple[float, float]) -> Curve:
    """A smooth curve through (position, value) points: cubic Hermite with limited slopes, flat beyond the ends."""
    at = np.array([p[0] for p in points], dtype=np.float64)
    value = np.array([p[1] for p in points], dtype=np.float64)
    step = np.diff(at)
    secant = np.diff(value) / step
    slope = np.zeros_like(value)
    slope[1:-1] = np.where(secant[:-1] * secant[1:] > 0, (secant[:-1] + secant[1:]) / 2, 0)
    slope[0], slope[-1] = secant[0], secant[-1]

    def curve(t: Field) -> Field:
        t = np.clip(t, at[0], at[-1])
        i = np.clip(np.searchsorted(at, t, side="right") - 1, 0, len(step) - 1)
        h = step[i]
        s = (t - at[i]) / h
        return (
            value[i] * (1 + 2 * s) * (1 - s) ** 2
            + slope[i] * h * s * (1 - s) ** 2
            + value[i + 1] * s * s * (3 - 2 * s)
            + slope[i + 1] * h * s * s * (s - 1)
        ).astype(np.float32)

    return curve


def constant(value: float) -> Curve:
    return lambda t: np.full_like(t, value)


def bezier(*points: tuple[float, float], steps: int = 40) -> Points:
    """Points of the Bezier curve of any degree with these control points."""
    t = np.linspace(0, 1, steps)[:, None]
    layer = [np.array(p, dtype=np.float64)[None, :] for p in points]
    while len(layer) > 1:
        layer = [a * (1 - t) + b * t for a, b in pairwise(layer)]
    return [(float(x), float(y)) for x, y in layer[0]]


def smoothstep(t: Field, low: float, high: float) -> Field:
    s = np.clip((t - low) / (high - low), 0, 1)
    return s * s * (3 - 2 * s)


@dataclass(frozen=True, slots=True)
class Mask:
    """How far each point of a window of the picture is covered, 0..1; outside the window, not at all."""

    row: int
    column: int
    covered: Field

    @property
    def window(self) -> tuple[slice, slice]:
        down, across = self.covered.shape
        return slice(self.row, self.row + down), slice(self.column, self.column + across)

    def seen_in(self, rows: slice, columns: slice) -> Field:
        """The cover within another window."""
        seen = np.zeros((rows.stop - rows.start, columns.stop - columns.start), dtype=np.float32)
        mine_rows, mine_columns = self.window
        top, foot = max(rows.start, mine_rows.start), min(rows.stop, mine_rows.stop)
        left, right = max(columns.start, mine_columns.start), min(columns.stop, mine_columns.stop)
        if top < foot and left < right:
            seen[top - rows.start : foot - rows.start, left - columns.start : right - columns.start] = self.covered[
                top - self.row : foot - self.row, left - self.column : right - self.column
            ]
        return seen

    def __and__(self, other: Mask) -> Mask:
        return Mask(self.row, self.column, self.covered * other.seen_in(*self.window))

    def __sub__(self, other: Mask) -> Mask:
        return Mask(self.row, self.column, self.covered * (1 - other.seen_in(*self.window)))

    def blurred(self, radius: float) -> Mask:
        """Its soft image: a Gaussian blur (radius in units of the picture) on a window that has room for it."""
        margin = round(radius * SCALE * 3)
        shrink = max(1, int(radius * SCALE / 5))
        rows, columns = self.window
        grown = self.seen_in(
            slice(max(0, rows.start - margin), min(HEIGHT * SCALE, rows.stop + margin)),
            slice(max(0, columns.start - margin), min(WIDTH * SCALE, columns.stop + margin)),
        )
        image = Image.fromarray((grown * 255 + 0.5).astype(np.uint8))
        size = image.size
        # a wide blur is done small, where nobody can see the difference
        image = image.resize((max(1, size[0] // shrink), max(1, size[1] // shrink)), Image.Resampling.BOX)
        image = image.filter(ImageFilter.GaussianBlur(radius * SCALE / shrink)).resize(size, Image.Resampling.BICUBIC)
        soft = np.asarray(image, dtype=np.float32) / 255
        return Mask(max(0, rows.start - margin), max(0, columns.start - margin), soft)

    def moved(self, right: float, down: float) -> Mask:
        """The same, shifted; what leaves the picture is cut off."""
        moved = Mask(self.row + round(down * SCALE), self.column + round(right * SCALE), self.covered)
        rows, columns = moved.window
        rows = slice(max(0, rows.start), min(HEIGHT * SCALE, rows.stop))
        columns = slice(max(0, columns.start), min(WIDTH * SCALE, columns.stop))
        return Mask(rows.start, columns.start, moved.seen_in(rows, columns))

    def rim(self) -> Mask:
        """Its outermost line."""
        image = Image.fromarray((self.covered * 255).astype(np.uint8)).filter(ImageFilter.MinFilter(2 * SCALE + 1))
        return Mask(self.row, self.column, np.clip(self.covered - np.asarray(image, dtype=np.float32) / 255, 0, 1))


def places(window: tuple[slice, slice]) -> tuple[Field, Field]:
    """x (one row) and y (one column) of the points of a window, in units of the picture."""
    rows, columns = window
    x = (np.arange(columns.start, columns.stop, dtype=np.float32) + 0.5) / SCALE
    y = (np.arange(rows.start, rows.stop, dtype=np.float32) + 0.5) / SCALE
    return x[None, :], y[:, None]


def window_around(points: Points, margin: float = 3) -> tuple[slice, slice]:
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    left, right = max(0, int((min(xs) - margin) * SCALE)), min(WIDTH * SCALE, int((max(xs) + margin) * SCALE))
    top, foot = max(0, int((min(ys) - margin) * SCALE)), min(HEIGHT * SCALE, int((max(ys) + margin) * SCALE))
    return slice(top, max(foot, top + 1)), slice(left, max(right, left + 1))


def polygon(points: Points) -> Mask:
    return _drawn(points, 2, lambda draw, place: draw.polygon(place(points), fill=255))


def stroke(points: Points, width: float, *, dash: tuple[float, float] | None = None) -> Mask:
    """A pen line along the points; with `dash` (drawn, left out), a row of stitches."""

    def draw_line(draw: ImageDraw.ImageDraw, place: Callable[[Points], Points]) -> None:
        for part in _dashes(points, dash) if dash else [points]:
            draw.line(place(part), fill=255, width=max(1, round(width * SCALE * 2)), joint="curve")

    return _drawn(points, width + 2, draw_line)


def _drawn(points: Points, margin: float, draw_on: Callable[..., None]) -> Mask:
    rows, columns = window_around(points, margin)
    k = SCALE * 2  # drawn at twice the working size again: PIL's own edges are hard

    def place(some: Points) -> Points:
        return [(x * k - columns.start * 2, y * k - rows.start * 2) for x, y in some]

    image = Image.new("L", ((columns.stop - columns.start) * 2, (rows.stop - rows.start) * 2))
    draw_on(ImageDraw.Draw(image), place)
    return Mask(rows.start, columns.start, np.asarray(image.reduce(2), dtype=np.float32) / 255)


def ellipse(x: float, y: float, across: float, down: float) -> Mask:
    window = window_around([(x - across, y - down), (x + across, y + down)])
    px, py = places(window)
    distance = (1 - np.hypot((px - x) / across, (py - y) / down)) * min(across, down)
    return Mask(window[0].start, window[1].start, _covered(distance))


def _covered(distance: Field) -> Field:
    return np.clip(distance * SCALE + 0.5, 0, 1).astype(np.float32)


def _dashes(points: Points, dash: tuple[float, float]) -> list[Points]:
    line = np.array(points)
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    parts = []
    start = 0.0
    while start < along[-1]:
        at = np.linspace(start, min(start + dash[0], along[-1]), 4)
        parts.append(list(zip(np.interp(at, along, line[:, 0]), np.interp(at, along, line[:, 1]), strict=True)))
        start += sum(dash)
    return parts


# --- cloth ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fold:
    """A ridge of cloth from `top` to `foot` (both across the piece, 0..1) that swells from `start` (0..1 down)."""

    top: float
    foot: float
    width: float
    height: float
    start: float = 0.0
    end: float = 2.0


def scattered_folds(
    seed: int, n: int, *, height: float, width: float, spread: float = 1.0, start: float = 0.5, margin: float = 0.06
) -> list[Fold]:
    """n folds, nearly even across the piece, each a little its own; `spread` pulls their tops to the middle."""
    chance = random.Random(seed)
    folds = []
    for i in range(n):
        foot = margin + (1 - 2 * margin) * (i + 0.5 + chance.uniform(-0.28, 0.28)) / n
        folds.append(
            Fold(
                top=0.5 + (foot - 0.5) * spread + chance.uniform(-0.02, 0.02),
                foot=foot,
                width=width * chance.uniform(0.7, 1.25),
                height=height * chance.uniform(0.55, 1.2),
                start=chance.uniform(-0.25, start),
            )
        )
    return folds


def relief_of(folds: list[Fold], u: Field, v: Field) -> Field:
    """The height of all folds together at (u across, v down)."""
    height = np.zeros_like(u)
    for fold in folds:
        at = fold.top + (fold.foot - fold.top) * v
        width = fold.width * (0.45 + 0.55 * np.clip(v, 0, 1))
        swell = smoothstep(v, fold.start, fold.start + 0.75) * (1 - smoothstep(v, fold.end - 0.4, fold.end))
        # steeper on one side than on the other, as cloth falls
        d = (u - at) / width
        height += fold.height * swell * np.exp(-(d**2) * np.where(d > 0, 1.8, 0.8))
    return height


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a piece hangs: its own x and y axes on the picture; `mirrored` for what is on the wearer's other side."""

    x: float = 0.0
    y: float = 0.0
    angle: float = 0.0  # degrees, positive swings the foot outwards (to the left of the picture)
    mirrored: bool = False

    def own(self, x: Field, y: Field) -> tuple[Field, Field]:
        """Places of the picture in the piece's own axes."""
        x = (2 * MIDDLE - x if self.mirrored else x) - self.x
        y = y - self.y
        if not self.angle:
            return x, y
        a = np.radians(self.angle)
        return x * np.cos(a) + y * np.sin(a), -x * np.sin(a) + y * np.cos(a)

    def hung(self, points: Points) -> Points:
        """The other way round: own places on the picture."""
        a = np.radians(self.angle)
        on = [(self.x + x * np.cos(a) - y * np.sin(a), self.y + x * np.sin(a) + y * np.cos(a)) for x, y in points]
        return [(2 * MIDDLE - x, y) for x, y in on] if self.mirrored else on


@dataclass(frozen=True, slots=True)
class Cloth:
    """A piece as it hangs: what it covers, and how high it stands above the paper there."""

    mask: Mask
    height: Field

    def __sub__(self, opening: Mask) -> Cloth:
        return Cloth(self.mask - opening, self.height)


@dataclass(frozen=True, slots=True)
class Piece:
    """A cut piece between two edges (functions of its y) and two ends (functions of u), with its relief."""

    left: Curve
    right: Curve
    top: Curve
    foot: Curve
    folds: list[Fold] = field(default_factory=list)
    gathers: list[Fold] = field(default_factory=list)  # folds measured from the foot upwards
    round_by: float = 0.45
    frame: Frame = Frame(x=MIDDLE)
    flute: float = 0.0  # how far the foot follows the folds
    more: Callable[[Field, Field], Field] | None = None  # extra relief of (u, v)

    def hang(self) -> Cloth:
        across = np.linspace(0, 1, 41, dtype=np.float32)
        low, high = float(self.top(across).min()), float(self.foot(across).max()) + 2 * self.flute * 20
        down = np.linspace(low, high, 60, dtype=np.float32)
        edges = self.frame.hung([*zip(self.left(down), down, strict=True), *zip(self.right(down), down, strict=True)])
        window = window_around(edges)
        x, y = self.frame.own(*places(window))
        left, right = self.left(y), self.right(y)
        width = np.maximum(right - left, 1)
        inside = np.clip((x - left) / width, 0, 1)
        top = self.top(inside)
        foot = self.foot(inside)
        if self.flute:
            foot = foot + self.flute * relief_of(self.folds, inside, np.ones_like(inside))
        v = (y - top) / np.maximum(foot - top, 1)
        mask = _covered(x - left) * _covered(right - x) * _covered(y - top) * _covered(foot - y)
        height = self.round_by * self._smooth_width(y) / 2 * np.sqrt(np.clip(1 - (2 * inside - 1) ** 2, 0.02, 1))
        height = height + relief_of(self.folds, inside, np.clip(v, 0, 1.1))
        if self.gathers:
            height += relief_of(self.gathers, inside, np.clip(1 - v, 0, 1.1))
        if self.more:
            height += self.more(inside, v)
        return Cloth(Mask(window[0].start, window[1].start, mask), height)

    def _smooth_width(self, y: Field) -> Field:
        """The width without the small corners of its curve: light shows them although the outline hides them."""
        near = [y + shift for shift in (-24, -16, -8, 0, 8, 16, 24)]
        return sum(np.maximum(self.right(at) - self.left(at), 1) for at in near) / len(near)


class Canvas:
    """The picture while it is being made."""

    def __init__(self) -> None:
        self.rgb = np.empty((HEIGHT * SCALE, WIDTH * SCALE, 3), dtype=np.float32)
        # what the form and the dress cover: shadows of pieces fall only there
        self.body = Mask(0, 0, np.zeros((HEIGHT * SCALE, WIDTH * SCALE), dtype=np.float32))

    def paint(self, mask: Mask, colour: Colour, opacity: float = 1.0) -> None:
        under = self.rgb[mask.window]
        under += (np.array(colour, dtype=np.float32) - under) * (mask.covered * opacity)[..., None]

    def shade(self, mask: Mask, opacity: float, tint: Colour = (60, 44, 36)) -> None:
        """Darkens towards a tint, as a shadow does, and never to plain grey."""
        self.rgb[mask.window] *= 1 - (mask.covered * opacity)[..., None] * (1 - np.array(tint, dtype=np.float32) / 255)

    def sew(self, cloth: Cloth, dye: Dye, *, shadow: float = 0.35, pen: float = 0.75) -> None:
        """Lays a lit piece of cloth on the picture, its shadow on what lies below, and its outline."""
        mask = cloth.mask
        if shadow:
            self.shade((mask.blurred(7).moved(4, 7) & self.body) - mask, shadow)
        dy, dx = np.gradient(cloth.height, 1 / SCALE)
        facing = (LIGHT[2] - LIGHT[0] * dx - LIGHT[1] * dy) / np.sqrt(1 + dx * dx + dy * dy)
        under = self.rgb[mask.window]
        under += (_tinted((facing - LIGHT[2]) * 1.5, dye) - under) * mask.covered[..., None]
        self.cover(mask)
        if pen:
            self.paint(mask.rim(), dye.pen, pen)

    def cover(self, mask: Mask) -> None:
        body = self.body.covered[mask.window]
        np.maximum(body, mask.covered, out=body)

    def finished(self) -> Image.Image:
        # a grain too fine to see keeps the soft wall from breaking into bands
        grain = np.frombuffer(random.Random(1).randbytes(HEIGHT * WIDTH * SCALE**2), dtype=np.uint8)
        rgb = self.rgb + grain.reshape(HEIGHT * SCALE, WIDTH * SCALE, 1) / np.float32(64) - 1.5
        return Image.fromarray(np.clip(rgb, 0, 255).astype(np.uint8)).reduce(SCALE)


def _tinted(tone: Field, dye: Dye) -> Field:
    stops = np.array([-1.0, -0.42, 0.0, 0.34], dtype=np.float32)
    colours = np.array([dye.deep, dye.shadow, dye.base, dye.light], dtype=np.float32)
    return np.stack([np.interp(tone, stops, colours[:, c]) for c in range(3)], axis=-1).astype(np.float32)


# --- the room and the form ------------------------------------------------------------------------

FLOOR = 1086


def draw_room(canvas: Canvas, *, reach: float) -> None:
    """A plain studio wall with a soft light on it, and the shadow on the floor."""
    x, y = places((slice(0, HEIGHT * SCALE), slice(0, WIDTH * SCALE)))
    glow = np.exp(-(((x - 400) / 470) ** 2 + ((y - 430) / 620) ** 2))
    canvas.rgb[:] = np.array([223, 215, 209]) + (glow[..., None] - 0.55) * np.array([17, 17, 17])
    canvas.rgb += smoothstep(y, FLOOR - 62, FLOOR - 10)[..., None] * np.array([-9, -10, -11])
    canvas.shade(ellipse(MIDDLE + 18, FLOOR + 4, 150, 17).blurred(12), 0.30)
    canvas.shade(ellipse(MIDDLE + 26, FLOOR + 4, reach, 26).blurred(26), 0.22)


def draw_stand(canvas: Canvas) -> None:
    foot = Piece(constant(-92), constant(92), sagging(FLOOR - 26, -12), sagging(FLOOR - 4, 14), round_by=0.2)
    canvas.sew(foot.hang(), WOOD, shadow=0)
    canvas.paint(ellipse(MIDDLE, FLOOR - 25, 90, 13), (164, 118, 80))
    canvas.paint(ellipse(MIDDLE, FLOOR - 26, 16, 4), (110, 74, 46))
    pole = Piece(constant(-7), constant(7), constant(560), constant(FLOOR - 26), round_by=1.0)
    canvas.sew(pole.hang(), BRASS, shadow=0)


def draw_form(canvas: Canvas) -> None:
    """A tailor's form in linen with a turned wooden cap."""
    half = through((168, 38), (190, 39), (205, 46), (217, 70), (229, 96), (243, 108), (268, 106), (300, 101),
                   (335, 109), (370, 108), (420, 88), (456, 77), (500, 92), (560, 118), (610, 118),
                   (626, 112))  # fmt: skip
    torso = Piece(lambda y: -half(y), half, sagging(166, 5), sagging(624, 16), round_by=0.5)
    canvas.sew(torso.hang(), LINEN, shadow=0)
    canvas.paint(stroke([(MIDDLE, 172), (MIDDLE, 630)], 1.2), LINEN.pen, 0.35)
    canvas.paint(stroke(bezier((MIDDLE - 39, 188), (MIDDLE, 200), (MIDDLE + 39, 188)), 1.2), LINEN.pen, 0.35)
    cap = Piece(constant(-38), constant(38), sagging(150, -8), sagging(165, 6), round_by=0.5)
    canvas.sew(cap.hang(), WOOD, shadow=0.3)
    canvas.paint(ellipse(MIDDLE, 151, 37, 8), (170, 124, 86))
    turned = through((118, 6), (124, 11), (132, 13), (140, 8), (146, 7), (153, 12))
    knob = Piece(lambda y: -turned(y), turned, constant(116), sagging(152, 3), round_by=0.9)
    canvas.sew(knob.hang(), WOOD, shadow=0)


def sagging(level: float, sag: float) -> Curve:
    """A line at `level` that hangs (or, negative, rises) by `sag` in the middle: a circle seen a little from above."""
    return lambda u: level + sag * (1 - (2 * u - 1) ** 2)


# --- what all cuts share --------------------------------------------------------------------------

SHOULDER = through((0.0, 238), (0.06, 228), (0.28, 203), (0.36, 194), (0.64, 194), (0.72, 203), (0.94, 228), (1.0, 238))
BODICE_HALF = through((194, 112), (238, 112), (264, 106), (300, 103), (338, 114), (372, 112), (420, 92), (458, 81))
WAIST = 458


def bodice(folds: list[Fold], *, ease: float = 0.0) -> Cloth:
    def half(y: Field) -> Field:
        return BODICE_HALF(y) + ease * smoothstep(y, 320, 400)

    def bust(u: Field, v: Field) -> Field:
        y = 196 + v * (WAIST - 196)
        return 13 * sum(np.exp(-(((u - side) / 0.16) ** 2) - ((y - 336) / 46) ** 2) for side in (0.29, 0.71))

    return Piece(
        lambda y: -half(y), half, SHOULDER, sagging(WAIST, 7), folds=folds, more=bust, round_by=0.42
    ).hang()  # fmt: skip


def pulls_into_waist(seed: int, height: float) -> list[Fold]:
    """Small creases that run from the bust into the waist seam."""
    chance = random.Random(seed)
    return [
        Fold(top, 0.5 + (top - 0.5) * 0.8, 0.035, height * chance.uniform(0.5, 1.1), start=chance.uniform(0.35, 0.5))
        for top in (0.14, 0.24, 0.34, 0.66, 0.76, 0.86)
    ]


def gathers_at(places_across: list[float], *, width: float, height: float, reach: float) -> list[Fold]:
    """Short folds that are deepest at the seam and are gone after `reach` of the piece."""
    return [Fold(at, 0.5 + (at - 0.5) * 1.05, width, height, start=-0.75, end=reach) for at in places_across]


def evenly(n: int, margin: float = 0.1) -> list[float]:
    return [float(t) for t in np.linspace(margin, 1 - margin, n)]


def on_both_arms(sleeve: Callable[[bool], Piece]) -> list[Piece]:
    return [sleeve(False), sleeve(True)]


def lay_inside(canvas: Canvas, dye: Dye, mask: Mask) -> None:
    """The inner side of the cloth, where one looks into the dress."""
    canvas.paint(mask, dye.deep)
    canvas.shade(mask, 0.3)
    canvas.paint(mask.rim(), dye.pen, 0.5)
    canvas.cover(mask)


def lay_cuff(canvas: Canvas, dye: Dye, frame: Frame, *, half: float, top: float, foot: float) -> None:
    """The band at the end of a sleeve, and the dark opening that shows below it."""
    opening = Piece(constant(-half + 2), constant(half - 2), constant(foot - 6), sagging(foot - 3, 9), frame=frame)
    band = Piece(constant(-half), constant(half), sagging(top, 5), sagging(foot, 5), frame=frame, round_by=0.5)
    lay_inside(canvas, dye, opening.hang().mask)
    canvas.sew(band.hang(), dye, shadow=0.25)


def seam(canvas: Canvas, dye: Dye, points: Points, on: Cloth, *, stitched: bool = False, opacity: float = 0.5) -> None:
    """A seam on a piece, and with it a row of stitches below; both end where the piece ends."""
    canvas.paint(stroke(points, 1.3) & on.mask, dye.pen, opacity)
    if stitched:
        stitches = stroke([(x, y + 4.5) for x, y in points], 1.0, dash=(4.0, 3.2))
        canvas.paint(stitches & on.mask, dye.pen, opacity * 0.75)


def button(canvas: Canvas, dye: Dye, x: float, y: float, radius: float = 5.0) -> None:
    canvas.shade(ellipse(x + 1.5, y + 2.5, radius, radius).blurred(1.5), 0.4)
    disc = ellipse(x, y, radius, radius)
    canvas.paint(disc, dye.light)
    canvas.paint(disc.rim(), dye.pen, 0.7)
    for dx in (-1.5, 1.5):
        canvas.paint(ellipse(x + dx, y, 0.8, 0.8), dye.pen, 0.8)


def along_hem(piece: Piece, lift: float) -> Points:
    """A line that runs `lift` above the foot of a hanging piece, for its hem stitches."""
    u = np.linspace(0.02, 0.98, 160, dtype=np.float32)
    y = piece.foot(u) - lift
    if piece.flute:
        y = y + piece.flute * relief_of(piece.folds, u, np.ones_like(u))
    left, right = piece.left(y), piece.right(y)
    return [(MIDDLE + float(a + (b - a) * t), float(c)) for a, b, t, c in zip(left, right, u, y, strict=True)]


def mirrored(points: Points) -> Points:
    return [(2 * MIDDLE - x, y) for x, y in points]


# --- the four cuts --------------------------------------------------------------------------------


def sew_puff_mini(canvas: Canvas, dye: Dye) -> None:
    """Short sleeves, short: square neck, puff sleeves, buttons down to a wide swinging skirt."""
    half = through((458, 80), (480, 92), (560, 140), (660, 184), (760, 214), (800, 222))
    skirt = Piece(
        lambda y: -half(y), half, sagging(452, 7), sagging(738, 22),
        folds=scattered_folds(11, 11, height=19, width=0.05, spread=0.86, start=0.3), flute=0.85, round_by=0.32,
    )  # fmt: skip
    inside = Piece(lambda y: 8 - half(y), lambda y: half(y) - 8, constant(640), sagging(734, 18))
    lay_inside(canvas, dye, inside.hang().mask)
    draw_form(canvas)
    swell = through((-21, 3), (-14, 24), (4, 46), (30, 60), (60, 64), (88, 53), (102, 45))
    for sleeve in on_both_arms(lambda far: Piece(
        lambda y: -swell(y), swell, constant(-21), sagging(102, 4),
        folds=gathers_at(evenly(7), width=0.06, height=9, reach=0.75),
        gathers=gathers_at(evenly(7), width=0.06, height=9, reach=0.75),
        frame=Frame(MIDDLE - 112, 240, 22, mirrored=far), round_by=0.5,
    )):  # fmt: skip
        canvas.sew(sleeve.hang(), dye)
        lay_cuff(canvas, dye, sleeve.frame, half=46, top=100, foot=115)
    hung = skirt.hang()
    canvas.sew(hung, dye)
    edge = [*bezier((386, 206), (384, 250), (388, 268)), *bezier((388, 268), (450, 278), (512, 268)),
            *bezier((512, 268), (516, 250), (514, 206))]  # fmt: skip
    front = bodice(pulls_into_waist(3, 5)) - polygon([(386, 150), *edge, (514, 150)])
    canvas.sew(front, dye)
    seam(canvas, dye, bezier((384, 273), (450, 283), (516, 273)), front, opacity=0.4)
    for side in (-1, 1):
        seam(
            canvas,
            dye,
            bezier((450 + side * 66, 272), (450 + side * 58, 350), (450 + side * 36, 462)),
            front,
            opacity=0.4,
        )
    seam(canvas, dye, bezier((369, 459), (450, 472), (531, 459)), hung, stitched=True)
    seam(canvas, dye, [(459, 278), (459, 465)], front)
    for y in (295, 330, 365, 400, 435):
        button(canvas, dye, MIDDLE, y)
    seam(canvas, dye, along_hem(skirt, 15), hung, stitched=True, opacity=0.3)


def sew_wrap_maxi(canvas: Canvas, dye: Dye) -> None:
    """Short sleeves, long: a wrap with a deep V, fluttering sleeves, a tied waist and a skirt that crosses over."""
    half = through((458, 80), (490, 98), (580, 132), (760, 164), (920, 190), (1040, 208))
    skirt = Piece(
        lambda y: -half(y), half, sagging(452, 7), sagging(1012, 18),
        folds=scattered_folds(23, 9, height=17, width=0.058, spread=0.9, start=0.3), flute=0.6, round_by=0.36,
    )  # fmt: skip
    inside = Piece(lambda y: 8 - half(y), lambda y: half(y) - 8, constant(900), sagging(1008, 14))
    lay_inside(canvas, dye, inside.hang().mask)
    draw_form(canvas)
    flare = through((-17, 3), (-10, 22), (4, 36), (30, 50), (70, 68), (118, 84))
    for sleeve in on_both_arms(lambda far: Piece(
        lambda y: -flare(y), flare, constant(-17), sagging(96, 14),
        folds=[Fold(0.5 + (t - 0.5) * 0.6, t, 0.06, 10, -0.1) for t in (0.12, 0.3, 0.47, 0.66, 0.85)],
        frame=Frame(MIDDLE - 108, 240, 27, mirrored=far), flute=0.9, round_by=0.45,
    )):  # fmt: skip
        canvas.sew(sleeve.hang(), dye)
    hung = skirt.hang()
    canvas.sew(hung, dye)
    edge = bezier((490, 462), (512, 640), (500, 850), (546, 1036))
    over = polygon([*edge, (150, 1100), (150, 462)]) & hung.mask
    canvas.shade((over.blurred(8).moved(6, 0) & hung.mask) - over, 0.42)
    seam(canvas, dye, edge, hung, opacity=0.75)
    left, right = bezier((384, 203), (404, 280), (462, 384)), bezier((462, 384), (508, 280), (516, 203))
    front = bodice(pulls_into_waist(5, 4)) - polygon([(384, 150), *left, *right, (516, 150)])
    canvas.sew(front, dye)
    crossing = [*left, *bezier((462, 384), (490, 420), (530, 446))]
    over = polygon([*crossing, (540, 470), (300, 470), (300, 220)]) & front.mask
    canvas.shade((over.blurred(6).moved(3, 3) & front.mask) - over, 0.4)
    seam(canvas, dye, crossing, front, opacity=0.7)
    seam(canvas, dye, [(x - 6, y + 3) for x, y in left], front, opacity=0.3)
    seam(canvas, dye, [(x + 6, y + 3) for x, y in right], front, opacity=0.3)
    belt = Piece(constant(-82), constant(82), sagging(448, 8), sagging(470, 8), round_by=0.42,
                 folds=[Fold(0.2, 0.3, 0.1, 2), Fold(0.6, 0.55, 0.1, 2)])  # fmt: skip
    canvas.sew(belt.hang(), dye)
    for angle, length, at in ((9, 150, 44), (-5, 176, 52)):
        tail = Piece(through((0, -6), (length, -11)), through((0, 6), (length, 10)), constant(0), sagging(length, -5),
                     frame=Frame(MIDDLE + at, 466, angle), round_by=0.5)  # fmt: skip
        canvas.sew(tail.hang(), dye)
    loop = through((0, 5), (14, 12), (34, 15), (50, 9), (56, 2))
    for angle in (58, -70):
        bow = Piece(
            lambda y: -loop(y), loop, constant(0), constant(56), frame=Frame(MIDDLE + 48, 460, angle), round_by=0.6
        )
        canvas.sew(bow.hang(), dye)
    knot = Piece(constant(-9), constant(9), sagging(450, -3), sagging(474, 3), frame=Frame(MIDDLE + 48), round_by=0.7)
    canvas.sew(knot.hang(), dye)
    seam(canvas, dye, along_hem(skirt, 15), hung, stitched=True, opacity=0.3)


def sew_shirt_mini(canvas: Canvas, dye: Dye) -> None:
    """Long sleeves, short: a shirt dress with a collar, a belt, patch pockets and a shirt-tail hem."""
    half = through((458, 84), (490, 100), (560, 126), (660, 142), (780, 156))
    tail = through((0, 704), (0.14, 722), (0.32, 764), (0.5, 774), (0.68, 764), (0.86, 722), (1, 704))
    back = through((0, 702), (0.1, 728), (0.3, 748), (0.5, 754), (0.7, 748), (0.9, 728), (1, 702))
    skirt = Piece(
        lambda y: -half(y), half, sagging(452, 7), tail,
        folds=scattered_folds(37, 6, height=11, width=0.06, spread=0.9, start=0.25), round_by=0.4, flute=0.2,
    )  # fmt: skip
    inside = Piece(lambda y: 3 - half(y), lambda y: half(y) - 3, constant(640), back)
    lay_inside(canvas, dye, inside.hang().mask)
    lay_inside(canvas, dye, polygon([(399, 206), *bezier((408, 184), (450, 176), (492, 184)), (501, 206)]))
    draw_form(canvas)
    arm = through((-20, 3), (-12, 22), (6, 36), (44, 43), (150, 40), (240, 38), (296, 41), (318, 34))
    for sleeve in on_both_arms(lambda far: Piece(
        lambda y: -arm(y), arm, constant(-20), sagging(316, 5),
        folds=[Fold(0.2, 0.55, 0.09, 7, 0.25, 0.75), Fold(0.85, 0.45, 0.09, 7, 0.1, 0.6),
               Fold(0.75, 0.3, 0.08, 6, 0.45, 0.95)],
        gathers=gathers_at(evenly(4, 0.2), width=0.06, height=7, reach=0.35),
        frame=Frame(MIDDLE - 106, 242, 13, mirrored=far), round_by=0.55,
    )):  # fmt: skip
        canvas.sew(sleeve.hang(), dye)
        lay_cuff(canvas, dye, sleeve.frame, half=34, top=314, foot=350)
    hung = skirt.hang()
    canvas.sew(hung, dye)
    opening = polygon(
        [
            (400, 150),
            *bezier((398, 196), (420, 240), (452, 292)),
            *bezier((452, 292), (482, 240), (502, 196)),
            (500, 150),
        ]
    )
    front = bodice(pulls_into_waist(9, 6), ease=7) - opening
    canvas.sew(front, dye)
    for side in (-1, 1):
        seam(
            canvas,
            dye,
            bezier((450 + side * 110, 248), (450 + side * 70, 256), (450 + side * 60, 252)),
            front,
            opacity=0.35,
        )
        pocket = polygon([(450 + side * x, y) for x, y in ((34, 322), (84, 318), (82, 370), (59, 382), (36, 372))])
        canvas.shade((pocket.blurred(3) & front.mask) - pocket, 0.3)
        canvas.paint(pocket.rim(), dye.pen, 0.55)
        seam(canvas, dye, [(450 + side * 34, 332), (450 + side * 84, 328)], front, stitched=True, opacity=0.45)
    for x in (-11, 13):
        seam(canvas, dye, [(MIDDLE + x, 270), (MIDDLE + x, 470)], front)
        seam(canvas, dye, [(MIDDLE + x, 460), (MIDDLE + x, 790)], hung)
        canvas.paint(stroke([(MIDDLE + x * 0.62, 306), (MIDDLE + x * 0.62, 768)], 0.9, dash=(4, 3.2)), dye.pen, 0.3)
    wing = [*bezier((447, 296), (428, 246), (409, 190)), *bezier((409, 190), (400, 182), (390, 196)),
            *bezier((390, 196), (374, 232), (362, 268)), *bezier((362, 268), (398, 272), (424, 262)),
            (447, 296)]  # fmt: skip
    for points in (mirrored(wing), wing):
        part = polygon(points)
        canvas.sew(Cloth(part, 5 * part.blurred(5).seen_in(*part.window)), dye, shadow=0.5)
    leather = DYES["ivory"] if dye is DYES["red"] else WOOD
    belt = Piece(constant(-88), constant(88), sagging(444, 8), sagging(472, 8), round_by=0.4)
    canvas.sew(belt.hang(), leather)
    canvas.paint(ellipse(MIDDLE, 466, 21, 19), BRASS.base)
    canvas.paint(ellipse(MIDDLE, 466, 21, 19).rim(), BRASS.pen, 0.8)
    canvas.paint(ellipse(MIDDLE, 466, 14, 12), leather.shadow)
    canvas.paint(stroke([(430, 466), (462, 466)], 3), BRASS.light)
    for y in (314, 350, 386, 422, 510, 556, 602, 648, 694):
        button(canvas, dye, MIDDLE + 1, y, 4.4)
    seam(canvas, dye, along_hem(skirt, 12), hung, stitched=True, opacity=0.35)


def sew_tiered_maxi(canvas: Canvas, dye: Dye) -> None:
    """Long sleeves, long: a gathered round neck, bishop sleeves and three tiers down to the floor."""
    tiers = [(458, 628, through((458, 90), (490, 108), (560, 133), (640, 150)), 9),
             (618, 820, through((618, 140), (650, 168), (740, 192), (830, 206)), 13),
             (806, 1040, through((806, 196), (840, 220), (940, 246), (1050, 262)), 17)]  # fmt: skip
    lowest = tiers[-1][2]
    inside = Piece(lambda y: 8 - lowest(y), lambda y: lowest(y) - 8, constant(950), sagging(1034, 10))
    lay_inside(canvas, dye, inside.hang().mask)
    draw_form(canvas)
    bishop = through((-21, 3), (-13, 24), (6, 40), (60, 50), (160, 56), (250, 72), (300, 70), (326, 34))
    for sleeve in on_both_arms(lambda far: Piece(
        lambda y: -bishop(y), bishop, constant(-21), sagging(324, 5),
        folds=[*gathers_at(evenly(7)[1:-1], width=0.07, height=8, reach=0.55),
               Fold(0.3, 0.25, 0.1, 9, 0.2, 0.95), Fold(0.65, 0.7, 0.1, 9, 0.3, 0.95)],
        gathers=gathers_at(evenly(7), width=0.055, height=13, reach=0.6),
        frame=Frame(MIDDLE - 106, 242, 15, mirrored=far), round_by=0.5,
    )):  # fmt: skip
        canvas.sew(sleeve.hang(), dye)
        lay_cuff(canvas, dye, sleeve.frame, half=30, top=322, foot=348)
    for i, (top, foot, half, n) in reversed(list(enumerate(tiers))):
        chance = random.Random(50 + i)
        gathers = [
            Fold(t, t, 0.4 / n, 9 * chance.uniform(0.5, 1.1), -0.75, chance.uniform(0.3, 0.6))
            for t in evenly(n * 2, 0.04)
        ]
        tier = Piece(
            lambda y, half=half: -half(y), half, sagging(top, 7 + 3 * i), sagging(foot, 14 + 3 * i),
            folds=scattered_folds(60 + i, n, height=12 + 2 * i, width=0.6 / n, spread=0.95, start=0.2) + gathers,
            flute=0.5, round_by=0.3,
        )  # fmt: skip
        hung = tier.hang()
        canvas.sew(hung, dye, shadow=0.5)
        seam(canvas, dye, along_hem(tier, 9), hung, opacity=0.25)
    neck = [Fold(0.5 + (t - 0.5) * 0.42, 0.5 + (t - 0.5) * 0.9, 0.04, 6, -0.6, 0.55) for t in evenly(12, 0.08)]
    ring = bezier((403, 186), (404, 236), (450, 238), (496, 236), (497, 186))
    front = bodice(neck + pulls_into_waist(13, 6), ease=10) - polygon([(403, 150), *ring, (497, 150)])
    canvas.sew(front, dye)
    outer = [(450 + (x - 450) * 1.17, y + 11 + 2.2 * np.sin(k * 1.3)) for k, (x, y) in enumerate(ring)]
    ruffle = polygon([*ring, *reversed(outer)]) & front.mask
    x, y = places(ruffle.window)
    crimps = 2 * np.sin(np.arctan2(y - 180, x - 450) * 46)
    canvas.sew(Cloth(ruffle, 7 * ruffle.blurred(5).seen_in(*ruffle.window) + crimps), dye, shadow=0.45)
    for side in (-1, 1):
        tie = bezier((450, 240), (450 + side * 10, 290), (450 + side * 17, 338))
        canvas.paint(stroke(tie, 3.2), dye.pen, 0.75)
        canvas.paint(stroke(tie, 1.8), dye.base)
        tassel = ellipse(450 + side * 17, 342, 4.2, 7)
        canvas.paint(tassel, dye.shadow)
        canvas.paint(tassel.rim(), dye.pen, 0.7)
    seam(canvas, dye, bezier((358, 459), (450, 473), (542, 459)), hung, stitched=True)


CUTS: dict[str, tuple[Callable[[Canvas, Dye], None], float]] = {
    # name: (who sews it, how far its shadow reaches on the floor)
    "short-mini": (sew_puff_mini, 190),
    "short-maxi": (sew_wrap_maxi, 235),
    "long-mini": (sew_shirt_mini, 180),
    "long-maxi": (sew_tiered_maxi, 285),
}


def draw_dress(dye: Dye, cut: str) -> Image.Image:
    """One dress on its form, 900 x 1200 RGB; the same pixels whenever it is called."""
    sew, reach = CUTS[cut]
    canvas = Canvas()
    draw_room(canvas, reach=reach)
    draw_stand(canvas)
    sew(canvas, dye)
    return canvas.finished()


def draw_poor_picture(cut: str, *, turned: float, seed: int) -> Image.Image:
    """A picture that nobody prefers: crumpled cloth of a dull colour, hung crooked, badly lit, out of focus."""
    chance = random.Random(seed)
    picture = draw_dress(MUD, cut)
    waves = [
        (chance.uniform(0.004, 0.02), chance.uniform(0.004, 0.02), chance.uniform(0, 6.28), chance.uniform(2, 5))
        for _ in range(9)
    ]

    def crumpled(x: float, y: float) -> tuple[float, float]:
        shift = [size * np.sin(6.28 * (a * x + b * y) + at) for a, b, at, size in waves]
        return x + float(sum(shift[:5])), y + float(sum(shift[5:]))

    step = 30
    mesh = []
    for y in range(0, HEIGHT, step):
        for x in range(0, WIDTH, step):
            corners = [(x, y), (x, y + step), (x + step, y + step), (x + step, y)]
            mesh.append(((x, y, x + step, y + step), tuple(v for corner in corners for v in crumpled(*corner))))
    picture = picture.transform((WIDTH, HEIGHT), Image.Transform.MESH, mesh, Image.Resampling.BICUBIC)
    # larger than the frame before it is turned, so that no empty corner shows
    picture = picture.resize((WIDTH * 5 // 4, HEIGHT * 5 // 4)).rotate(turned, Image.Resampling.BICUBIC)
    picture = picture.crop((WIDTH // 8 + 30, HEIGHT // 8 - 25, WIDTH // 8 + 30 + WIDTH, HEIGHT // 8 - 25 + HEIGHT))
    picture = picture.resize((WIDTH // 4, HEIGHT // 4), Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(1.1))
    pixels = np.asarray(picture.resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR), dtype=np.float32)
    x, y = np.arange(WIDTH)[None, :, None] / WIDTH, np.arange(HEIGHT)[:, None, None] / HEIGHT
    lamp = 0.34 + 0.5 * np.exp(-(((x - 0.95) / 0.5) ** 2) - ((y - 0.08) / 0.5) ** 2)  # one lamp, in the wrong corner
    return Image.fromarray(np.clip(pixels * lamp * np.array([1.02, 0.97, 0.72]), 0, 255).astype(np.uint8))


POOR_PICTURES = {"decoy-crooked": ("long-mini", 6.5, 5), "decoy-dim": ("short-maxi", -6.5, 9)}


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the dresses of the sample test.")
    parser.add_argument("out", nargs="?", type=Path, default=Path(__file__).parent / "summer-dresses")
    parser.add_argument("--only", default="", help="draw only the pictures whose name contains this")
    parser.add_argument("--png", action="store_true", help="PNG instead of WebP, to look at")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for colour in DYES:
        for cut in CUTS:
            name = f"{colour}-{cut}"
            if arguments.only in name:
                save(draw_dress(DYES[colour], cut), arguments.out / name, png=arguments.png)
    for name, (cut, turned, seed) in POOR_PICTURES.items():
        if arguments.only in name:
            save(draw_poor_picture(cut, turned=turned, seed=seed), arguments.out / name, png=arguments.png)


def save(picture: Image.Image, path: Path, *, png: bool) -> None:
    if png:
        picture.save(path.with_suffix(".png"))
    else:
        picture.save(path.with_suffix(".webp"), quality=84, method=6)


if __name__ == "__main__":
    main()
