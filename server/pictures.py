"""Merchants' pictures: what is refused and why, what is warned of, and the three clean sizes that players are shown.

Nothing of an upload is kept as it came. Its format is read from its content, its size from its header before any
pixel is decoded, and what players get is drawn anew: upright, on white, in sRGB, without metadata. These functions
take seconds of processor time for a large picture; callers run them in a thread.
"""

import hashlib
import io
import threading
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from PIL import Image, ImageCms, ImageFile, ImageFilter, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from server.picture_files import (
    KINDS_ZH,
    UNKNOWN_KIND,
    Anatomy,
    BrokenFile,
    anatomy_of,
    format_of,
    hidden_in,
    something_else,
)

MAX_BYTES = 8 * 1024 * 1024
# By the memory that decoding takes: a JPEG is decoded at a fraction of its size, a PNG whole, a WebP three times over.
MAX_PIXELS = {"JPEG": 40_000_000, "PNG": 24_000_000, "WebP": 16_000_000}
MAX_SIDE = 12_000
MIN_SIDE = 160
MAX_ASPECT = 3.0
WIDTHS = {"small": 360, "medium": 720, "large": 1080}
QUALITY = 82


# Threads that decode at once would each take the memory of a whole picture; processor time is the same in a row.
_one_at_a_time = threading.Lock()


class PictureRefused(Exception):
    """ "{name}" cannot be used."""

    code: ClassVar[str] = "picture_refused"
    zh: ClassVar[str] = "“{name}”不能使用。"

    def __init__(self, **params: Any) -> None:
        self.params = params
        super().__init__((type(self).__doc__ or "").strip().format(**params))

    @property
    def sentence_zh(self) -> str:
        found = self.params.get("found")
        return self.zh.format(**{**self.params, "found": KINDS_ZH.get(str(found), found)})


class PictureEmpty(PictureRefused):
    """ "{name}" is empty; choose the picture again."""

    code = "picture_empty"
    zh = "“{name}”是空文件，请重新选择图片。"


class PictureTooHeavy(PictureRefused):
    """ "{name}" has {megabytes} MB; at most {limit_mb} MB are accepted. Save it smaller or as WebP."""

    code = "picture_too_heavy"
    zh = "“{name}”有 {megabytes} MB，最大 {limit_mb} MB；请压缩或另存为 WebP。"


class PictureFormat(PictureRefused):
    """ "{name}" is {found}, not a JPEG, PNG or WebP picture; save it as one of these."""

    code = "picture_format"
    zh = "“{name}”的内容是 {found}，不是 JPEG、PNG 或 WebP 图片；请另存为其中一种。"


class PictureTooLarge(PictureRefused):
    """ "{name}" has {width} x {height} pixels; at most {limit_megapixels} million and {limit_side} on a side."""

    code = "picture_too_large"
    zh = "“{name}”是 {width} x {height} 像素；最多 {limit_megapixels} 百万像素，单边不超过 {limit_side}。"


class PictureTooSmall(PictureRefused):
    """ "{name}" has {width} x {height} pixels; players need at least {limit_side} on each side, better 1080 across."""

    code = "picture_too_small"
    zh = "“{name}”只有 {width} x {height} 像素；每边至少 {limit_side}，宽度最好 1080 以上。"


class PictureTooLong(PictureRefused):
    """ "{name}" has {width} x {height} pixels, a strip; one side is at most 3 times the other. Crop it to 3:4."""

    code = "picture_too_long"
    zh = "“{name}”是 {width} x {height} 像素的长条图；长边不能超过短边的 3 倍，请裁成 3:4。"


class PictureTruncated(PictureRefused):
    """ "{name}" is a {format} picture that ends too early or is damaged; export or upload it again."""

    code = "picture_truncated"
    zh = "“{name}”是不完整或已损坏的 {format} 图片；请重新导出或上传。"


class PictureAnimated(PictureRefused):
    """ "{name}" is animated; choose one still picture."""

    code = "picture_animated"
    zh = "“{name}”是动图；请选一张静态图片。"


