"""Prints the folder with `node` and `npm`; a machine that has none (20 or newer) gets them beside Python."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST = 20
LOCK = Path(__file__).with_name("node.lock")


def folder_of_node(search_path: str | None = None) -> Path | None:
    """Where node (new enough) and npm are; None if they are not."""
    node, npm = shutil.which("node", path=search_path), shutil.which("npm", path=search_path)
    if node is None or npm is None:
        return None
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.match(r"v(\d+)", said)
    return Path(npm).parent if version and int(version[1]) >= OLDEST else None


def main() -> int:
    beside_python = Path(sys.executable).parent
    found = folder_of_node() or folder_of_node(str(beside_python))
    if found is None:
        print("Installing Node for the mini-program (once) ...", file=sys.stderr)
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--require-hashes", "-r", str(LOCK)]
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False)
        found = folder_of_node(str(beside_python))
    if found is None:
        print(
            f"The mini-program needs Node {OLDEST} or newer with npm: install it, then try again.",
            file=sys.stderr,
        )
        return 1
    print(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
