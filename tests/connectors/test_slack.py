"""Slack against a stand-in for its servers: signed events in, answers out, once each whatever happens in between."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import random
import socket
import threading
import time
import urllib.parse
from pathlib import Path

import httpx
import pytest
import slack_worker
import uvicorn
from slack_stand_in import APP_TOKEN, OUTSIDE, SECRET, TEAM, TOKEN, Slack, deliver, signed
from web_house import RENDERED, SCENE, png

from saccade import Agent
from saccade.connectors.slack import server
from saccade.connectors.slack.app import NO_PICTURE, NOT_HERE, NOT_IN, SHORTCUT, Allowed
from saccade.connectors.slack.files import Files
from saccade.connectors.slack.pane import FIRST, NEXT
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


# With SACCADE_LONG=1: a thousand messages, twenty kills, and a minute's stall, which takes some minutes.
LONG = bool(os.environ.get("SACCADE_LONG"))  # its figures go to docs/results/slack.json
THREADS, KILLS, STALL = (200, 20, 60.0) if LONG else (6, 2, 0.0)  # the last in seconds
EACH = 5  # messages of a thread
LOOK = 1  # so many of the threads ask for a look, for which an expert is needed


def test_killed_again_and_again_while_an_expert_stalls_it_answers_every_message_once(slack, tmp_path):
    """Each message is delivered up to four times and shuffled, and deliveries in the moment of a kill are lost.

    In the second half an expert hangs, and all that comes meanwhile is acknowledged, and answered where no expert is
    needed for that.
    """
    chance = random.Random(7)
    numbers = {f"{thread + 1}.{turn:06d}": f"t{thread}x{turn}" for thread in range(THREADS) for turn in range(EACH)}
    picture = slack.file("a.png", png())

    def message(ts):
        thread = int(ts.partition(".")[0])
        looks = thread <= LOOK
        return slack.event(f"<@UBOT> {'look: ' if looks else ''}number {numbers[ts]}", ts=ts, user=f"U{thread}",
                           thread=f"{thread}.000000", files=[picture] if looks else [])  # fmt: skip

    looking, plain = ([ts for ts in numbers if (int(ts.partition(".")[0]) <= LOOK) == looks] for looks in (True, False))
    deliveries = [ts for ts in plain for _ in range(chance.randint(1, 4))]
    chance.shuffle(deliveries)
    half = len(deliveries) // 2
    deliveries[half:half] = looking
    kills = set(chance.sample([at for at, ts in enumerate(deliveries) if at > 4 and ts not in looking], KILLS - 1))
    kills.add(half + EACH * LOOK + 1)  # while the expert hangs
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    worker = _started(tmp_path / "home", slack, port)
    taken, lost = {False: [], True: []}, []  # seconds until it was acknowledged, and whether an expert hung by then

    def take(ts):
        hangs, began = bool(slack.stalled), time.perf_counter()
        assert deliver(url, message(ts)).status_code == 200
        taken[hangs].append(time.perf_counter() - began)

    try:
        for number, ts in enumerate(deliveries):
            if number in kills:
                hung = len(slack.stalled)
                worker.kill()
                worker.join()
                lost.append(ts)  # nobody took it: Slack sends it again
                worker = _started(tmp_path / "home", slack, port)
                while hung and len(slack.stalled) == hung:  # the next process asks the expert anew
                    time.sleep(0.05)
            else:
                take(ts)
            while number == half + EACH * LOOK - 1 and not slack.stalled:
                time.sleep(0.05)
        for ts in lost:
            take(ts)
        _answered(slack, plain)  # none of them waits for the expert
        assert slack.stalled
        assert not {text for texts in slack.answers().values() for text in texts} & {f"You said number {numbers[ts]}." for ts in looking}  # noqa: E501  # fmt: skip
        while time.monotonic() - slack.stalled[-1] < STALL:
            take(chance.choice(plain))  # Slack sends some once more
        hung = time.monotonic() - slack.stalled[-1]
        slack.gate.set()
        _answered(slack, numbers)
        worker.terminate()
        worker.join(30)
        assert worker.exitcode == 0
    finally:
        slack.gate.set()
        worker.kill()
        worker.join()
    told = {message.rpartition(":")[2]: texts for message, texts in slack.answers().items()}
    assert told == {ts: [f"You said number {number}."] for ts, number in numbers.items()}
    if LONG:
        figures = {
            "messages": len(numbers), "deliveries": sum(map(len, taken.values())) + KILLS, "kills": KILLS,
            "answered once": len(told), "acknowledged, median ms": _ranked(taken[False] + taken[True], 0.5),
            "acknowledged, p99 ms": _ranked(taken[False] + taken[True], 0.99),
            "seconds that an expert hung": round(hung, 1), "acknowledged while it hung": len(taken[True]),
            "acknowledged while it hung, median ms": _ranked(taken[True], 0.5),
            "acknowledged while it hung, p99 ms": _ranked(taken[True], 0.99),
        }  # fmt: skip
        (Path(__file__).parents[2] / "docs" / "results" / "slack.json").write_text(json.dumps(figures, indent=1) + "\n")


def _ranked(seconds, part):
    """Milliseconds, below which so large a part of them is."""
    return round(1000 * sorted(seconds)[int(part * len(seconds))], 1)


def _answered(slack, messages):
    """Wait until all these are answered."""
    wanted = {f"{TEAM}:C1:{ts}" for ts in messages}
    for _ in range(4800):
        told = slack.answers()
        if all(any("You said" in text for text in told.get(one, ())) for one in wanted):
            return
        time.sleep(0.05)
    raise AssertionError(f"not answered: {sorted(wanted - set(slack.answers()))}")


# Processes are made from one that has imported what takes long.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([
    "langchain.agents", "scipy.ndimage", "scipy.optimize", "saccade.agent.agent", "saccade.agent.chat",
    "saccade.connectors.slack.server", "saccade.connectors.web.app", "saccade.testing.experts",
    "saccade.tools.builtin.find_objects",
])  # fmt: skip


def _started(home, slack, port):
    """A bot in a process of its own, once it listens."""
    worker = PROCESSES.Process(target=slack_worker.work, args=(home, slack.url, port), daemon=True)
    worker.start()
    while True:
        try:
            httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=1)
            return worker
        except httpx.HTTPError:
            assert worker.is_alive()
            time.sleep(0.05)
