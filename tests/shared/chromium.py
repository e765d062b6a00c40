"""Headless Chromium for tests of pages; the whole test file is skipped where there is none."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
if BROWSER is None:
    pytest.skip("needs Chromium (apt install chromium): runs wherever there is one", allow_module_level=True)

from axe_core_python.sync_playwright import Axe  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

KEPT = Path(__file__).parents[2] / ".pytest_cache" / "shots"
SHOTS = Path(os.environ.get("SACCADE_SHOTS") or KEPT)  # where screenshots are kept


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as play:
        made = play.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield made
        made.close()


def shot(page, name):
    """Keep a screenshot."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png")


def serious_faults(page):
    """What axe finds that keeps people from using a page."""
    found = [one for one in Axe().run(page)["violations"] if one["impact"] in ("serious", "critical")]
    return [(one["id"], [node["html"][:120] for node in one["nodes"]]) for one in found]
