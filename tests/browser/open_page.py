"""Open a page of ``faceid evaluate --html`` in Chromium: pictures load, nothing else is asked for, nor errs.

    python tests/browser/open_page.py report.html

Exit code 1 if anything of that is not so; 0, with the reason, where there is no Chromium.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FEWEST_PICTURES = 6
FEWEST_PDF_BYTES = 50_000
BROKEN = (
    "images => images.filter(image => !image.complete || image.naturalWidth === 0).map(image => image.alt)"
)
COLORS = "() => [getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
WIDER = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


def main() -> int:
    """Look at the page as light, dark, narrow and printed."""
    page = Path(sys.argv[1]).resolve(strict=True)
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        print(f"not opened: none of {', '.join(BROWSERS)} is installed (Debian: apt install chromium)")
        return 0
    with sync_playwright() as playwright:
        # Chromium's own sandbox wants an account other than root's.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        found = look_at(browser, page.as_uri())
        version = browser.version
        browser.close()
    for problem in found:
        print(f"{page.name}: {problem}", file=sys.stderr)
    if not found:
        print(f"{page.name}: nothing wrong in Chromium {version}")
    return 1 if found else 0


def look_at(browser: Browser, address: str) -> list[str]:
    """List what is wrong with a page."""
    found: list[str] = []
    colors: set[tuple[str, ...]] = set()
    for scheme, width in (("light", 1280), ("dark", 1280), ("light", 400)):
        page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 900})
        page.on("console", lambda message: found.append(f"console: {message.type}: {message.text}"))
        page.on("pageerror", lambda error: found.append(f"error: {error}"))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith(("data:", address))
                else found.append(f"asked for {request.url:.80}")
            ),
        )
        page.goto(address, wait_until="load")
        found.extend(f"not shown: {alt}" for alt in page.eval_on_selector_all("img", BROKEN))
        if (count := page.locator("img").count()) < FEWEST_PICTURES:
            found.append(f"expected {FEWEST_PICTURES} pictures or more, got {count}")
        if (wider := page.evaluate(WIDER)) > 0:
            found.append(f"{wider} pixels wider than a window of {width}")
        if width == 1280:
            colors.add(tuple(page.evaluate(COLORS)))
        page.close()
    if len(colors) != 2:
        found.append("dark and light look the same")
    page = browser.new_page()
    page.goto(address)
    if len(page.pdf()) < FEWEST_PDF_BYTES:
        found.append("the printed page is nearly empty")
    return found


if __name__ == "__main__":
    sys.exit(main())
