"""The chat page in a real browser: what a person does with it, by mouse, by keyboard, on a phone."""

from __future__ import annotations

import base64
import re

import pytest
from chromium import browser, serious_faults, shot
from playwright.sync_api import expect
from web_house import House, png

from saccade.testing import call, calls

__all__ = ["browser"]  # a fixture
FIND = calls(call("find_objects", image="img_1"), thought="I look for things.")
OUTLINE = call("segment_objects", regions=["reg_1", "reg_2"])


@pytest.fixture
def visit(browser, tmp_path):
    made = []

    def open_page(*script, tokens=None, **context):
        house = House(tmp_path / "home", list(script), tokens=tokens)
        view = browser.new_context(**context)
        page = view.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(house.url)
        made.append((house, view))
        return page

    faults, asked = [], []
    yield open_page
    for house, view in made:
        view.close()
        house.close()
    assert faults == []
    assert all(url.startswith(("http://127.0.0.1:", "blob:", "data:")) for url in asked), "nothing comes from afar"


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "table.png"
    path.write_bytes(png())
    return path


def send(page, text):
    page.get_by_label("Your message").fill(text)
    page.get_by_role("button", name="Send").click()


def test_ask_watch_and_switch_a_region_off(visit, picture):
    page = visit(FIND, OUTLINE, "I outlined two: reg_1, reg_2.", "And hello again.")
    page.locator("#files").set_input_files(picture)
    expect(page.get_by_role("img", name="table.png")).to_be_visible()
    send(page, "Outline two things")
    expect(page.get_by_text("I outlined two: reg_1, reg_2.")).to_be_visible()
    chip = page.get_by_role("button", name=re.compile("^reg_1 "))
    marks = page.locator(".sheet svg g")
    expect(marks.first).to_be_visible()
    assert marks.first.locator("mask image").count() == 1
    chip.click()
    expect(chip).to_have_attribute("aria-pressed", "false")
    expect(marks.first).to_be_hidden()
    chip.click()
    expect(marks.first).to_be_visible()
    chip.hover()
    assert marks.nth(1).evaluate("mark => getComputedStyle(mark).opacity") == "0.3", "the others step back"
    page.get_by_text("2 steps").click()
    expect(page.get_by_text("I look for things.")).to_be_visible()
    page.set_viewport_size({"width": 1280, "height": 940})  # all of it
    shot(page, "page")
    with page.expect_download() as saved:
        page.get_by_role("link", name="img_1").click()
    assert saved.value.suggested_filename == "img_1.png"
    send(page, "Hello?")
    expect(page.get_by_text("And hello again.")).to_be_visible()
    page.reload()
    expect(page.get_by_text("I outlined two: reg_1, reg_2.")).to_be_visible()
    expect(page.get_by_text("And hello again.")).to_be_visible()
    expect(page.locator(".sheet svg g").first).to_be_visible()


def test_paste_and_drop(visit, picture):
    page = visit("Hello.")
    data = base64.b64encode(picture.read_bytes()).decode()
    page.evaluate(
        """([data, names]) => {
            const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
            for (const name of names) {
                const moved = new DataTransfer();
                moved.items.add(new File([bytes], `${name}.png`, { type: "image/png" }));
                const event = name === "paste" ? new ClipboardEvent("paste", { clipboardData: moved, bubbles: true })
                    : new DragEvent("drop", { dataTransfer: moved, bubbles: true });
                document.querySelector("#text").dispatchEvent(event);
            }
        }""",
        [data, ["paste", "drop"]],
    )
    for name in ("paste.png", "drop.png"):
        expect(page.get_by_role("img", name=name)).to_be_visible()
    page.get_by_role("button", name="Remove drop.png").click()
    expect(page.get_by_role("img", name="drop.png")).to_have_count(0)
    send(page, "Hi")
    expect(page.locator(".sent img")).to_have_count(1)
    expect(page.get_by_text("Hello.")).to_be_visible()


def test_memory_is_searched_used_and_forgotten(visit, picture):
    page = visit(FIND, "I see reg_1.", "Hello.")
    page.locator("#files").set_input_files(picture)
    send(page, "What is there?")
    expect(page.get_by_text("I see reg_1.")).to_be_visible()
    expect(page.locator("#gallery li")).to_have_count(1)
    page.get_by_label("Search what was seen").fill("ball")
    page.keyboard.press("Enter")
    expect(page.locator("#gallery .use svg rect").first).to_be_visible()  # where in the picture it is
    page.locator("#like").set_input_files(picture)
    expect(page.get_by_text(re.compile(r"^\d+ found$"))).to_be_visible()
    page.locator("#gallery .use").first.click()
    expect(page.locator("#attached img")).to_have_count(1)
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name=re.compile("^Forget ")).first.click()
    expect(page.locator("#gallery li")).to_have_count(0)
    page.get_by_role("button", name=re.compile("^Delete ")).first.click()
    expect(page.locator("#chats li")).to_have_count(0)


def test_by_keyboard_alone_and_stopping(visit):
    import threading

    gate = threading.Event()

    def stall(messages):
        gate.wait(30)
        return "Too late."

    page = visit(stall, "Hello.")
    page.keyboard.type("Wait for me")  # the message has the focus
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("please")
    page.keyboard.press("Enter")
    expect(page.locator(".asked")).to_have_text("Wait for me\nplease")
    expect(page.get_by_text("Thinking …")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_text("Stopped. What was done stays.")).to_be_visible()
    gate.set()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Send")).to_be_focused()


def test_errors_are_told_and_the_next_message_works(visit, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    page = visit("Hello.")
    page.locator("#files").set_input_files(bad)
    send(page, "Look")
    expect(page.locator(".warning")).to_contain_text("picture")
    send(page, "Hi")
    expect(page.get_by_text("Hello.")).to_be_visible()


def test_a_token_is_asked_for_once(visit):
    page = visit("Hello.", tokens={"ann": "the token of ann ...."})
    page.get_by_role("textbox", name="Token").fill("wrong")
    page.get_by_role("button", name="Come in").click()
    expect(page.get_by_text("That is no token of this server.")).to_be_visible()
    page.get_by_role("textbox", name="Token").fill("the token of ann ....")
    page.get_by_role("button", name="Come in").click()
    expect(page.get_by_text("ann", exact=True)).to_be_visible()
    page.reload()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_what_a_model_says_is_words_and_never_a_page(visit):
    page = visit("<img src=x onerror=alert(1)> <b>bold</b>")
    send(page, "<script>document.title = 2</script>")
    expect(page.locator(".answer")).to_contain_text("<b>bold</b>")
    assert page.title() == "Saccade"
    assert page.locator(".answer img").count() == 0


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_it_can_be_used_by_everybody(visit, picture, look):
    phone = {"viewport": {"width": 390, "height": 780}, "is_mobile": True, "has_touch": True}
    page = visit(
        FIND, OUTLINE, "I outlined two: reg_1, reg_2.", **(phone if look == "phone" else {"color_scheme": look})
    )
    page.locator("#files").set_input_files(picture)
    send(page, "Outline two things")
    expect(page.get_by_text("I outlined two: reg_1, reg_2.")).to_be_visible()
    shot(page, look)
    if look == "phone":
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.get_by_role("button", name="Conversations and memory").click()
        expect(page.get_by_role("button", name="New conversation")).to_be_visible()
        shot(page, "phone-side")
    assert serious_faults(page) == []
