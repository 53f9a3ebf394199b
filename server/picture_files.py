"""What the bytes of a picture file say before any of it is decoded: format, measures, end, and what hides in it.

Only headers and segment lengths are read here, so a hostile file costs nothing; and only the segments that make up the
picture are handed on, so metadata reach neither the decoder nor the shop.
"""

from collections.abc import Iterator
from typing import NamedTuple

FORMATS = ("JPEG", "PNG", "WebP")

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
UNKNOWN_KIND = "an unknown kind of file"
KINDS_ZH = {
    "a GIF": " GIF 图片", "a BMP": " BMP 图片", "a TIFF": " TIFF 图片", "a Photoshop file": " Photoshop 文件",
    "a PDF": " PDF 文件", "a ZIP archive": " ZIP 压缩包", "a RAR archive": " RAR 压缩包", "a 7z archive": " 7z 压缩包",
    "a gzip archive": " gzip 压缩包", "a Windows program": " Windows 程序", "a Linux program": " Linux 程序",
    "a macOS program": " macOS 程序", "a script": "脚本", "a program": "程序",
    "an HEIC or AVIF picture": " HEIC 或 AVIF 图片",
    "a video": "视频", "an SVG drawing": " SVG 图形", "a web page": "网页", "an XML file": " XML 文件",
    UNKNOWN_KIND: "无法识别的文件",
}  # fmt: skip
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif")


class BrokenFile(Exception):
    """The file begins like a picture and does not go on like one."""


class Anatomy(NamedTuple):
    """A picture file, taken apart.

    `end` is where the picture ends in the file (None: the file ends first). `picture` are the bytes that make up the
    pixels and their colours, without any metadata. `orientation` is what the camera noted, 1 to 8.
    """

    format: str
    width: int
    height: int
    end: int | None
    picture: bytes
    orientation: int = 1
    animated: bool = False


def format_of(data: bytes) -> str | None:
    """One of FORMATS, by the first bytes; None for anything else."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    return None


def something_else(data: bytes) -> str | None:
    """What a piece of data is, where it is recognisable and none of FORMATS."""
    for signature, words in _OTHERS:
        if data.startswith(signature):
            return words
    if data[4:8] == b"ftyp":
        return "an HEIC or AVIF picture" if data[8:12] in _HEIF_BRANDS else "a video"
    start = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in start:
        return "an SVG drawing"
    if start.startswith((b"<!doctype", b"<html", b"<?php", b"<script")):
        return "a web page"
    if start.startswith(b"<?xml"):
        return "an XML file"
    return None


def hidden_in(data: bytes, anatomy: Anatomy) -> str | None:
    """What else a picture file is at the same time, None where it is a picture only.

    Phones append harmless things to their pictures (a depth map, a second of film), which drawing anew removes. What is
    told here is what some other program would take for a file of its own: that is no accident.
    """
    lower = data.lower()
    if b"<script" in lower or b"<?php" in lower:
        return "a web page"
    if b"%pdf-" in lower[:1024]:
        return "a PDF"
    if b"PK\x05\x06" in data[-65_557:] and b"PK\x03\x04" in data:
        return "a ZIP archive"
    if anatomy.end is not None and anatomy.end < len(data):
        found = something_else(data[anatomy.end :].lstrip(b"\0 \t\r\n"))
        return None if found in ("a video", "a TIFF") else found
    return None


def anatomy_of(data: bytes) -> Anatomy:
    """Takes a file of one of FORMATS apart; raises BrokenFile where its header is not whole."""
    readers = {"PNG": _png_anatomy, "JPEG": _jpeg_anatomy, "WebP": _webp_anatomy}
    kind = format_of(data)
    assert kind is not None
    return readers[kind](data)


# --- PNG ------------------------------------------------------------------------------------------

# All other chunks (texts, times, thumbnails, frames of an animation) are nothing that a picture needs.
_PNG_NEEDED = (b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"IDAT", b"IEND")


def _png_anatomy(data: bytes) -> Anatomy:
    if data[12:16] != b"IHDR" or len(data) < 33:
        raise BrokenFile
    kept, end, orientation, animated = [data[:8]], None, 1, False
    at = 8
    while at + 12 <= len(data):
        kind, length = data[at + 4 : at + 8], _big(data, at, 4)
        chunk = data[at : at + 12 + length]
        at += 12 + length
        if kind in _PNG_NEEDED:
            kept.append(chunk)
        elif kind == b"eXIf":
            orientation = _orientation(chunk[8:-4])
        elif kind == b"acTL":
            animated = _big(chunk, 8, 4) > 1
        if kind == b"IEND":
            end = at
            break
    return Anatomy("PNG", _big(data, 16, 4), _big(data, 20, 4), end, b"".join(kept), orientation, animated)


# --- JPEG -----------------------------------------------------------------------------------------

_EOI = 0xD9
# The segments of applications (EXIF, XMP, film) and comments, but for those that say what the colours are: 0 (JFIF),
# 2 (profile) and 14 (Adobe's mark of CMYK).
_JPEG_METADATA = frozenset(range(0xE0, 0xF0)) - {0xE0, 0xE2, 0xEE} | {0xFE}
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, start, end) of each segment up to the end of the picture."""
    at = 2
    while at + 1 < len(data):
        if data[at] != 0xFF:
            # inside the entropy-coded data of a scan: on to whatever may be the next marker
            at = data.find(b"\xff", at)
            if at < 0 or at + 1 >= len(data):
                return
        marker = data[at + 1]
        if marker == _EOI:
            yield marker, at, at + 2
            return
        if marker == 0xFF:  # filling
            at += 1
        elif marker <= 0x01 or 0xD0 <= marker <= 0xD8:  # stuffing and restarts stand alone
            at += 2
        else:
            end = at + 2 + _big(data, at + 2, 2)
            yield marker, at, end
            at = end


