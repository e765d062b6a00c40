"""What one meets in Slack besides messages: the assistant's pane, the shortcut and its windows, the manifest."""

from __future__ import annotations

import json
import time
import urllib.parse

import httpx
import pytest
from slack_office import offices, slack
from slack_stand_in import OUTSIDE, TEAM, deliver, signed
from web_house import png

from saccade.connectors.slack import server
from saccade.connectors.slack.app import NO_PICTURE, NOT_HERE, NOT_IN, SHORTCUT, Allowed
from saccade.connectors.slack.pane import FIRST, NEXT
from saccade.testing import call

__all__ = ["offices", "slack"]  # fixtures


@pytest.fixture
def interact(slack):
    """Sends what Slack sends of windows and shortcuts."""

    def sent(office, payload):
        known = {"team": {"id": TEAM}, "user": {"id": "U1"}}
        data = urllib.parse.urlencode({"payload": json.dumps(known | payload)}).encode()
        done = httpx.post(f"{office.url}/slack/events", content=data, headers=signed(data, form=True), timeout=30)
        assert done.status_code == 200

    def window(office, channel="C1", **message):
        before = len(slack.views)
        sent(office, {"type": "message_action", "callback_id": "saccade_ask", "trigger_id": "t",
                      "channel": {"id": channel}, "message": {"ts": "1.000001"} | message})  # fmt: skip
        while len(slack.views) == before:
            time.sleep(0.01)
        return slack.views[-1]

    return sent, window


def test_ask_about_this_picture(slack, offices, interact):
    sent, window = interact
    office = offices(call("find_objects", image="img_1"), "I see reg_1.")
    view = window(office, files=[slack.file("a.png", png()) | {"name": "long " * 1000}] * 9)
    assert len(view["private_metadata"]) < 3000
    values = {"question": {"text": {"value": "What is there?"}}}
    sent(office, {"type": "view_submission", "view": view | {"id": "V1", "state": {"values": values}}})
    office.settle()
    assert slack.answers("1.000001") == {f"{TEAM}:C1:view-V1": ["I see reg_1."]}


def test_a_message_that_cannot_be_asked_about_is_told_so(slack, offices, interact):
    sent, window = interact
    office = offices("Hello.", allowed=Allowed(channels=frozenset({"C1", OUTSIDE})))
    picture = [slack.file("a.png", png())]
    told = [window(office), window(office, channel=OUTSIDE, files=picture), window(office, channel="C2", files=picture)]
    assert [view["blocks"][0]["text"]["text"] for view in told] == [NO_PICTURE, NOT_IN, NOT_HERE]
    assert not any("submit" in view for view in told)
    forged = window(office, files=picture)
    forged["private_metadata"] = forged["private_metadata"].replace('"C1"', '"C2"')
    values = {"question": {"text": {"value": "What is there?"}}}
    sent(office, {"type": "view_submission", "view": forged | {"id": "V1", "state": {"values": values}}})
    office.settle()
    assert slack.answers() == {}


def test_in_the_assistants_pane_a_line_says_what_is_being_done(slack, offices):
    office = offices(call("find_objects", image="img_1"), "I see reg_1.", "Gladly.")
    deliver(office.url, slack.pane())
    thread, pane = next(iter(slack.panes.items()))
    while "prompts" not in pane:
        time.sleep(0.01)
    assert pane["prompts"] == [message for _, message in FIRST]
    deliver(office.url, slack.pane("assistant_thread_context_changed"))
    while len(pane["told"]) < 2:
        time.sleep(0.01)
    in_pane = {"channel": "D1", "kind": "message", "thread": thread}
    office.send("what is there?", ts="9.000001", files=[slack.file("a.png", png())], **in_pane)
    office.send("thanks", ts="9.000002", **in_pane)
    assert slack.answers(thread) == {f"{TEAM}:D1:9.000001": ["I see reg_1."], f"{TEAM}:D1:9.000002": ["Gladly."]}
    suggested = [("prompts", [message for _, message in prompts]) for prompts in (FIRST, FIRST, NEXT)]
    assert [one for one in pane["told"] if one[0] == "prompts"] == suggested, "what fits the picture, after it"
    assert [one for one in pane["told"] if one[0] == "title"] == [("title", "what is there?")]
    assert ("status", "is looking …") in pane["told"]
    assert ("status", "is at it: find objects …") in pane["told"]
    assert pane["status"] == "", "the answer took it away"
    posted = [arguments["text"] for method, arguments in slack.requests if method.startswith("chat.")]
    assert posted == ["I see reg_1.", "Gladly."], "nothing else was posted, and nothing changed"


def test_a_thread_that_is_none_of_the_pane_is_answered_all_the_same(slack, offices):
    office = offices("Hello.")
    office.send("hi", ts="8.000001", channel="D1", kind="message", thread="8.000000")
    assert slack.answers() == {f"{TEAM}:D1:8.000001": ["Hello."]}


def test_an_answer_in_the_pane_that_may_have_been_posted_is_posted_once(slack, offices, monkeypatch):
    monkeypatch.setattr("saccade.connectors.bot.AGAIN", (0.01,) * 5)
    office = offices("Hello.")
    deliver(office.url, slack.pane())
    post, lost = slack.chat_post_message, iter([500, 500])

    def posted_and_lost(arguments):
        post(arguments)
        slack.fail = lambda method: next(lost, None) if method == "conversations.replies" else None
        raise ConnectionError  # Slack has it, and we do not know

    monkeypatch.setattr(slack, "chat_post_message", posted_and_lost)
    monkeypatch.setattr(slack.server, "handle_error", lambda *_: None)
    office.send("hi", ts="9.000001", channel="D1", kind="message", thread="9.000000")
    assert slack.answers() == {f"{TEAM}:D1:9.000001": ["Hello."]}


@pytest.mark.parametrize("url", [None, "https://saccade.example"])
def test_the_manifest_asks_for_what_the_app_uses(url):
    made = json.loads(server.manifest(url))
    settings, features = made["settings"], made["features"]
    assert settings["socket_mode_enabled"] == (url is None)
    addresses = [
        settings["event_subscriptions"].get("request_url"), settings["interactivity"].get("request_url"),
        features["slash_commands"][0].get("url"),
    ]  # fmt: skip
    assert addresses == [url and f"{url}/slack/events"] * 3
    assert features["shortcuts"][0]["callback_id"] == SHORTCUT
    assert [one["message"] for one in features["assistant_view"]["suggested_prompts"]] == [told for _, told in FIRST]
    assert {"assistant_thread_started", "assistant_thread_context_changed", "message.im", "app_mention"} == set(
        settings["event_subscriptions"]["bot_events"]
    )
    assert {"assistant:write", "chat:write", "files:read", "files:write", "im:history", "channels:history"} <= set(
        made["oauth_config"]["scopes"]["bot"]
    )
