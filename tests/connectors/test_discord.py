"""Discord against a stand-in for its servers: events come over its gateway, and each is answered once."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import discord
import pytest
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route
from discord_stand_in import CHANNEL, DIRECT, SERVER, THREAD, TOKEN, Discord
from web_house import png, scripted_agent

from saccade.connectors.bot import Bot
from saccade.connectors.discord.app import Client, Door, log_in
from saccade.connectors.discord.service import plain
from saccade.errors import UserError
from saccade.testing import call


@pytest.fixture
def servers(opened, monkeypatch):
    made = opened(Discord())
    monkeypatch.setattr(Route, "BASE", f"{made.url}/api/v10")
    monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(made.gateway_url))
    return made


class Office:
    """A bot that is connected."""

    def __init__(self, stand_in, home, script, **more):
        self.servers = stand_in
        self.agent = scripted_agent(home, script)
        client = Client(**more)
        service = log_in(client, TOKEN)
        service.hosts = frozenset({"127.0.0.1"})
        self.bot = Bot(self.agent, service)
        self.door = Door(self.bot, client, service)
        self.thread = threading.Thread(target=self.door.run, daemon=True)
        self.thread.start()

    def ask(self, text, **more):
        """Write a message and wait until it is answered; what was said to each message so far."""
        self.servers.write(text, **more)
        return self.settle(text)

    def settle(self, text):
        while text not in self.servers.answers() or not self.bot.idle():
            time.sleep(0.01)
        return self.servers.answers()

    def close(self):
        self.door.stopping.set()
        self.thread.join(20)
        assert self.door.close() == 0
        self.agent.close()


@pytest.fixture
def offices(servers, tmp_path, opened, monkeypatch):
    monkeypatch.setattr("saccade.connectors.bot.AGAIN", (0.01,) * 5)
    return lambda *script, **more: opened(Office(servers, tmp_path / "home", list(script), **more))


def test_a_picture_is_answered_with_evidence_and_the_conversation_goes_on(servers, offices):
    office = offices(call("find_objects", image="img_1"), "I see reg_1.", "Gladly.")
    assert office.ask("what is there?", pictures=[png()]) == {"what is there?": ["I see reg\\_1."]}
    shown = next(one for one in servers.messages.values() if one.get("uploaded"))
    assert shown["content"] == "I see reg\\_1.", "the pictures are in the answer itself"
    assert "rests on" in shown["described"][0]
    assert office.ask("thanks")["thanks"] == ["Gladly."]
    owners = office.agent.store.ledger.read("SELECT owner FROM chats")
    assert [row["owner"] for row in owners] == ["discord:7"]


def test_in_a_server_it_speaks_when_it_is_named_and_each_has_a_conversation(servers, offices):
    office = offices(*["Yes?"] * 4)
    servers.write("nobody asked you", channel=CHANNEL, named=False)
    for user, channel in ((7, CHANNEL), (8, CHANNEL), (7, THREAD), (8, THREAD)):
        office.ask(f"hello from {user} in {channel}", channel=channel, user=user)
    assert len(servers.answers()) == 4
    owners = office.agent.store.ledger.read("SELECT owner FROM chats ORDER BY rowid")
    assert [row["owner"] for row in owners] == ["discord:7", "discord:8", "discord:7", "discord:8"]


def test_commands_are_answered_to_that_person_alone(servers, offices):
    office = offices("Hello.", "Hello again.")
    office.ask("hi")
    assert {one["name"] for one in servers.commands} == {"new", "search", "forget"}
    assert "new conversation" in servers.command("new")
    office.ask("hi again")
    assert len(office.agent.chats.list("discord:7")) == 2
    assert "nothing like that" in servers.command("search", words="a green cone")
    assert "/forget everything:True" in servers.command("forget")
    assert "2 conversations" in servers.command("forget", everything=True)
    told = [named for _, path, named in servers.requests if path.startswith(("/webhooks", "/interactions"))]
    assert len(told) == 8
    assert all((one.get("data") or one)["flags"] == 64 for one in told), "for that person's eyes only"


def test_who_may_ask(servers, offices, caplog):
    office = offices("Hello.", servers=[SERVER], channels=[CHANNEL])
    servers.write("from a direct message")
    assert office.ask("hi from a thread", channel=THREAD) == {"hi from a thread": ["Hello."]}, "of that channel"
    assert "not answer here" in servers.command("search", words="x")
    assert f"channel {DIRECT}" in caplog.text
    assert TOKEN not in caplog.text


def test_failures_lost_answers_and_lost_connections_give_one_answer(servers, offices):
    failures = iter([500, "lost", None, 502, "lost"])
    servers.fail = lambda method, path: next(failures, None) if "/messages" in path and method != "GET" else None
    office = offices("Hello.", "And hello.")
    first = servers.write("hi")
    assert office.settle("hi") == {"hi": ["Hello."]}
    servers.dispatch("MESSAGE_CREATE", first)  # it comes again
    servers.hang_up()
    assert office.ask("hi again") == {"hi": ["Hello."], "hi again": ["And hello."]}


def test_an_answer_that_was_posted_before_a_crash_is_found(servers, offices):
    office = offices("Hello.")
    office.ask("hi")
    (row,) = office.bot.inbox._db.execute("SELECT * FROM messages").fetchall()
    message = SimpleNamespace(place={"channel": DIRECT, "message": int(row["id"])})
    for one in servers.messages.values():
        one["nonce"] = None  # Discord has forgotten it by then
    assert office.door.service.open_answer(message, again=True) == row["ref"]


def test_files_that_are_too_large_or_elsewhere_are_told(servers, offices):
    office = offices("Hello.", "Hello.")
    assert "50 MB" in office.ask("large", pictures=[png()], size=2**31)["large"][0]
    assert "own servers" in office.ask("foreign", pictures=[png()], url="http://example.com/a.png")["foreign"][0]


def test_what_pictures_say_is_shown_as_plain_words():
    shown = plain("@everyone **see** [this](https://evil.example) <@123456789012345678> discord://x")
    assert "https:" not in shown
    assert "@everyone" not in shown
    assert "\\*\\*see\\*\\*" in shown
    assert "<@123456789012345678>" not in shown
    assert len(plain("x" * 3_000)) == 2_000


def test_a_token_that_is_refused(servers):
    with pytest.raises(UserError, match="does not take this token"):
        log_in(Client(), "another")


def test_no_privileged_intent_is_asked_for():
    intents = Client().intents
    assert not intents.value & discord.Intents(message_content=True, members=True, presences=True).value
