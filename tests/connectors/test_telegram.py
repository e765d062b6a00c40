"""Telegram against a stand-in for its Bot API: updates are fetched, claimed, answered once."""

from __future__ import annotations

import threading
import time
from urllib.parse import urlsplit

import pytest
from service_stand_in import StandIn
from telegram import Bot as TelegramBot
from web_house import RENDERED, png, scripted_agent

from saccade.connectors.bot import Bot
from saccade.connectors.telegram.app import Poller
from saccade.connectors.telegram.service import TelegramService
from saccade.testing import call

TOKEN = "123:the-token"


class Telegram(StandIn):
    """The servers: updates wait until a higher offset is asked for, and edits of what is no message are refused."""

    def __init__(self):
        self.updates, self.said, self.files, self.documents = [], {}, {}, []
        self.fail = lambda method: None
        self._count = 100
        super().__init__()

    def number(self):
        with self._lock:
            self._count += 1
            return self._count

    def give(self, handler):
        data = self.files.get(urlsplit(handler.path).path.rpartition("/")[2], b"")
        self.send(handler, 200 if data else 404, data)

    def answer(self, handler):
        named = self.arguments(handler, self.body(handler))
        token, _, method = urlsplit(handler.path).path.removeprefix("/bot").partition("/")
        if token != TOKEN:
            return self.json(handler, {"ok": False, "error_code": 401, "description": "Unauthorized"}, 401)
        status = self.fail(method)
        if status:
            return self.json(handler, {"ok": False, "error_code": status, "description": "Try later"}, status)
        done = getattr(self, method.lower())(named)
        if isinstance(done, str):
            return self.json(handler, {"ok": False, "error_code": 400, "description": done}, 400)
        return self.json(handler, {"ok": True, "result": done})

    # The Bot API

    def getme(self, named):
        return {"id": 1, "is_bot": True, "first_name": "Saccade", "username": "saccade_bot"}

    def getupdates(self, named):
        offset = int(named.get("offset", 0))
        self.updates = [one for one in self.updates if one["update_id"] >= offset]
        if not self.updates:
            time.sleep(0.05)
        return self.updates

    def sendmessage(self, named):
        number = self.number()
        self.said[number] = {"chat": int(named["chat_id"]), "text": named["text"], "to": named.get("reply_parameters")}
        return self._message(number, named["chat_id"], named["text"])

    def editmessagetext(self, named):
        number = int(named["message_id"])
        if number not in self.said:
            return "Bad Request: message to edit not found"
        if self.said[number]["text"] == named["text"]:
            return "Bad Request: message is not modified"
        self.said[number]["text"] = named["text"]
        return self._message(number, named["chat_id"], named["text"])

    def senddocument(self, named):
        self.documents.append(named)
        return self._message(self.number(), named["chat_id"], "")

    def getfile(self, named):
        return {"file_id": named["file_id"], "file_unique_id": "u", "file_path": f"photos/{named['file_id']}"}

    def _message(self, number, chat, text):
        return {"message_id": number, "date": 1, "chat": {"id": int(chat), "type": "private"}, "text": text}

    # What people do

    def write(self, text, chat=7, user=7, kind="private", photos=(), album=None, **more):
        """A message, or an album of several."""
        for at, photo in enumerate(photos or [None]):
            number = self.number()
            message = {"message_id": number, "date": 1, "chat": {"id": chat, "type": kind, "title": "group"},
                       "from": {"id": user, "is_bot": False, "first_name": "Ann"}} | more  # fmt: skip
            if photo is not None:
                self.files[f"photo{number}"] = photo
                size = {"file_id": f"photo{number}", "file_unique_id": "u", "width": 9, "height": 9,
                        "file_size": len(photo)}  # fmt: skip
                message |= {"photo": [size]} | ({"media_group_id": album} if album else {})
            if not at and text:
                message["caption" if photo is not None else "text"] = text
            self.updates.append({"update_id": number, "message": message})


class Office:
    """A bot that polls."""

    def __init__(self, telegram, home, script, **more):
        self.telegram = telegram
        self.agent = scripted_agent(home, script)
        made = TelegramBot(TOKEN, base_url=f"{telegram.url}/bot", base_file_url=f"{telegram.url}/file/bot")
        self.service = TelegramService(made)
        self.bot = Bot(self.agent, self.service)
        self.poller = Poller(self.bot, self.service, **more)
        self.thread = threading.Thread(target=self.poller.run, daemon=True)
        self.thread.start()

    def settle(self):
        """Wait until all is fetched and answered; the texts that stand there."""
        while self.telegram.updates or not self.bot.idle():
            time.sleep(0.01)
        return [one["text"] for one in self.telegram.said.values()]

    def close(self):
        self.poller.stopping.set()
        self.thread.join(20)
        self.bot.close()
        self.service.close()
        self.agent.close()


