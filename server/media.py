"""Pictures on disk: three sizes each, named by the hash of their content, written whole or not at all."""

import io
import os
import tempfile
from pathlib import Path

from PIL import Image

from server.pictures import CheckedPicture


def keep_picture(media_dir: Path, picture: CheckedPicture) -> str:
    """Store a checked picture; returns its key. The same picture again changes nothing."""
    media_dir.mkdir(parents=True, exist_ok=True)
    for name, data in picture.files.items():
        target = media_dir / name
        if target.exists():
            continue
        with tempfile.NamedTemporaryFile(dir=media_dir, prefix=".incoming-", delete=False) as incoming:
            incoming.write(data)
            incoming.flush()
            os.fsync(incoming.fileno())
        os.chmod(incoming.name, 0o644)
        os.replace(incoming.name, target)
    return picture.key


def as_jpeg(media_dir: Path, key: str, *, width: int = 750, height: int = 1334) -> bytes:
    """A stored picture as a JPEG of at most this size, for those who read no WebP. Raises OSError where it is gone."""
    with Image.open(media_dir / f"{key}-large.webp", formats=["WEBP"]) as picture:
        small = picture.convert("RGB")
        small.thumbnail((width, height))
        out = io.BytesIO()
        small.save(out, "JPEG", quality=85)
    return out.getvalue()
