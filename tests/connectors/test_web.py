"""The chat page's server: who may come in, what a turn tells, and that nobody sees what is another's."""

from __future__ import annotations

import json
import threading

import httpx
import pytest
from web_house import Hanging, House, png

from saccade.connectors.web.server import doors_of, serve
from saccade.errors import UserError
from saccade.testing import call

FIND = call("find_objects", image="img_1")
CUT = [FIND, call("segment_objects", regions=["reg_1"]), call("crop_image", image="reg_1", background="transparent")]
TOKENS = {"ann": "the token of ann ....", "bob": "the token of bob ...."}


@pytest.fixture
def houses(tmp_path, opened):
    return lambda *script, **more: opened(House(tmp_path / "home", list(script), **more))


def test_a_turn_unfolds_and_can_be_read_again(houses, tmp_path):
    house = houses(*CUT, "Here it is: img_2, cut out of reg_1.")
    told = house.ask("Cut the first one out", [png()])
    kinds = [event["type"] for event in told]
    assert kinds[0] == "chat"
    assert kinds[-1] == "reply"
    assert kinds.count("step_started") == kinds.count("step_finished") == 3
    reply = told[-1]["reply"]
    assert reply["text"] == "Here it is: img_2, cut out of reg_1."
    assert [one["handle"] for one in reply["images"]] == ["img_2"]
    for address in (reply["images"][0]["url"], reply["regions"][0]["mask"], reply["evidence"]):
        picture = house.client.get(address)
        assert picture.headers["content-type"] == "image/png"
        assert picture.content.startswith(b"\x89PNG")
    again = house.client.get(f"/chats/{told[0]['id']}").json()
    assert again["turns"][0]["text"] == "Cut the first one out"
    assert again["turns"][0]["reply"] == reply
    assert [one["handle"] for one in again["turns"][0]["images"]] == ["img_1"]
    listed = house.client.get("/chats").json()["chats"]
    assert [(one["id"], one["title"]) for one in listed] == [(told[0]["id"], "Cut the first one out")]
    assert str(tmp_path) not in json.dumps([told, again, listed])


def test_a_conversation_goes_on_and_is_deleted(houses):
    house = houses("Hello.", "And again.")
    chat = house.ask("Hi")[0]["id"]
    assert house.ask("Hi again", chat=chat)[0]["id"] == chat
    assert len(house.client.get(f"/chats/{chat}").json()["turns"]) == 2
    assert house.client.delete(f"/chats/{chat}").json()["chats"] == [chat]
    assert house.client.get(f"/chats/{chat}").status_code == 404
    assert house.client.get("/chats").json()["chats"] == []


def test_memory_is_shown_searched_and_forgotten(houses):
    house = houses(FIND, "I see reg_1.")
    house.ask("What is there?", [png()])
    house.agent.remembering.wait()
    shown = house.client.get("/memory").json()
    assert [hit["kind"] for hit in shown["hits"]] == ["picture"]
    assert house.client.get(shown["hits"][0]["thumbnail"]).headers["content-type"] == "image/jpeg"
    like = house.client.post("/memory/like", files={"image": ("a.png", png(), "image/png")}).json()
    assert like["hits"][0]["picture"] == shown["hits"][0]["id"]
    assert house.client.get("/memory", params={"words": "anything"}).status_code == 200
    gone = house.client.delete(f"/memory/{shown['hits'][0]['id']}").json()
    assert gone["pictures"] == [shown["hits"][0]["id"]]
    assert house.client.get("/memory").json()["hits"] == []


def test_users_never_see_what_is_anothers(houses):
    house = houses(FIND, "I see reg_1.", tokens=TOKENS)
    ann, bob = ({"Authorization": f"Bearer {token}"} for token in TOKENS.values())
    told = house.ask("What is there?", [png()], **ann)
    house.agent.remembering.wait()
    chat = told[0]["id"]
    addresses = [told[-1]["reply"]["evidence"], f"/pictures/{told[-1]['reply']['regions'][0]['picture']}.png",
                 f"/thumbnails/{told[-1]['reply']['regions'][0]['picture']}.jpg", f"/chats/{chat}"]  # fmt: skip
    for address in addresses:
        assert house.client.get(address, headers=ann).status_code == 200, address
        assert house.client.get(address, headers=bob).status_code == 404, address
        assert house.client.get(address).status_code == 401, address
    assert house.client.get("/chats", headers=bob).json()["chats"] == []
    assert house.client.get("/memory", headers=bob).json()["hits"] == []
    assert house.client.delete(f"/chats/{chat}", headers=bob).status_code == 404
    answer = house.client.post("/turns", data={"text": "Go on", "chat": chat}, headers=bob)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_chat")


def test_a_token_becomes_a_cookie_that_no_script_can_read(houses):
    house = houses("Hello.", tokens=TOKENS)
    assert house.client.get("/").status_code == 200
    assert house.client.get("/chats").status_code == 401
    assert house.client.post("/login", json={"token": "wrong"}).status_code == 401
    came = house.client.post("/login", json={"token": TOKENS["ann"]})
    assert came.json() == {"user": "ann"}
    cookie = came.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert house.client.get("/chats").json()["user"] == "ann"


