"""Merchants' pictures: what is refused, what is warned of, and that nothing but pixels comes through."""

import contextlib
import io
import os
import random
import string
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageDraw, ImageFilter
from PIL.PngImagePlugin import PngInfo

from server.pictures import (
    MAX_BYTES,
    WARNINGS,
    WIDTHS,
    CheckedPicture,
    PictureRefused,
    check_picture,
    near_duplicates,
)

SAMPLES = Path(__file__).parents[2] / "samples" / "summer-dresses"
EXAMPLES = 300 if os.environ.get("XUANKUAN_DEEP") else 40


def a_dress(width: int = 300, height: int = 400, *, colour: str = "crimson", mode: str = "RGB") -> Image.Image:
    """A plain drawing of a dress on a plain wall."""
    picture = Image.new("RGB", (width, height), (236, 232, 226))
    draw = ImageDraw.Draw(picture)
    shape = [(0.4, 0.15), (0.6, 0.15), (0.58, 0.4), (0.8, 0.9), (0.2, 0.9), (0.42, 0.4)]
    draw.polygon([(x * width, y * height) for x, y in shape], fill=colour, outline="black")
    for i in range(6):
        draw.line(
            [(width * (0.44 + 0.02 * i), height * 0.42), (width * (0.26 + 0.09 * i), height * 0.88)], fill="black"
        )
    return picture.convert(mode)


