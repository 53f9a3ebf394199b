"""Merchants' pictures: what is refused and why, what is warned of, and the three clean sizes that players are shown.

Nothing of an upload is kept as it came. Its format is read from its content, its size from its header before any
pixel is decoded, and what players get is drawn anew: upright, on white, in sRGB, without metadata. These functions
take seconds of processor time for a large picture; callers run them in a thread.
"""

import hashlib
import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from PIL import Image, ImageCms, ImageFile, ImageFilter, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

MAX_BYTES = 8 * 1024 * 1024
MAX_PIXELS = 40_000_000
MAX_SIDE = 12_000
MIN_SIDE = 160
MAX_ASPECT = 3.0
WIDTHS = {"small": 360, "medium": 720, "large": 1080}
QUALITY = 82


class PictureRefused(Exception):
    """ "{name}" cannot be used."""

    code: ClassVar[str] = "picture_refused"
    zh: ClassVar[str] = "“{name}”不能使用。"

    def __init__(self, **params: Any) -> None:
        self.params = params
        super().__init__((type(self).__doc__ or "").strip().format(**params))

    @property
    def sentence_zh(self) -> str:
        return self.zh.format(**self.params)


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
    """ "{name}" is animated ({frames} frames); choose one still picture."""

    code = "picture_animated"
    zh = "“{name}”是动图（{frames} 帧）；请选一张静态图片。"


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
    picture = _upright_srgb(_decoded(data, name=name))
    grey = np.asarray(_scaled(picture.convert("L"), 480), dtype=np.float32)
    sizes = tuple(_encoded(picture, size) for size in WIDTHS)
    return CheckedPicture(
        name=name,
        key=hashlib.sha256(sizes[-1].data).hexdigest(),
        width=picture.width,
        height=picture.height,
        sizes=sizes,
        fingerprint=_fingerprint(picture),
        warnings=_warnings(picture, grey),
    )


# --- what a file is, before anything is decoded ---------------------------------------------------

_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"GIF8", "a GIF"),
    (b"BM", "a BMP"),
    (b"II*\0", "a TIFF"),
    (b"MM\0*", "a TIFF"),
    (b"8BPS", "a Photoshop file"),
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"MZ", "a Windows program"),
    (b"\x7fELF", "a Linux program"),
    (b"\xcf\xfa\xed\xfe", "a macOS program"),
    (b"\xca\xfe\xba\xbe", "a macOS program"),
    (b"#!", "a script"),
    (b"\0asm", "a program"),
)


def _format_of(data: bytes) -> str | None:
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    return None


def _something_else(data: bytes) -> str | None:
    """What a piece of data is, where it is recognisable and no picture of ours."""
    for signature, words in _OTHERS:
        if data.startswith(signature):
            return words
    if data[4:8] == b"ftyp":
        brand = data[8:12]
        return (
            "an HEIC or AVIF picture" if brand in (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"hevc") else "a video"
        )
    start = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in start:
        return "an SVG drawing"
    if start.startswith((b"<!doctype", b"<html", b"<?php", b"<script")):
        return "a web page"
    if start.startswith(b"<?xml"):
        return "an XML file"
    return None


class _Anatomy(NamedTuple):
    """What the bytes of a picture say before it is decoded; `end` is where it ends in the file (None: it does not)."""

    width: int
    height: int
    end: int | None


class _Broken(Exception):
    pass


def _anatomy(data: bytes, kind: str) -> _Anatomy:
    try:
        return {"PNG": _png_anatomy, "JPEG": _jpeg_anatomy, "WebP": _webp_anatomy}[kind](data)
    except IndexError:
        raise _Broken from None


def _png_anatomy(data: bytes) -> _Anatomy:
    if data[12:16] != b"IHDR" or len(data) < 33:
        raise _Broken
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    at = 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        at += 12 + length
        if kind == b"IEND":
            return _Anatomy(width, height, at)
    return _Anatomy(width, height, None)


def _jpeg_anatomy(data: bytes) -> _Anatomy:
    width = height = 0
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            # inside the entropy-coded data of a scan: the next marker that is neither stuffing nor a restart
            at = data.find(b"\xff", at)
            if at < 0:
                break
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker == 0x00 or 0xD0 <= marker <= 0xD8 or marker == 0x01:
            at += 2
        elif marker == 0xD9:
            break
        else:
            if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and not width:
                height = int.from_bytes(data[at + 5 : at + 7], "big")
                width = int.from_bytes(data[at + 7 : at + 9], "big")
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    if not width or not height:
        raise _Broken
    return _Anatomy(width, height, at + 2 if at >= 0 and data[at : at + 2] == b"\xff\xd9" else None)


