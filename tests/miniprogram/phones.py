"""A phone in the hands of a player: what they see and tap, said in the words of the game."""

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Locator, Page, Request, expect

CHROMIUM: dict[str, Any] = {
    "executable_path": "/usr/bin/chromium",
    "args": [
        "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync",
    ],
}  # fmt: skip
SMALL = {"width": 360, "height": 640}
LARGE = {"width": 414, "height": 896}
expect.set_options(timeout=10_000)


class Phone:
    """One browser context as a phone. Names of what is tapped are the words on the screen."""

    def __init__(self, context: BrowserContext, page: Page, url: str) -> None:
        self.context = context
        self.page = page
        self.url = url
        self.errors: list[str] = []
        self.foreign: list[str] = []
        self.requests: list[str] = []
        self._listen(page)

    def _listen(self, page: Page) -> None:
        origin = self.url.split("/play/")[0]

        def note(request: Request) -> None:
            self.requests.append(f"{request.method} {request.url.removeprefix(origin)}")
            if not request.url.startswith((origin, "data:", "blob:")):
                self.foreign.append(request.url)

        page.on("request", note)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    async def open(self, page: str = "orchard") -> None:
        """Start the app, at a page."""
        path = "" if page == "orchard" else f"#/pages/{page}/index"
        await self.page.goto(self.url + path)

    async def close(self) -> None:
        """Kill the app; what is on the phone stays."""
        await self.page.close()

    async def restart(self, page: str = "orchard") -> None:
        """Start it again after it was killed."""
        self.page = await self.context.new_page()
        self._listen(self.page)
        await self.open(page)

    async def go(self, page: str) -> None:
        """Another page of the running app, as a link within it would open it."""
        await self.page.evaluate("(page) => { location.hash = `#/pages/${page}/index` }", page)
        await self.page.locator(f'[data-page="pages/{page}/index"] .main').wait_for()

    def button(self, name: str, *, exact: bool = False) -> Locator:
        return self.page.get_by_role("button", name=name, exact=exact).locator("visible=true")

    async def tap(self, name: str, *, exact: bool = False) -> None:
        await self.button(name, exact=exact).first.click()

    async def sees(self, text: str) -> None:
        await expect(self.page.get_by_text(text).locator("visible=true").first).to_be_visible()

    async def does_not_see(self, text: str) -> None:
        await expect(self.page.get_by_text(text).locator("visible=true")).to_have_count(0)

    # --- play

    @property
    def pair(self) -> Locator:
        """The pair on the screen; the one behind it is drawn but not shown."""
        return self.page.locator(".pair:not(.behind)").filter(has=self.page.locator(".picture"))

    async def sees_a_pair(self) -> tuple[str, str]:
        """Both pictures are drawn; returns their addresses."""
        await expect(self.pair.locator(".frame .picture")).to_have_count(2)
        await self.page.wait_for_function(
            "() => { const all = [...document.querySelectorAll('.pair:not(.behind) .frame img')];"
            " return all.length === 2 && all.every((one) => one.complete && one.naturalWidth > 0) }"
        )
        left, right = [await one.get_attribute("src") for one in await self.pair.locator(".frame img").all()]
        assert left
        assert right
        return left, right

    async def choose(self, side: str = "left") -> tuple[str, str]:
        """Look at the pair for as long as a person would at least, then tap a side. Returns the pair's addresses."""
        shown = await self.sees_a_pair()
        await self.page.wait_for_timeout(330)
        await self.pair.locator(".side-tap").nth(0 if side == "left" else 1).click()
        return shown

    async def play_a_round(self) -> None:
        for number in range(5):
            await self.choose("left" if number % 2 else "right")
        await self.sees("这一轮完成了")

    async def play_through_a_lift(self, offline: int = 2) -> None:
        """A round of five, of which some are chosen without a network, and all arrive."""
        for number in range(5 - offline - 1):
            await self.choose("left" if number % 2 else "right")
        await self.until_all_has_arrived()
        await self.context.set_offline(True)
        for _ in range(offline):
            await self.choose("left")
        assert await self.waiting() == offline
        await self.sees(f"没有网络。{offline} 个选择已存在手机里")
        await self.context.set_offline(False)
        await self.until_all_has_arrived()
        await self.choose("right")
        await self.sees("这一轮完成了")
        await self.sees("+50 克")

    async def fill_in_the_address(self) -> None:
        """The form of a harvest, filled in and saved."""
        fields = {
            "收件人": "林小满", "电话": "138 0013 8000", "省份": "浙江省", "城市": "杭州市", "区县": "西湖区",
            "街道和门牌": "文三路 1 号",
        }  # fmt: skip
        for label, text in fields.items():
            await self.page.get_by_label(label).fill(text)
        await self.tap("保存")
        await self.sees("地址已保存")

    # --- what is kept

    async def kept(self) -> dict[str, str]:
        """What the app keeps on this phone."""
        found = await self.page.evaluate("() => Object.fromEntries(Object.entries(localStorage))")
        return {key.removeprefix("xuankuan."): value for key, value in found.items() if key.startswith("xuankuan.")}

    async def waiting(self) -> int:
        """Answers that wait for a receipt."""
        return sum(key.startswith("outbox.") for key in await self.kept())

    async def until_all_has_arrived(self) -> None:
        await self.page.wait_for_function(
            "() => !Object.keys(localStorage).some((key) => key.startsWith('xuankuan.outbox.'))"
        )

    # --- the law of every page

    async def is_accessible(self) -> None:
        """No finding of axe-core on what is on the screen now."""
        results = await Axe().run(self.page)
        found = [
            f"{one['id']} ({one['impact']}): " + "; ".join(node["html"][:140] for node in one["nodes"][:3])
            for one in results.response["violations"]
        ]
        assert not found, "\n".join([self.page.url, *found])

    def is_sound(self) -> None:
        """No error was thrown, and nobody but our own service was asked for anything."""
        assert self.errors == []
        assert self.foreign == []


@contextlib.asynccontextmanager
async def a_phone(
    browser: Browser,
    url: str,
    *,
    viewport: dict[str, int] = SMALL,
    night: bool = False,
    language: str = "zh-CN",
    still: bool = True,
    **settings: Any,
) -> AsyncIterator[Phone]:
    """A new phone; `settings` are those of the settings page, e.g. elder=True. Sound to its end, or the story fails."""
    context = await browser.new_context(
        viewport=viewport,  # type: ignore[arg-type]
        color_scheme="dark" if night else "light",
        reduced_motion="reduce" if still else "no-preference",
        locale=language,
        timezone_id="Asia/Shanghai",
        has_touch=True,
    )
    if settings:
        kept = json.dumps(json.dumps(settings))
        await context.add_init_script(f"localStorage.setItem('xuankuan.settings', {kept})")
    page = await context.new_page()
    page.set_default_timeout(10_000)
    phone = Phone(context, page, url)
    try:
        yield phone
        phone.is_sound()
    finally:
        await context.close()