def saved(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def decoded(checked: CheckedPicture, size: str = "large") -> Image.Image:
    encoded = next(one for one in checked.sizes if one.size == size)
    return Image.open(io.BytesIO(encoded.data), formats=["WEBP"])


def code_of(data: bytes, name: str = "dress.jpg") -> str:
    with pytest.raises(PictureRefused) as refusal:
        check_picture(data, name=name)
    assert name in str(refusal.value)
    assert name in refusal.value.sentence_zh
    return refusal.value.code


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


def riff_chunks(data: bytes) -> list[bytes]:
    at, kinds = 12, []
    while at < len(data):
        kinds.append(data[at : at + 4])
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + length + length % 2
    return kinds


# --- what comes through ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_good_picture_comes_in_three_sizes_named_by_its_content(kind: str):
    checked = check_picture(saved(a_dress(1200, 1600), kind, quality=95), name="dress")
    assert [(one.size, one.width, one.height) for one in checked.sizes] == [
        ("small", 360, 480), ("medium", 720, 960), ("large", 1080, 1440),
    ]  # fmt: skip
    assert sorted(checked.files) == sorted(f"{checked.key}-{size}.webp" for size in WIDTHS)
    assert len(checked.key) == 64
    assert set(checked.key) <= set(string.hexdigits.lower())
    assert checked.warnings == ()
    for size, width in WIDTHS.items():
        assert decoded(checked, size).size == (width, width * 4 // 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_picture_far_larger_than_needed_comes_out_as_any_other(kind: str):
    """It is decoded at a fraction of its size; what is told of it and what is shown are the same."""
    checked = check_picture(saved(a_dress(3600, 4800), kind), name="large")
    plain = check_picture(saved(a_dress(3600, 4800).resize((1080, 1440), Image.Resampling.LANCZOS)), name="plain")
    assert (checked.width, checked.height) == (3600, 4800)
    assert [(one.width, one.height) for one in checked.sizes] == [(360, 480), (720, 960), (1080, 1440)]
    difference = np.asarray(decoded(checked), dtype=np.int16) - np.asarray(decoded(plain), dtype=np.int16)
    assert np.abs(difference).mean() < 1.5


def test_the_same_picture_has_the_same_key_whatever_it_is_called():
    data = saved(a_dress())
    assert check_picture(data, name="a.png").key == check_picture(data, name="b.png").key
    assert check_picture(data, name="a.png").key != check_picture(saved(a_dress(colour="navy")), name="a.png").key


def test_a_small_picture_is_never_blown_up():
    checked = check_picture(saved(a_dress(300, 400)), name="small.png")
    assert {(one.width, one.height) for one in checked.sizes} == {(300, 400)}
    assert "picture_low_resolution" in checked.warnings


def secret_exif(orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F] = "SecretPhone"
    exif[0x0112] = orientation
    exif.get_ifd(0x8825)[2] = (31.0, 13.0, 0.0)
    return exif


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_metadata_do_not_come_through(kind: str):
    text = PngInfo()
    text.add_text("Comment", "Secret")
    options = {
        "JPEG": {"comment": b"Secret", "xmp": b"<x:xmpmeta>Secret</x:xmpmeta>"},
        "PNG": {"pnginfo": text},
        "WEBP": {"xmp": b"<x:xmpmeta>Secret</x:xmpmeta>"},
    }[kind]
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    upload = saved(a_dress(), kind, exif=secret_exif(), icc_profile=profile, **options)
    assert upload.count(b"Secret") >= 2
    for data in check_picture(upload, name="phone").files.values():
        assert b"Secret" not in data
        assert set(riff_chunks(data)) <= {b"VP8 ", b"VP8L"}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("exif", [b"", b"MM", b"II*\0\x08\0\0\0\xff\xff" + b"\xff" * 40, b"\0" * 300, b"\xff" * 300])
def test_damaged_exif_does_no_harm(kind: str, exif: bytes):
    checked = check_picture(saved(a_dress(), kind, exif=b"Exif\0\0" + exif), name="odd")
    assert (checked.width, checked.height) == (300, 400)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_that_a_camera_noted_is_applied(orientation: int, kind: str):
    """Whatever way the phone was held, what comes out is what the photographer saw."""
    seen = a_dress(300, 400)
    seen.paste("blue", (0, 0, 60, 60))
    turned_by_camera = {
        1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]  # fmt: skip
    stored = seen if turned_by_camera is None else seen.transpose(turned_by_camera)
    checked = check_picture(saved(stored, kind, quality=95, exif=secret_exif(orientation)), name="turned")
    assert (checked.width, checked.height) == (300, 400)
    red, _, blue = decoded(checked).convert("RGB").getpixel((20, 20))
    assert blue > 200 > 60 > red


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_every_kind_of_png_becomes_plain_colour(mode: str):
    if mode == "I;16":
        grey = np.asarray(a_dress().convert("L")).astype(np.uint16) * 257
        picture = Image.fromarray(grey)
        assert picture.mode == "I;16"
    else:
        picture = a_dress(mode=mode)
    shown = decoded(check_picture(saved(picture), name="dress.png"))
    assert shown.mode == "RGB"
    assert shown.getpixel((5, 5))[0] > 200  # the wall stays light: nothing is clipped or inverted
    assert max(shown.getpixel((150, 300))[1:]) < 140


def test_a_cmyk_picture_keeps_its_colours():
    shown = decoded(check_picture(saved(a_dress(mode="CMYK"), "JPEG", quality=95), name="print.jpg"))
    red, green, blue = shown.getpixel((150, 300))
    assert red > 150
    assert max(green, blue) < 90


@pytest.mark.parametrize("form", ["palette", "alpha", "half"])
def test_what_is_transparent_becomes_white(form: str):
    picture = a_dress(mode="RGBA")
    picture.paste((0, 0, 0, 0), (0, 0, 300, 40))
    data = saved(picture.convert("P"), transparency=0) if form == "palette" else saved(picture)
    if form == "palette":
        black = Image.new("P", (300, 400), 0)
        black.putpalette([0, 0, 0, 200, 30, 40])
        black.paste(1, (100, 100, 200, 300))
        data = saved(black, transparency=0)
    if form == "half":
        data = saved(picture.convert("LA"))
    assert min(decoded(check_picture(data, name="cut-out.png")).getpixel((150, 10))) > 245


def test_colours_are_read_by_the_profile_that_comes_with_them():
    """A profile that calls red green must turn a red dress green."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"swap").replace(b"gXYZ", b"rXYZ").replace(b"swap", b"gXYZ")
    shown = decoded(check_picture(saved(a_dress(colour="red"), icc_profile=swapped), name="p3.png"))
    red, green, _ = shown.getpixel((150, 300))
    assert green > 200 > 80 > red


def test_a_broken_profile_is_ignored():
    checked = check_picture(saved(a_dress(colour="red"), icc_profile=b"no profile at all"), name="broken.png")
    assert decoded(checked).getpixel((150, 300))[0] > 200


def test_what_phones_append_to_a_picture_is_dropped():
    film = struct.pack(">I", 24) + b"ftypmp42" + b"\0" * 4000 + b"secret film"
    checked = check_picture(saved(a_dress(), "JPEG") + film, name="live.jpg")
    assert all(b"secret film" not in data for data in checked.files.values())


# --- what is refused ------------------------------------------------------------------------------


def a_zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("payload.exe", b"MZ" + b"\0" * 100)
    return out.getvalue()


def an_animation(kind: str) -> bytes:
    return saved(a_dress(), kind, save_all=True, append_images=[a_dress(colour="navy")], duration=100)


REFUSED: dict[str, tuple[str, Callable[[], bytes]]] = {
    "nothing at all": ("picture_empty", lambda: b""),
    "text": ("picture_format", lambda: b"hello" * 100),
    "a program named .jpg": ("picture_format", lambda: b"MZ\x90\0" + b"\0" * 5000),
    "another program": ("picture_format", lambda: b"\x7fELF" + b"\0" * 5000),
    "an SVG": ("picture_format", lambda: b'<?xml version="1.0"?><svg xmlns="x"><script>alert(1)</script></svg>'),
    "a web page": ("picture_format", lambda: b"<!DOCTYPE html><html></html>"),
    "a GIF": ("picture_format", lambda: saved(a_dress(), "GIF")),
    "a BMP": ("picture_format", lambda: saved(a_dress(), "BMP")),
    "a TIFF": ("picture_format", lambda: saved(a_dress(), "TIFF")),
    "an HEIC": ("picture_format", lambda: b"\0\0\0\x18ftypheic" + b"\0" * 500),
    "a PDF": ("picture_format", lambda: b"%PDF-1.7\n" + b"x" * 500),
    "more bytes than allowed": ("picture_too_heavy", lambda: saved(a_dress()) + b"\0" * MAX_BYTES),
    "20 000 x 20 000 as PNG": ("picture_too_large", lambda: png_header(20_000, 20_000) + png_chunk(b"IDAT", b"")),
    "20 000 x 20 000 as JPEG": (
        "picture_too_large",
        lambda: b"\xff\xd8\xff\xc0\0\x11\x08" + struct.pack(">HH", 20_000, 20_000) + b"\x03\x01\x22\0\x02\x11\x01",
    ),
    "16 384 x 16 384 as WebP": (
        "picture_too_large",
        lambda: b"RIFF\x40\0\0\0WEBPVP8X\x0a\0\0\0" + b"\0" * 4 + b"\xff\x3f\0\xff\x3f\0" + b"\0" * 40,
    ),
    "a PNG of -1 x -1": ("picture_too_large", lambda: png_header(0xFFFFFFFF, 0xFFFFFFFF)),
    "a PNG of 0 x 0": ("picture_too_small", lambda: png_header(0, 0)),
    "a stamp": ("picture_too_small", lambda: saved(a_dress(60, 80))),
    "a strip": ("picture_too_long", lambda: saved(a_dress(200, 900))),
    "only a PNG header": ("picture_truncated", lambda: png_header(300, 400)),
    "only a JPEG signature": ("picture_truncated", lambda: b"\xff\xd8\xff"),
    "only a WebP signature": ("picture_truncated", lambda: b"RIFF\0\0\0\0WEBP"),
    "half a PNG": ("picture_truncated", lambda: saved(a_dress())[:900]),
    "half a JPEG": ("picture_truncated", lambda: saved(a_dress(), "JPEG")[:4000]),
    "half a WebP": ("picture_truncated", lambda: saved(a_dress(), "WEBP")[:1500]),
    "an animated PNG": ("picture_animated", lambda: an_animation("PNG")),
    "an animated WebP": ("picture_animated", lambda: an_animation("WEBP")),
    "a JPEG that is a ZIP": ("picture_polyglot", lambda: saved(a_dress(), "JPEG") + a_zip()),
    "a PNG that is a ZIP": ("picture_polyglot", lambda: saved(a_dress()) + a_zip()),
    "a WebP that is a web page": ("picture_polyglot", lambda: saved(a_dress(), "WEBP") + b"<html>hello</html>"),
    "a JPEG with a program": ("picture_polyglot", lambda: saved(a_dress(), "JPEG") + b"MZ\x90\0" + b"\0" * 500),
    "a JPEG with PHP in it": (
        "picture_polyglot",
        lambda: saved(a_dress(), "JPEG", comment=b"<?php system($_GET[0]); ?>"),
    ),
    "a JPEG that is a PDF": ("picture_polyglot", lambda: saved(a_dress(), "JPEG", comment=b"%PDF-1.7 1 0 obj")),
    "a JPEG with a script": (
        "picture_polyglot",
        lambda: saved(a_dress(), "JPEG", comment=b"*/<ScRiPt>alert(1)</script>"),
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_clean_picture_is_refused_by_name(what: str):
    code, make = REFUSED[what]
    assert code_of(make()) == code


def test_the_sentence_says_what_the_file_really_is():
    with pytest.raises(PictureRefused, match=r'"dress.jpg" is an SVG drawing, not a JPEG, PNG or WebP picture'):
        check_picture(b"<svg xmlns='http://www.w3.org/2000/svg'/>", name="dress.jpg")


def test_a_bomb_is_refused_from_its_header():
    """Nothing is decoded: a header of 33 bytes without any picture behind it gets the same answer."""
    bomb = png_header(12_001, 100) + png_chunk(b"IDAT", zlib.compress(b"\0" * 10_000_000, 9)) + png_chunk(b"IEND", b"")
    assert code_of(bomb) == code_of(bomb[:33]) == "picture_too_large"


def test_every_refusal_says_the_same_in_chinese():
    for refusal in PictureRefused.__subclasses__():
        assert fields_of(refusal.zh) == fields_of(refusal.__doc__ or ""), refusal
        assert refusal.code != PictureRefused.code
    codes = [refusal.code for refusal in PictureRefused.__subclasses__()]
    assert len(set(codes)) == len(codes)


def fields_of(template: str) -> set[str]:
    return {field for _, field, _, _ in string.Formatter().parse(template) if field}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_a_picture_cut_off_anywhere_is_refused_and_nothing_worse(kind: str, data: st.DataObject):
    whole = PICTURES[kind]
    # A JPEG without its last two bytes, the end marker, has all its pixels: that one is no loss.
    cut = data.draw(st.integers(0, len(whole) - 3))
    assert code_of(whole[:cut]) in ("picture_truncated", "picture_format", "picture_empty")


PICTURES = {kind: saved(a_dress(200, 260), kind) for kind in ("JPEG", "PNG", "WEBP")}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@settings(max_examples=EXAMPLES, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_damaged_picture_is_shown_or_refused_by_name_and_nothing_else(kind: str, seed: int):
    chance = random.Random(seed)
    damaged = bytearray(PICTURES[kind])
    for _ in range(chance.randint(1, 12)):
        at = chance.randrange(len(damaged)) if chance.random() < 0.5 else chance.randrange(120)
        damaged[at] = chance.randrange(256)
    with contextlib.suppress(PictureRefused):
        assert len(check_picture(bytes(damaged), name="damaged").sizes) == 3


# --- what is warned of ----------------------------------------------------------------------------


def test_every_warning_has_words_in_both_languages():
    for words in WARNINGS.values():
        assert words.zh.endswith("。")
        assert words.en.endswith(".")


def a_street() -> Image.Image:
    """A dress before a wall of many small things."""
    chance = random.Random(3)
    picture = Image.new("RGB", (900, 1200), "white")
    draw = ImageDraw.Draw(picture)
    for _ in range(900):
        x, y = chance.randrange(900), chance.randrange(1200)
        draw.rectangle((x, y, x + 50, y + 50), fill=tuple(chance.randrange(256) for _ in range(3)))
    picture.paste(a_dress(450, 600), (225, 300))
    return picture


@pytest.mark.parametrize(
    ("code", "picture"),
    [
        ("picture_aspect", a_dress(900, 900)),
        ("picture_low_resolution", a_dress(600, 800)),
        ("picture_blurred", a_dress(900, 1200).filter(ImageFilter.GaussianBlur(9))),
        ("picture_dark", a_dress(900, 1200).point(lambda level: level // 4)),
        ("picture_blank", Image.new("RGB", (900, 1200), "beige")),
        ("picture_busy_background", a_street()),
    ],
)
def test_each_weakness_of_a_picture_is_warned_of_alone(code: str, picture: Image.Image):
    assert check_picture(saved(picture), name="weak.png").warnings == (code,)


@pytest.fixture(scope="module")
def sample_pictures() -> list[CheckedPicture]:
    return [check_picture(path.read_bytes(), name=path.name) for path in sorted(SAMPLES.glob("*.webp"))]


def test_the_poor_pictures_of_the_sample_are_found_poor_and_the_dresses_good(sample_pictures: list[CheckedPicture]):
    for picture in sample_pictures:
        assert bool(picture.warnings) == picture.name.startswith("decoy"), (picture.name, picture.warnings)


# --- near-duplicates ------------------------------------------------------------------------------


def checked_as(name: str, picture: Image.Image) -> CheckedPicture:
    return check_picture(saved(picture), name=name)


def test_a_picture_saved_again_is_a_near_duplicate():
    dress = Image.open(SAMPLES / "red-short-maxi.webp").convert("RGB")
    again = Image.open(io.BytesIO(saved(dress, "JPEG", quality=60)))
    smaller = dress.resize((630, 840))
    brighter = dress.point(lambda level: min(255, level + 8))
    cropped = dress.crop((9, 12, 891, 1188))
    for name, other in {"again": again, "smaller": smaller, "brighter": brighter, "cropped": cropped}.items():
        twins = near_duplicates([checked_as("one", dress), checked_as(name, other)])
        assert [(pair.name, pair.other) for pair in twins] == [("one", name)], name


def test_the_very_same_picture_is_told_as_identical():
    one, other = checked_as("one", a_dress()), checked_as("other", a_dress())
    assert [pair.identical for pair in near_duplicates([one, other])] == [True]


def test_the_same_cut_in_another_colour_is_another_picture(sample_pictures: list[CheckedPicture]):
    """That is what merchants compare most: a warning there would be noise."""
    assert len(sample_pictures) == 14
    assert near_duplicates(sample_pictures) == []
