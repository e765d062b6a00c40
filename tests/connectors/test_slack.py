"""Slack against a stand-in for its servers: signed events in, answers out, once each whatever happens in between."""

from __future__ import annotations

import contextlib
import threading
import time
import urllib.parse

import httpx
import pytest
from slack_office import offices, slack
from slack_stand_in import APP_TOKEN, TEAM, TOKEN, deliver, signed
from web_house import png

from saccade import Agent
from saccade.connectors.slack import server
from saccade.connectors.slack.app import Allowed, incoming_of
from saccade.connectors.slack.files import Files
from saccade.connectors.slack.text import escaped, said
from saccade.testing import ScriptedController, call

__all__ = ["offices", "slack"]  # fixtures


def test_a_mention_with_a_picture_is_answered_in_its_thread(slack, offices):
    cut = call("crop_image", image="reg_1", background="transparent")
    outline = call("segment_objects", regions=["reg_1"])
    office = offices(call("find_objects", image="img_1"), outline, cut, "It is reg_1: img_2.", "Gladly.")
    picture = slack.file("table.png", png())
    assert office.send("<@UBOT> what is that?", ts="1.000001", files=[picture]) == 200
    assert slack.answers() == {f"{TEAM}:C1:1.000001": ["It is reg_1: img_2."]}
    posted = next(arguments for method, arguments in slack.requests if method == "chat.postMessage")
    assert posted["thread_ts"] == "1.000001"
    assert str(posted["unfurl_links"]).lower() in ("false", "0")
    uploads = [one for one in slack.uploads.values() if "data" in one]
    assert len(uploads) == 2
    assert all(one["alt_txt"] for one in uploads)
    assert "ball" in uploads[-1]["alt_txt"], "the evidence says what is marked"
    assert office.send("<@UBOT> thanks", ts="1.000002", thread="1.000001") == 200
    assert slack.answers()[f"{TEAM}:C1:1.000002"] == ["Gladly."]
    chats = office.agent.store.ledger.read("SELECT owner FROM chats")
    assert [row["owner"] for row in chats] == [f"slack:{TEAM}:U1"], "a thread is a conversation"


def test_retries_and_doubles_are_answered_once_and_acknowledged_at_once(slack, offices):
    gate = threading.Event()

    def stall(messages):
        gate.wait(30)
        return "Done."

    office = offices(whole=stall)
    body = slack.event("<@UBOT> hello", ts="1.000001")
    for _ in range(4):
        assert deliver(office.url, body).status_code == 200  # while the controller stalls
    double = slack.event("<@UBOT> hello", ts="1.000001", kind="message")
    assert deliver(office.url, double).status_code == 200
    gate.set()
    office.settle()
    assert slack.answers() == {f"{TEAM}:C1:1.000001": ["Done."]}


def test_what_is_forged_old_or_not_allowed_is_refused(slack, offices, caplog):
    caplog.set_level("INFO")
    office = offices("Hello.", allowed=Allowed(frozenset({TEAM}), frozenset({"C1"})))
    body = slack.event("<@UBOT> hello")
    assert deliver(office.url, body, secret="another secret").status_code == 401
    assert deliver(office.url, body, at=time.time() - 301).status_code == 401
    assert httpx.post(f"{office.url}/slack/events", json=body).status_code == 401
    assert deliver(office.url, slack.event("<@UBOT> hello", channel="C2")).status_code == 200
    office.settle()
    assert slack.requests == []
    assert "C2" in caplog.text
    assert caplog.text.count("a request was refused") == 3
    assert "hello" not in caplog.text
    assert TOKEN not in caplog.text
    assert office.agent.store.ledger.read("SELECT * FROM chats") == []


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"url_private": "https://evil.example/a.png"}, "does not lie at Slack"),
        ({"url_private": "http://127.0.0.1.evil.example/a.png"}, "does not lie at Slack"),
        ({"url_private": "http://someone@127.0.0.1/a.png"}, "does not lie at Slack"),
        ({"is_external": True}, "does not lie at Slack"),
        ({"size": 2 * 2**31}, "larger than"),
        ({"name": "away"}, "does not lie at Slack"),
        ({"name": "missing"}, "files:read"),
    ],
)
def test_the_token_goes_to_slack_alone(slack, offices, caplog, more, words):
    office = offices("Hello.")
    file = slack.file("a.png", png()) | more
    if more.get("name"):
        file["url_private"] = f"{slack.url}/files/{more['name']}"
    assert office.send("<@UBOT> look", ts="1.000001", files=[file]) == 200
    (answer,) = slack.answers()[f"{TEAM}:C1:1.000001"]
    assert words in answer
    assert {host for host, token in slack.elsewhere if token} <= {f"127.0.0.1:{slack.server.server_port}"}
    assert TOKEN not in caplog.text


def test_a_file_that_is_larger_than_it_says_is_cut_off(slack, offices, monkeypatch):
    office = offices("Hello.")
    small = Files(TOKEN, {"127.0.0.1"}, most_bytes=1000, plain=True)
    monkeypatch.setattr(office.bot.service, "files", small)
    file = slack.file("a.png", b"x" * 5000) | {"size": 10}
    assert office.send("<@UBOT> look", ts="1.000001", files=[file]) == 200
    assert "larger than" in slack.answers()[f"{TEAM}:C1:1.000001"][0]


def test_a_bad_picture_is_told_and_the_thread_goes_on(slack, offices):
    office = offices("Hello.")
    assert office.send("<@UBOT> look", ts="1.000001", files=[slack.file("a.txt", b"no picture")]) == 200
    assert "picture" in slack.answers()[f"{TEAM}:C1:1.000001"][0]
    assert office.send("<@UBOT> hello", ts="1.000002", thread="1.000001") == 200
    assert slack.answers()[f"{TEAM}:C1:1.000002"] == ["Hello."]


