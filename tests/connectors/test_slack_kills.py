"""The Slack bot in a process of its own, which is killed again and again, while an expert hangs."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import socket
import time
from pathlib import Path

import httpx
import slack_worker
from slack_office import slack
from slack_stand_in import TEAM, deliver
from web_house import png

__all__ = ["slack"]  # a fixture


# With SACCADE_LONG=1: a thousand messages, twenty kills, and a minute's stall, which takes some minutes.
LONG = bool(os.environ.get("SACCADE_LONG"))  # its figures go to docs/results/slack.json
THREADS, KILLS, STALL = (200, 20, 60.0) if LONG else (6, 2, 0.0)  # the last in seconds
EACH = 5  # messages of a thread
LOOK = 1  # so many of the threads ask for a look, for which an expert is needed


def test_killed_again_and_again_while_an_expert_stalls_it_answers_every_message_once(slack, tmp_path):
    """Each message is delivered up to four times and shuffled, and deliveries in the moment of a kill are lost.

    In the second half an expert hangs, and all that comes meanwhile is acknowledged, and answered where no expert is
    needed for that. In the long run one of the kills then is a SIGTERM.
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
    stopped = half + EACH * LOOK + 1  # while the expert hangs
    kills.add(stopped)
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
                worker.terminate() if LONG and number == stopped else worker.kill()
                began = time.monotonic()
                worker.join()
                if number == stopped:
                    took, status = time.monotonic() - began, worker.exitcode
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
            time.sleep(0.25)
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
            "seconds from SIGTERM to the end, while it hung": round(took, 1), "status then": status,
            "acknowledged while it hung, median ms": _ranked(taken[True], 0.5),
            "acknowledged while it hung, p99 ms": _ranked(taken[True], 0.99),
        }  # fmt: skip
        assert figures["acknowledged while it hung, p99 ms"] < 500
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