def test_other_sites_and_other_names_are_refused(houses):
    house = houses("Hello.")
    post = {"data": {"text": "Hi"}}
    assert house.client.post("/turns", headers={"Origin": "https://evil.example"}, **post).status_code == 403
    assert house.client.get("/chats", headers={"Host": "evil.example"}).status_code == 421
    assert house.client.post("/turns", headers={"Origin": house.url}, **post).status_code == 200
    answer = house.client.get("/", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in answer.headers
    assert "default-src 'self'" in answer.headers["content-security-policy"]


def test_what_is_too_large_or_no_picture_is_refused_and_nothing_is_written(houses):
    house = houses("Hello.", most_bytes=100_000)
    large = house.client.post("/turns", data={"text": "Hi"}, files={"images": ("a.png", b"x" * 200_000, "image/png")})
    assert (large.status_code, large.json()["error"]["code"]) == (413, "too_large")

    def drops():
        yield b'--x\r\nContent-Disposition: form-data; name="text"\r\n\r\n'
        for _ in range(40):
            yield b"y" * 10_000

    chunked = house.client.post("/turns", content=drops(), headers={"content-type": "multipart/form-data; boundary=x"})
    assert chunked.status_code == 413
    bad = house.client.post("/turns", data={"text": "Hi"}, files={"images": ("a.png", b"no picture", "image/png")})
    assert bad.status_code == 400
    assert bad.json()["error"]["code"] == "not_a_picture"
    assert house.client.post("/turns", data={"text": " "}).json()["error"]["code"] == "empty_request"
    assert house.client.get("/chats").json()["chats"] == []
    for wrong in (
        "/chats/chat_000000000000",
        "/chats/../../etc",
        "/pictures/pic_000000000000.png",
        "/thumbnails/x.jpg",
    ):
        assert house.client.get(wrong).status_code == 404
    chat = house.ask("Hi")[0]["id"]
    assert house.client.get(f"/chats/{chat}/evidence/..%2f..%2fledger.sqlite").status_code == 404


def test_too_many_are_told_so_and_whoever_leaves_frees_the_place(houses):
    wait = Hanging()
    house = houses(wait, *["Done."] * 9, at_once=1, waiting=2, of_one=3)
    with httpx.Client(base_url=house.url, timeout=30) as other:
        threads = [threading.Thread(target=lambda n=n: results.append(house.ask(f"Wait {n}", client=other)))
                   for n in range(2)]  # fmt: skip
        results = []
        threads[0].start()
        wait.begun.wait(20)
        threads[1].start()
        with pytest.raises(httpx.ReadTimeout):  # it waits, and then gives up
            house.client.post("/turns", data={"text": "I leave"}, timeout=0.5)
        turns = house.app.state.house.turns
        while turns.waiting < 1 or turns.running + turns.waiting > 3:
            pass
        wait.gate.set()
        for thread in threads:
            thread.join(20)
    assert sorted(events[-1]["reply"]["text"] for events in results) == ["Done.", "Done."]
    while turns.running + turns.waiting:
        pass
    assert "saccade_turns_total" in house.client.get("/metrics").text
    assert 'saccade_errors_total{kind="TurnCancelled"} 1.0' in house.client.get("/metrics").text


def test_health_and_figures(houses):
    house = houses(FIND, "I see reg_1.")
    assert house.client.get("/healthz").text == "ok\n"
    while house.client.get("/readyz").status_code != 200:
        pass
    house.ask("What is there?", [png()])
    figures = house.client.get("/metrics").text
    assert 'saccade_steps_total{ok="true",tool="find_objects"} 1.0' in figures
    assert 'saccade_turns_total{status="answered"} 1.0' in figures
    assert "saccade_turns_running 0.0" in figures
    assert "# TYPE saccade_pool_bytes gauge" in figures


def test_one_line_of_json_a_turn_without_its_words(houses, caplog):
    caplog.set_level("INFO", "saccade.turns")
    house = houses(FIND, "I see reg_1, the secret.")
    house.ask("A secret", [png()])
    line = json.loads(next(record.message for record in caplog.records if record.name == "saccade.turns"))
    assert line["status"] == "answered"
    assert [step["tool"] for step in line["steps"]] == ["find_objects"]
    assert "secret" not in json.dumps(line)


def test_the_page_asks_for_nothing_from_afar(houses):
    house = houses()
    page = house.client.get("/").text
    assert "Saccade" in page
    for name in ("app.js", "style.css", "icon.svg"):
        text = house.client.get(f"/page/{name}").text.replace("http://www.w3.org/2000/svg", "")
        assert text
        assert "://" not in text


def test_other_machines_need_a_token(tmp_path):
    with pytest.raises(UserError, match="SACCADE_TOKEN"):
        serve(None, "0.0.0.0", 1, doors_of(None, "me"))
    file = tmp_path / "tokens.toml"
    file.write_text('ann = "short"\n')
    with pytest.raises(UserError, match="'ann'"):
        doors_of(file, "me")
    file.write_text(f'ann = "{"a" * 20}"\nbob = "{"a" * 20}"\n')
    with pytest.raises(UserError, match="same token"):
        doors_of(file, "me")
    file.write_text("not toml")
    with pytest.raises(UserError, match="no TOML of users"):
        doors_of(file, "me")
    file.write_text(f'ann = "{"a" * 20}"\n')
    assert doors_of(file, "me").user_of("a" * 20) == "ann"
    assert doors_of(file, "me").user_of("é") is None