@pytest.fixture
def telegram(opened):
    return opened(Telegram())


@pytest.fixture
def offices(telegram, tmp_path, opened):
    return lambda *script, **more: opened(Office(telegram, tmp_path / "home", list(script), **more))


def test_a_picture_is_answered_and_the_conversation_goes_on(telegram, offices):
    office = offices(call("find_objects", image="img_1"), "I see reg_1.", "Gladly.")
    telegram.write("what is there?", photos=[png()])
    assert office.settle() == ["I see reg_1."]
    assert "rests on" in telegram.documents[0]["caption"]
    telegram.write("thanks")
    assert office.settle()[-1] == "Gladly."
    owners = office.agent.store.ledger.read("SELECT owner FROM chats")
    assert [row["owner"] for row in owners] == ["telegram:7"]


def test_an_album_is_one_message(telegram, offices):
    office = offices(call("find_objects", image=["img_1", "img_2"]), "I see reg_1 and more.")
    telegram.write("what is there?", photos=[png(), png(RENDERED.image.rotate(90))], album="a1")
    assert office.settle() == ["I see reg_1 and more."]


def test_commands(telegram, offices):
    office = offices("Hello.", "Hello again.", "And anew.")
    for text in ("/start", "hi", "/new", "hi", "/search", "/search ball", "/forget", "/forget everything", "hi"):
        telegram.write(text)
        office.settle()
    told = office.settle()
    assert told[0].startswith("Send me a picture")
    assert (told[1], told[3]) == ("Hello.", "Hello again.")
    assert "search for" in told[4]
    assert "nothing like that" in told[5]
    assert "/forget everything" in told[6]
    assert told[7] == "Deleted for good: 0 pictures and 2 conversations."
    assert told[8] == "And anew.", "after that one begins anew"


def test_in_a_group_it_speaks_when_it_is_spoken_to(telegram, offices):
    office = offices("Hello.", "Yes?")
    telegram.write("nobody asked you", chat=-5, kind="group")
    telegram.write("@saccade_bot hello", chat=-5, kind="group")
    office.settle()
    telegram.write("and?", chat=-5, kind="group", reply_to_message={
        "message_id": 1, "date": 1, "chat": {"id": -5, "type": "group", "title": "g"}, "from": telegram.getme({}),
    })  # fmt: skip
    assert office.settle() == ["Hello.", "Yes?"]


def test_who_may_ask(telegram, offices, caplog):
    office = offices("Hello.", allowed=[8])
    telegram.write("hi", chat=7)
    telegram.write("hi", chat=8, user=8)
    assert office.settle() == ["Hello."]
    assert "chat 7" in caplog.text
    assert TOKEN not in caplog.text


def test_failures_lose_nothing_and_updates_that_come_again_are_known(telegram, offices, monkeypatch):
    monkeypatch.setattr("saccade.connectors.bot.AGAIN", (0.01,) * 5)
    failures = iter([500, 502])
    telegram.fail = lambda method: next(failures, None) if method in ("sendMessage", "editMessageText") else None
    office = offices("Hello.")
    telegram.write("hi")
    again = list(telegram.updates)
    assert office.settle() == ["Hello."]
    telegram.updates += again
    assert office.settle() == ["Hello."]


def test_what_cannot_be_said_for_minutes_is_said_when_the_service_is_back(telegram, offices, monkeypatch):
    monkeypatch.setattr("saccade.connectors.bot.AGAIN", ())
    monkeypatch.setattr("saccade.connectors.bot.LATER", 0.05)
    failures = iter([500] * 4)
    telegram.fail = lambda method: next(failures, None) if method == "sendMessage" else None
    office = offices("Hello.")
    telegram.write("hi")  # and nothing after it that would wake the thread
    assert office.settle() == ["Hello."]


def test_a_file_that_is_too_large_is_told(telegram, offices):
    office = offices("Hello.")
    telegram.write("look", document={"file_id": "x", "file_unique_id": "u", "file_size": 2**31})
    assert "20 MB" in office.settle()[0]
