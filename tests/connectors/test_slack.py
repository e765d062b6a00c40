"""Slack against a stand-in for its servers: signed events in, answers out, once each whatever happens in between."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from pathlib import Path

import httpx
import pytest
import slack_worker
import uvicorn
from slack_stand_in import SECRET, TEAM, TOKEN, Slack, deliver, signed
from web_house import RENDERED, SCENE, png

from saccade import Agent
from saccade.connectors.slack import server
from saccade.connectors.slack.app import Allowed
from saccade.connectors.slack.files import Files
from saccade.connectors.slack.text import escaped, said
from saccade.testing import ScriptedController, call
from saccade.testing.experts import TrueExperts

TRUTH = (SCENE, RENDERED.boxes.astype(float), RENDERED.masks)


@pytest.fixture
def slack():
    made = Slack()
    yield made
    made.close()


class Office:
    """A bot in this process, reachable as Slack reaches it."""

    def __init__(self, slack, home, script, allowed, monkeypatch):
        self.slack = slack
        self.agent = Agent(controller=ScriptedController(script), home=home, experts=TrueExperts(lambda _: TRUTH))
        self.bot, app = server.put_together(
            self.agent, TOKEN, SECRET, allowed, api=f"{slack.url}/api/", hosts={"127.0.0.1"}
        )
        started = threading.Event()
        made = []

        def run(web, host, port, **more):
            config = uvicorn.Config(web, host=host, port=0, log_level="warning")
            made.append(uvicorn.Server(config))
            started.set()
            made[0].run()

        monkeypatch.setattr(uvicorn, "run", run)
        self.thread = threading.Thread(target=server.serve_http, args=(self.bot, app, "127.0.0.1", 0), daemon=True)
        self.thread.start()
        started.wait(20)
        self.server = made[0]
        while not self.server.started:
            time.sleep(0.01)
        self.url = f"http://127.0.0.1:{self.server.servers[0].sockets[0].getsockname()[1]}"

    def send(self, *args, **more):
        """Deliver an event, and wait until all is answered; the answer's status."""
        done = deliver(self.url, self.slack.event(*args, **more))
        self.settle()
        return done.status_code

    def settle(self):
        while not self.bot.idle():
            time.sleep(0.01)

    def close(self):
        self.server.should_exit = True
        self.thread.join(20)
        self.agent.close()


@pytest.fixture
def offices(slack, tmp_path, monkeypatch):
    made = []

    def make(*script, allowed=None, whole=None):
        made.append(Office(slack, tmp_path / "home", whole or list(script), allowed or Allowed(), monkeypatch))
        return made[-1]

    yield make
    for office in made:
        office.close()


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
    office = offices("Hello.", allowed=Allowed(frozenset({TEAM}), frozenset({"C1"})))
    body = slack.event("<@UBOT> hello")
    assert deliver(office.url, body, secret="another secret").status_code == 401
    assert deliver(office.url, body, at=time.time() - 301).status_code == 401
    assert httpx.post(f"{office.url}/slack/events", json=body).status_code == 401
    assert deliver(office.url, slack.event("<@UBOT> hello", channel="C2")).status_code == 200
    office.settle()
    assert slack.requests == []
    assert "C2" in caplog.text
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


def test_ask_about_this_picture(slack, offices):
    office = offices(call("find_objects", image="img_1"), "I see reg_1.")
    message = {"ts": "1.000001", "files": [slack.file("a.png", png())]}
    common = {"team": {"id": TEAM}, "user": {"id": "U1"}}

    def interact(payload):
        data = urllib.parse.urlencode({"payload": json.dumps(common | payload)}).encode()
        done = httpx.post(f"{office.url}/slack/events", content=data, headers=signed(data, form=True), timeout=30)
        assert done.status_code == 200

    interact({"type": "message_action", "callback_id": "saccade_ask", "trigger_id": "t", "channel": {"id": "C1"},
              "message": message})  # fmt: skip
    while not hasattr(slack, "view"):
        time.sleep(0.01)
    values = {"question": {"text": {"value": "What is there?"}}}
    interact({"type": "view_submission", "view": slack.view | {"id": "V1", "state": {"values": values}}})
    office.settle()
    assert slack.answers("1.000001") == {f"{TEAM}:C1:view-V1": ["I see reg_1."]}


# With SACCADE_LONG=1: a thousand messages and twenty kills, which takes some minutes.
LONG = bool(os.environ.get("SACCADE_LONG"))  # its figures go to docs/results/slack.json
THREADS, KILLS = (200, 20) if LONG else (8, 3)
EACH = 5  # messages of a thread


def test_killed_again_and_again_it_answers_every_message_once(slack, tmp_path):
    """Each message is delivered up to four times and shuffled, and deliveries in the moment of a kill are lost."""
    chance = random.Random(7)
    bodies = [
        slack.event(f"<@UBOT> number t{thread}x{turn}", ts=f"{thread + 1}.{turn:06d}",
                    thread=f"{thread + 1}.000000", user=f"U{thread}")
        for thread in range(THREADS) for turn in range(EACH)
    ]  # fmt: skip
    deliveries = [body for body in bodies for _ in range(chance.randint(1, 4))]
    chance.shuffle(deliveries)
    kills = set(chance.sample(range(5, len(deliveries)), KILLS))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    worker = _started(tmp_path / "home", slack, port)
    try:
        lost, taken = [], []
        for number, body in enumerate(deliveries):
            if number in kills:
                worker.kill()
                worker.wait()
                lost.append(body)  # nobody took it: Slack sends it again
                worker = _started(tmp_path / "home", slack, port)
                continue
            began = time.perf_counter()
            assert deliver(url, body).status_code == 200
            taken.append(time.perf_counter() - began)
        for body in lost:
            assert deliver(url, body).status_code == 200
        for _ in range(40 * len(bodies)):
            answers = slack.answers()
            texts = [text for some in answers.values() for text in some]
            if len(answers) == len(bodies) and not any("Looking" in text for text in texts):
                break
            time.sleep(0.05)
        worker.terminate()
        assert worker.wait(30) == 0
    finally:
        worker.kill()
        worker.wait()
    told = {message.rpartition(":")[2]: texts for message, texts in slack.answers().items()}
    assert told == {
        f"{thread + 1}.{turn:06d}": [f"You said number t{thread}x{turn}."]
        for thread in range(THREADS) for turn in range(EACH)
    }  # fmt: skip
    figures = {
        "messages": len(bodies), "deliveries": len(deliveries), "kills": KILLS, "answered once": len(told),
        "acknowledged, median ms": round(1000 * sorted(taken)[len(taken) // 2], 1),
        "acknowledged, p99 ms": round(1000 * sorted(taken)[int(0.99 * len(taken))], 1),
    }  # fmt: skip
    if LONG:
        (Path(__file__).parents[2] / "docs" / "results" / "slack.json").write_text(json.dumps(figures, indent=1) + "\n")


def _started(home, slack, port):
    """A bot in a process of its own, once it listens."""
    command = [sys.executable, slack_worker.__file__, str(home), slack.url, str(port)]
    worker = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(Path(slack_worker.__file__).parent)})
    while True:
        try:
            httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=1)
            return worker
        except httpx.HTTPError:
            assert worker.poll() is None
            time.sleep(0.05)
