"""The page of a task in a real browser: thumbnails, evidence, filters, a thousand rows, and marks that stay text."""

from __future__ import annotations

import shutil

import pytest
from chromium import browser, serious_faults, shot
from playwright.sync_api import expect
from task_scenes import Scenes

from saccade import Task
from saccade.agent.tasks.report import Card, page_of

__all__ = ["browser"]  # a fixture
EVIL = "<img src=x onerror=alert(1)>"
TASK = """
version: 1
inputs: {images: [photos/]}
steps:
  - {id: found, tool: find_objects, args: {image: "${image}", phrase: thing}}
  - {id: shapes, tool: segment_objects, args: {regions: "${found.regions}"}}
  - {id: cut, each: {thing: shapes.regions}, tool: crop_image, args: {image: "${thing}", background: transparent}}
outputs:
  - {html: report.html, columns: {file: image.path, many: found.count}, pictures: cut.image, evidence: shapes.regions}
"""


@pytest.fixture
def visit(browser):
    view = browser.new_context(viewport={"width": 1100, "height": 800})
    page = view.new_page()
    faults, asked = [], []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda dialog: faults.append(dialog.message))
    page.on("request", lambda request: asked.append(request.url))

    def opened(path):
        page.goto(path.as_uri())
        return page

    yield opened
    view.close()
    assert faults == []
    assert all(url.startswith(("file:", "data:")) for url in asked), "nothing comes from afar"


def shown(page):
    return page.locator("tbody tr:visible")


def test_what_a_task_leaves_can_be_looked_at_and_filtered(visit, tmp_path):
    scenes = Scenes(tmp_path, count=3)
    evil = scenes.folder / "photos" / f"{EVIL}.png"
    shutil.copy(scenes.scenes[0][0], evil)
    (scenes.folder / "photos" / "empty.png").write_bytes(b"")
    path = scenes.folder / "task.yaml"
    path.write_text(TASK, "utf-8")
    Task.load(path).run(out=scenes.folder / "out", agent=scenes.agent)
    scenes.agent.close()
    page = visit(scenes.folder / "out" / "report.html")
    expect(shown(page)).to_have_count(5)
    expect(page.get_by_text(EVIL).first).to_be_visible()
    loaded = "image => image.complete && image.naturalWidth > 0"
    thumbnails = page.locator("img.small")
    assert thumbnails.count() == 4
    assert all(thumbnails.nth(at).evaluate(loaded) for at in range(4))
    page.get_by_text("evidence").first.click()
    evidence = page.get_by_alt_text("evidence in").first
    expect(evidence).to_be_visible()
    shot(page, "report")
    page.get_by_label("Status").select_option("failed")
    expect(shown(page)).to_have_count(1)
    expect(shown(page)).to_contain_text("empty.png")
    page.get_by_label("Status").select_option("")
    page.get_by_label("file", exact=True).fill("01.png")
    expect(shown(page)).to_have_count(1)
    expect(page.locator("#count")).to_have_text("1 of 5 rows")
    page.get_by_label("file", exact=True).fill("no such")
    expect(page.get_by_text("Nothing fits these filters.")).to_be_visible()
    assert serious_faults(page) == []


def test_a_thousand_rows_are_usable(visit, tmp_path):
    cards = [Card(f"{at:04d}.png", "done", "", rows=[[f"thing {at}", EVIL]]) for at in range(1000)]
    path = tmp_path / "report.html"
    path.write_text(page_of("many", cards, ["what", "caption"], {"done": 1000, "skipped": 0, "failed": [],
                                                                 "pictures": 1000}), "utf-8")  # fmt: skip
    page = visit(path)
    expect(shown(page)).to_have_count(1000)
    page.get_by_label("what").press_sequentially("thing 99")
    expect(shown(page)).to_have_count(11)
    expect(page.locator("#count")).to_have_text("11 of 1000 rows")
    page.get_by_label("File", exact=True).press_sequentially("0999")
    expect(shown(page)).to_have_count(1)
    page.set_viewport_size({"width": 380, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 380, "it fits a phone"
