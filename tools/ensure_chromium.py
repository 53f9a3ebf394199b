"""Makes sure that there is a Chromium for the page tests, with letters for Chinese; prints where it is.

What is there is used: a browser on the PATH, or Playwright's own. Otherwise, as root on Debian, the packages
`chromium` and `fonts-noto-cjk`; elsewhere Playwright's own download. If nothing helps: one sentence, and exit 1.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGES = ("chromium", "fonts-noto-cjk")


def find_chromium() -> str | None:
    """The path of a Chromium that runs here; None if there is none."""
    found = [path for name in NAMES if (path := shutil.which(name)) is not None]
    return next((path for path in [*found, *_playwrights_own()] if _runs(path)), None)


def main() -> int:
    found = find_chromium()
    if (
        (found is None or not _has_chinese_letters())
        and os.name == "posix"
        and os.geteuid() == 0
        and shutil.which("apt-get")
    ):
        _say(f"Installing {' and '.join(PACKAGES)} (once) ...")
        # A list that is out of date names packages that are gone; updating may fail in part and still be enough.
        _call("apt-get", "update", "-qq")
        _call("apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES)
        found = find_chromium()
    if found is None:
        _say("Downloading Playwright's Chromium (once) ...")
        _call(sys.executable, "-m", "playwright", "install", "chromium")
        found = find_chromium()
    if found is None:
        _say("The page tests need Chromium: install the package `chromium` (and `fonts-noto-cjk`), then try again.")
        return 1
    if not _has_chinese_letters():
        _say("No font with Chinese letters is installed (fonts-noto-cjk, say); pictures of pages will show boxes.")
    print(found)
    return 0


def _playwrights_own() -> list[str]:
    roots = [os.environ.get("PLAYWRIGHT_BROWSERS_PATH"), "~/.cache/ms-playwright", "~/Library/Caches/ms-playwright"]
    patterns = ("chromium-*/chrome-linux*/chrome", "chromium-*/chrome-mac*/Chromium.app/Contents/MacOS/Chromium")
    return [
        str(path)
        for root in roots
        if root
        for pattern in patterns
        for path in sorted(Path(root).expanduser().glob(pattern), reverse=True)
    ]


def _runs(path: str) -> bool:
    # Ubuntu's `chromium-browser` is a script that only tells one to install a snap.
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, stdin=subprocess.DEVNULL, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and b"hrom" in done.stdout


def _has_chinese_letters() -> bool:
    if sys.platform == "darwin" or shutil.which("fc-list") is None:
        return sys.platform == "darwin"
    said = subprocess.run(["fc-list", ":lang=zh-cn"], capture_output=True, stdin=subprocess.DEVNULL, check=False).stdout
    return bool(said.strip())


def _call(*command: str) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, env=environment, check=False)


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