def test_too_many_of_one_person_are_told_politely(slack, offices):
    gate = threading.Event()

    def stall(messages):
        gate.wait(30)
        return "Done."

    office = offices(whole=stall)
    office.bot.of_one = 3
    for number in range(5):
        deliver(office.url, slack.event("<@UBOT> hello", ts=f"1.00000{number}"))
    gate.set()
    office.settle()
    told = sorted(text for texts in slack.answers().values() for text in texts)
    assert [text.partition(" ")[0] for text in told] == ["Done.", "Done.", "Done.", "You", "You"]


def test_slack_failing_for_a_while_loses_nothing(slack, offices, monkeypatch):
    monkeypatch.setattr("saccade.connectors.bot.AGAIN", (0.01,) * 5)
    failures = iter([500, 503, 500])
    slack.fail = lambda method: next(failures, None) if method in ("chat.postMessage", "chat.update") else None
    office = offices("Hello.")
    assert office.send("<@UBOT> hello", ts="1.000001") == 200
    assert slack.answers() == {f"{TEAM}:C1:1.000001": ["Hello."]}


def test_an_answer_is_only_words(slack, offices):
    office = offices('<!channel> see https://evil.example and <https://evil.example|here>, @here & "<@U2>"')
    office.send("<@UBOT> hello", ts="1.000001")
    (text,) = slack.answers()[f"{TEAM}:C1:1.000001"]
    assert "<" not in text
    assert "https://" not in text
    assert "@here" not in text
    assert escaped("a" * 9000).endswith("…")
    assert said("<@UBOT>  read &lt;b&gt; at <https://a.example|this page> in <#C1|general>") == "read <b> at this page in general"  # noqa: E501  # fmt: skip


def test_commands_search_and_forget(slack, offices):
    office = offices(call("find_objects", image="img_1"), "I see reg_1.")
    office.send("<@UBOT> look", ts="1.000001", files=[slack.file("a.png", png())])
    office.agent.remembering.wait()

    def command(text):
        form = {"command": "/saccade", "text": text, "team_id": TEAM, "user_id": "U1", "channel_id": "C1"}
        data = urllib.parse.urlencode(form).encode()
        return httpx.post(f"{office.url}/slack/events", content=data, headers=signed(data, form=True), timeout=30).text

    assert "search WORDS" in command("")
    assert "seen" in command("search ball")
    assert "for good" in command("forget")
    assert "conversations" in command("forget everything")
    assert office.agent.store.ledger.read("SELECT * FROM chats") == []


def test_a_turn_that_was_cut_off_before_its_first_step_is_begun_anew(slack, offices):
    office = offices("Hello.", call("find_objects", image="img_1"), "I see reg_1.")
    office.send("<@UBOT> hello", ts="1.000001")
    body = slack.event("<@UBOT> look", ts="1.000002", thread="1.000001", files=[slack.file("a.png", png())])
    message = incoming_of(body, Allowed())
    bot = office.bot
    chat = office.agent.chat(id=bot.inbox.chat_of(message.thread))
    assert bot.inbox.claim(message)
    bot.inbox.begin(message.id, chat.workspace.begin_turn()[0])
    bot.start()  # as the next process does
    office.settle()
    assert slack.answers()[message.id] == ["I see reg_1."]
    told = [(reply.text, reply.evidence) for _, _, reply in office.agent.chat(id=chat.id).replies()]
    assert [text for text, _ in told] == ["Hello.", "I see reg_1."]
    assert told[1][1].name == "evidence_3.png", "the second turn has no words"


def test_what_runs_when_it_is_stopped_ends_or_goes_on_at_the_next_start(slack, offices):
    gate, begun = threading.Event(), threading.Event()

    def hang(messages):
        begun.set()
        gate.wait(30)
        return "Done." if messages[-1].type == "tool" else call("find_objects", image="img_1")

    first = offices(whole=hang)
    deliver(first.url, slack.event("<@UBOT> look", ts="1.000001", files=[slack.file("a.png", png())]))
    begun.wait(30)
    assert first.bot.close(0.1) == 1, "it is left at work"
    gate.set()
    while not any("Done." in texts for texts in slack.answers().values()):
        time.sleep(0.01)
    assert slack.answers() == {f"{TEAM}:C1:1.000001": ["Done."]}


def test_over_socket_mode_nothing_here_need_be_reachable(slack, tmp_path, monkeypatch):
    stops = []
    monkeypatch.setattr(server, "stopped_by_signals", lambda stop: stops.append(stop) or contextlib.nullcontext())
    with Agent(controller=ScriptedController(["Hello.", "And hello."]), home=tmp_path) as agent:
        bot, app = server.put_together(agent, TOKEN, "unused", Allowed(), api=f"{slack.url}/api/", hosts={"127.0.0.1"})
        thread = threading.Thread(target=server.serve_socket, args=(bot, app, APP_TOKEN), daemon=True)
        thread.start()
        for number in (1, 2, 2):
            slack.deliver_over_socket(slack.event("<@UBOT> hello", ts=f"1.00000{number}", thread="1.000001"))
        while not bot.idle():
            time.sleep(0.01)
        stops[0]()
        thread.join(20)
        assert not thread.is_alive()
    assert slack.answers() == {f"{TEAM}:C1:1.000001": ["Hello."], f"{TEAM}:C1:1.000002": ["And hello."]}
