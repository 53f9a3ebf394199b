"""Pictures on disk: three sizes each, named by the hash of their content, written whole or not at all."""

import os
import tempfile
from pathlib import Path

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