def _webp_anatomy(data: bytes) -> _Anatomy:
    end = 8 + int.from_bytes(data[4:8], "little")
    kind = data[12:16]
    if len(data) < 30:
        raise _Broken
    if kind == b"VP8X":
        width, height = int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    elif kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        width, height = (bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1
    elif kind == b"VP8 ":
        width = int.from_bytes(data[26:28], "little") & 0x3FFF
        height = int.from_bytes(data[28:30], "little") & 0x3FFF
    else:
        raise _Broken
    return _Anatomy(width, height, end if end <= len(data) else None)


def _refuse_polyglot(data: bytes, anatomy: _Anatomy, *, name: str, kind: str) -> None:
    """Phones append harmless things to their pictures (a depth map, a second of film); drawing anew removes them.

    What is refused is a file that some other program would take for something else: that is no accident.
    """
    found = None
    lower = data.lower()
    if b"<script" in lower or b"<?php" in lower:
        found = "a web page"
    elif b"%pdf-" in lower[:1024]:
        found = "a PDF"
    elif b"PK\x05\x06" in data[-65_557:] and b"PK\x03\x04" in data:
        found = "a ZIP archive"
    elif anatomy.end is not None and anatomy.end < len(data):
        rest = data[anatomy.end :].lstrip(b"\0 \t\r\n")
        found = _something_else(rest)
        if found in ("a video", "a TIFF"):
            found = None
    if found:
        raise PicturePolyglot(name=name, format=kind, found=found)


# --- decoding -------------------------------------------------------------------------------------

_READERS: dict[str, type[ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
}


def _decoded(data: bytes, *, name: str) -> Image.Image:
    if not data:
        raise PictureEmpty(name=name)
    if len(data) > MAX_BYTES:
        raise PictureTooHeavy(name=name, megabytes=f"{len(data) / 2**20:.1f}", limit_mb=MAX_BYTES // 2**20)
    kind = _format_of(data)
    if kind is None:
        raise PictureFormat(name=name, found=_something_else(data) or "an unknown kind of file")
    try:
        anatomy = _anatomy(data, kind)
    except _Broken:
        raise PictureTruncated(name=name, format=kind) from None
    _check_measures(anatomy.width, anatomy.height, name=name)
    _refuse_polyglot(data, anatomy, name=name, kind=kind)
    if anatomy.end is None and kind != "JPEG":
        raise PictureTruncated(name=name, format=kind)
    try:
        # The reader of this one format, not Image.open: what the first bytes say is all that is tried, and the size
        # that was checked is the size that is decoded.
        picture = _READERS[kind](io.BytesIO(data))
        if picture.size != (anatomy.width, anatomy.height):
            raise PictureTruncated(name=name, format=kind)
        frames = getattr(picture, "n_frames", 1)
        if frames > 1:
            raise PictureAnimated(name=name, frames=frames)
        picture.load()
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, zlib.error, MemoryError,
            Image.DecompressionBombError):  # fmt: skip
        # All that Pillow is known to raise for damaged files; it has no error class of its own for them.
        raise PictureTruncated(name=name, format=kind) from None
    return picture


def _check_measures(width: int, height: int, *, name: str) -> None:
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise PictureTooLarge(
            name=name, width=width, height=height, limit_megapixels=MAX_PIXELS // 1_000_000, limit_side=MAX_SIDE
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
_ORIENTATION = 0x0112


def _upright_srgb(picture: Image.Image) -> Image.Image:
    """The picture as 8-bit sRGB on white, the right way up, with nothing else attached."""
    try:
        turn = _TURNS.get(picture.getexif().get(_ORIENTATION, 1))
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, IndexError):
        turn = None  # damaged EXIF is no reason to refuse a picture: it is thrown away anyway
    profile = picture.info.get("icc_profile")
    if picture.mode.startswith("I"):
        deep = np.asarray(picture.convert("I"), dtype=np.int64)
        picture = Image.fromarray((np.clip(deep, 0, 65_535) >> 8).astype(np.uint8))
        profile = None
    if picture.mode in ("P", "PA", "LA", "La", "RGBa", "RGBA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        ground = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(ground, picture).convert("RGB")
    rgb = _in_srgb(picture, profile)
    if turn is not None:
        rgb = rgb.transpose(turn)
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