class PicturePolyglot(PictureRefused):
    """ "{name}" is a {format} picture and {found} in one file; save the picture alone."""

    code = "picture_polyglot"
    zh = "“{name}”里除了 {format} 图片还藏有 {found}；请只保存图片本身。"


class WarningWords(NamedTuple):
    zh: str
    en: str


WARNINGS = {
    "picture_aspect": WarningWords(
        "图片不是 3:4 竖图，显示时会被裁切；请裁成 3:4。",
        "The picture is not 3:4 portrait and will be cropped; crop it to 3:4.",
    ),
    "picture_low_resolution": WarningWords(
        "图片宽度不足 720 像素，在手机上会发虚。",
        "The picture is less than 720 pixels wide and will look soft on phones.",
    ),
    "picture_dark": WarningWords("图片太暗；请补光或调亮。", "The picture is dark; add light or brighten it."),
    "picture_blurred": WarningWords(
        "图片看起来模糊；请换一张清晰的。", "The picture looks blurred; choose a sharp one."
    ),
    "picture_busy_background": WarningWords(
        "背景杂乱，可能影响选择；请用干净的背景。", "The background is busy and may sway the choice; use a plain one."
    ),
    "picture_blank": WarningWords("图片几乎是一片空白。", "The picture is almost blank."),
}


@dataclass(frozen=True, slots=True)
class EncodedPicture:
    """One of the sizes that players are shown, as WebP."""

    size: str
    width: int
    height: int
    data: bytes


@dataclass(frozen=True, slots=True)
class CheckedPicture:
    """A picture that may be shown. `key` is the SHA-256 of its large form: the same picture has the same key.

    `width` and `height` are those of the upload, upright. `fingerprint` is for `near_duplicates`; it is plain hex text.
    """

    name: str
    key: str
    width: int
    height: int
    sizes: tuple[EncodedPicture, ...]
    fingerprint: str
    warnings: tuple[str, ...]

    def file_name(self, size: str) -> str:
        return f"{self.key}-{size}.webp"

    @property
    def warning_words(self) -> tuple[WarningWords, ...]:
        return tuple(WARNINGS[code] for code in self.warnings)

    @property
    def files(self) -> dict[str, bytes]:
        """What is to be stored: file name -> content."""
        return {self.file_name(encoded.size): encoded.data for encoded in self.sizes}


def check_picture(data: bytes, *, name: str) -> CheckedPicture:
    """Checks an upload and draws its three sizes.

    `name` is what the merchant calls the file; its ending is not believed. Raises a subclass of PictureRefused whose
    sentence names the file. Warnings are codes of WARNINGS.
    """
    anatomy = _taken_apart(data, name=name)
    with _one_at_a_time:
        picture = _upright_srgb(_decoded(anatomy, name=name), anatomy.orientation)
    width, height = anatomy.width, anatomy.height
    if anatomy.orientation in _LYING:
        width, height = height, width
    grey = np.asarray(_scaled(picture.convert("L"), 480), dtype=np.float32)
    sizes = tuple(_encoded(picture, size) for size in WIDTHS)
    return CheckedPicture(
        name=name,
        key=hashlib.sha256(sizes[-1].data).hexdigest(),
        width=width,
        height=height,
        sizes=sizes,
        fingerprint=_fingerprint(picture),
        warnings=_warnings(picture, grey),
    )


# --- decoding -------------------------------------------------------------------------------------