def _jpeg_anatomy(data: bytes) -> Anatomy:
    width = height = 0
    end, orientation = None, 1
    kept, kept_to = [], 0
    for marker, start, stop in _jpeg_segments(data):
        if marker in _JPEG_METADATA:
            if data[start + 4 : start + 10] == b"Exif\0\0":
                orientation = _orientation(data[start + 10 : stop])
            kept.append(data[kept_to:start])
            kept_to = stop
        elif marker in _JPEG_FRAMES and not width:
            height, width = _big(data, start + 5, 2), _big(data, start + 7, 2)
        elif marker == _EOI:
            end = stop
    if not width or not height:
        raise BrokenFile
    kept.append(data[kept_to : len(data) if end is None else end])
    return Anatomy("JPEG", width, height, end, b"".join(kept), orientation)


# --- WebP -----------------------------------------------------------------------------------------

_WEBP_NEEDED = (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ICCP")


def _webp_anatomy(data: bytes) -> Anatomy:
    kind = data[12:16]
    if len(data) < 30:
        raise BrokenFile
    if kind == b"VP8X":
        width, height = _little(data, 24, 3) + 1, _little(data, 27, 3) + 1
    elif kind == b"VP8L":
        bits = _little(data, 21, 4)
        width, height = (bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1
    elif kind == b"VP8 ":
        width, height = _little(data, 26, 2) & 0x3FFF, _little(data, 28, 2) & 0x3FFF
    else:
        raise BrokenFile
    end = 8 + _little(data, 4, 4)
    kept, orientation, animated = [], 1, False
    at = 12
    while at + 8 <= min(end, len(data)):
        kind, length = data[at : at + 4], _little(data, at + 4, 4)
        chunk = data[at : at + 8 + length + length % 2]
        at += 8 + length + length % 2
        if kind == b"VP8X":
            # without the flags of EXIF and XMP, whose chunks are left out
            chunk = chunk[:8] + bytes([chunk[8] & ~0x0C]) + chunk[9:]
        if kind in _WEBP_NEEDED:
            kept.append(chunk)
        elif kind == b"EXIF":
            orientation = _orientation(chunk[8:].removeprefix(b"Exif\0\0"))
        elif kind == b"ANMF":
            animated = True
    body = b"WEBP" + b"".join(kept)
    picture = b"RIFF" + len(body).to_bytes(4, "little") + body
    return Anatomy("WebP", width, height, end if end <= len(data) else None, picture, orientation, animated)


# --- EXIF -----------------------------------------------------------------------------------------

_ORIENTATION = 0x0112


def _orientation(tiff: bytes) -> int:
    """The orientation in EXIF data, 1 to 8; whatever cannot be read is 1, for EXIF is thrown away anyway."""
    little = tiff[:2] == b"II"
    number = _little if little else _big
    directory = number(tiff, 4, 4)
    for i in range(min(number(tiff, directory, 2), 500)):
        entry = directory + 2 + 12 * i
        if number(tiff, entry, 2) == _ORIENTATION:
            found = number(tiff, entry + 8, 2)
            return found if 1 <= found <= 8 else 1
    return 1


def _big(data: bytes, at: int, length: int) -> int:
    return int.from_bytes(data[at : at + length], "big")


def _little(data: bytes, at: int, length: int) -> int:
    return int.from_bytes(data[at : at + length], "little")