_READERS: dict[str, type[ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
}


def _taken_apart(data: bytes, *, name: str) -> Anatomy:
    """All that can be refused without decoding."""
    if not data:
        raise PictureEmpty(name=name)
    if len(data) > MAX_BYTES:
        raise PictureTooHeavy(
            name=name, megabytes=f"{-(-len(data) * 10 // 2**20) / 10:.1f}", limit_mb=MAX_BYTES // 2**20
        )
    kind = format_of(data)
    if kind is None:
        raise PictureFormat(name=name, found=something_else(data) or UNKNOWN_KIND)
    try:
        anatomy = anatomy_of(data)
    except BrokenFile:
        raise PictureTruncated(name=name, format=kind) from None
    _check_measures(anatomy, name=name)
    found = hidden_in(data, anatomy)
    if found:
        raise PicturePolyglot(name=name, format=kind, found=found)
    if anatomy.animated:
        raise PictureAnimated(name=name)
    if anatomy.end is None and kind != "JPEG":
        # a JPEG without its end mark may have all its pixels: the decoder counts them
        raise PictureTruncated(name=name, format=kind)
    return anatomy


def _decoded(anatomy: Anatomy, *, name: str) -> Image.Image:
    """The pixels, at the size of the upload or, where that is far more than is needed, at a half, a third …"""
    shrink = max(1, min(anatomy.width, anatomy.height) // (WIDTHS["large"] * 3 // 2))
    try:
        # The reader of this one format, not Image.open: what the first bytes say is all that is tried, and the size
        # that was checked is the size that is decoded.
        picture = _READERS[anatomy.format](io.BytesIO(anatomy.picture))
        if picture.size != (anatomy.width, anatomy.height) or getattr(picture, "n_frames", 1) != 1:
            raise PictureTruncated(name=name, format=anatomy.format)
        picture.draft(None, (anatomy.width // shrink, anatomy.height // shrink))
        picture.load()
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, zlib.error, MemoryError,
            Image.DecompressionBombError):  # fmt: skip
        # All that Pillow is known to raise for damaged files; it has no error class of its own for them.
        raise PictureTruncated(name=name, format=anatomy.format) from None
    shrink = max(1, min(picture.size) // (WIDTHS["large"] * 3 // 2))
    if shrink == 1 or picture.mode in ("1", "P", "PA") or picture.mode.startswith("I"):
        return picture
    smaller = picture.reduce(shrink)
    smaller.info = picture.info
    return smaller


def _check_measures(anatomy: Anatomy, *, name: str) -> None:
    width, height = anatomy.width, anatomy.height
    limit = MAX_PIXELS[anatomy.format]
    if width * height > limit or max(width, height) > MAX_SIDE:
        raise PictureTooLarge(
            name=name, width=width, height=height, limit_megapixels=limit // 1_000_000, limit_side=MAX_SIDE
        )
    if min(width, height) < MIN_SIDE:
        raise PictureTooSmall(name=name, width=width, height=height, limit_side=MIN_SIDE)
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise PictureTooLong(name=name, width=width, height=height)


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_LYING = (5, 6, 7, 8)  # orientations that swap width and height


def _upright_srgb(picture: Image.Image, orientation: int) -> Image.Image:
    """The picture as 8-bit sRGB on white, the right way up, with nothing else attached."""
    profile = picture.info.get("icc_profile")
    if picture.mode.startswith("I"):
        deep = np.asarray(picture)
        picture = Image.fromarray((np.clip(deep, 0, 65_535) >> 8).astype(np.uint8))
        profile = None
    if picture.mode in ("P", "PA", "LA", "La", "RGBa", "RGBA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        ground = Image.new("RGB", picture.size, "white")
        ground.paste(picture, mask=picture.getchannel("A"))
        picture = ground
    rgb = _in_srgb(picture, profile)
    if orientation in _TURNS:
        rgb = rgb.transpose(_TURNS[orientation])
    rgb.info.clear()
    return rgb


def _in_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """Phones save in Display P3 and print shops in CMYK; unconverted, a red dress would look like another red."""
    if profile and picture.mode in ("RGB", "CMYK", "L"):
        try:
            return ImageCms.profileToProfile(
                picture,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                outputMode="RGB",
            ) or picture.convert("RGB")
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            pass  # a broken profile: take the numbers as sRGB, as browsers do
    return picture.convert("RGB") if picture.mode != "RGB" else picture.copy()


def _scaled(picture: Image.Image, width: int) -> Image.Image:
    """At most `width` across: pictures are never blown up."""
    if picture.width <= width:
        return picture
    height = max(1, round(picture.height * width / picture.width))
    return picture.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)


def _encoded(picture: Image.Image, size: str) -> EncodedPicture:
    scaled = _scaled(picture, WIDTHS[size])
    out = io.BytesIO()
    scaled.save(out, "WEBP", quality=QUALITY, method=4)
    return EncodedPicture(size, scaled.width, scaled.height, out.getvalue())


# --- what is warned of ----------------------------------------------------------------------------


def _warnings(picture: Image.Image, grey: np.ndarray) -> tuple[str, ...]:
    """Codes of what the merchant should look at; `grey` is the picture in luminance, about 480 across."""
    found = []
    if abs(picture.width / picture.height - 3 / 4) > 0.03:
        found.append("picture_aspect")
    if picture.width < WIDTHS["medium"]:
        found.append("picture_low_resolution")
    if grey.std() < 3:
        return (*found, "picture_blank")
    if float(np.percentile(grey, 90)) < 170 and grey.mean() < 100:
        found.append("picture_dark")
    if _sharpness(grey) < 12:
        found.append("picture_blurred")
    if _busy_border(picture):
        found.append("picture_busy_background")
    return tuple(found)


def _sharpness(grey: np.ndarray) -> float:
    """The strongest edges (99.5th percentile of the Laplacian) relative to the contrast; 100 is razor sharp."""
    laplacian = np.abs(4 * grey[1:-1, 1:-1] - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:])
    low, high = np.percentile(grey, (1, 99))
    return float(np.percentile(laplacian, 99.5) / max(high - low, 10.0) * 100)


def _busy_border(picture: Image.Image) -> bool:
    """Whether the outer tenth at the left, right and top is more than a soft wall: many edges there."""
    small = _scaled(picture, 240).filter(ImageFilter.GaussianBlur(1))
    pixels = np.asarray(small, dtype=np.float32)
    edges = np.zeros(pixels.shape[:2], dtype=np.float32)
    edges[1:, :] += np.abs(np.diff(pixels, axis=0)).max(axis=2)
    edges[:, 1:] += np.abs(np.diff(pixels, axis=1)).max(axis=2)
    rim = max(4, small.width // 10)
    border = np.concatenate([edges[:, 2:rim].ravel(), edges[:, -rim:-2].ravel(), edges[2:rim, :].ravel()])
    return bool((border > 14).mean() > 0.12)


# --- near-duplicates ------------------------------------------------------------------------------

_GRID = 6


def _fingerprint(picture: Image.Image) -> str:
    """A 64-bit perceptual hash of the luminance and a coarse grid of the colours, as hex.

    The hash alone will not do: the same cut in white and in red has the same hash, and that is what merchants compare.
    """
    import imagehash  # brings half of scipy with it; a server that is shown no new picture need not wait for that

    shape = str(imagehash.phash(picture))
    grid = np.asarray(picture.resize((_GRID, _GRID), Image.Resampling.BOX), dtype=np.uint8)
    return f"{shape}:{grid.tobytes().hex()}"


def are_near_duplicates(one: str, other: str) -> bool:
    """Whether two fingerprints are of what a player would take for one picture."""
    shapes, grids = zip(*(print_.split(":") for print_ in (one, other)), strict=True)
    if (int(shapes[0], 16) ^ int(shapes[1], 16)).bit_count() > 8:
        return False
    a, b = (np.frombuffer(bytes.fromhex(grid), dtype=np.uint8).astype(np.int16) for grid in grids)
    return bool(np.abs(a - b).max() <= 24)


class Twins(NamedTuple):
    """Two pictures that are the same (`identical`) or nearly so."""

    name: str
    other: str
    identical: bool


def near_duplicates(pictures: Sequence[CheckedPicture]) -> list[Twins]:
    """All pairs of (nearly) equal pictures, in order. Quadratic, which for the styles of one test is nothing."""
    return [
        Twins(a.name, b.name, identical=a.key == b.key)
        for i, a in enumerate(pictures)
        for b in pictures[i + 1 :]
        if a.key == b.key or are_near_duplicates(a.fingerprint, b.fingerprint)
    ]
