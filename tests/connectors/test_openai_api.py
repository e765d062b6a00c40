"""The OpenAI-compatible endpoints, talked to with OpenAI's own client."""

from __future__ import annotations

import re
import threading

import numpy as np
import openai
import pytest
from web_house import House, data_url, png

from saccade import Agent
from saccade.connectors.fetching import Fetcher
from saccade.connectors.web.app import create_app
from saccade.settings import Settings
from saccade.testing import ScriptedController, call, calls

FIND = call("find_objects", image="img_1")
TOKENS = {"ann": "the token of ann ....", "bob": "the token of bob ...."}


@pytest.fixture
def houses(tmp_path):
    made = []

    def make(script, **more):
        house = House(tmp_path / f"home{len(made)}", script, **more)
        house.openai = openai.OpenAI(base_url=f"{house.url}/v1", api_key="none", max_retries=0)
        made.append(house)
        return house

    yield make
    for house in made:
        house.openai.close()
        house.close()


def shown(text, *urls):
    parts = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return {"role": "user", "content": [{"type": "text", "text": text}, *parts]}


def test_an_answer_with_its_regions_and_steps(houses):
    house = houses([FIND, "I see reg_1."])
    made = house.openai.chat.completions.create(model="saccade", messages=[shown("What is there?", data_url())])
    assert made.choices[0].message.content == "I see reg_1."
    assert made.choices[0].finish_reason == "stop"
    ours = made.model_extra["saccade"]
    assert [step["tool"] for step in ours["steps"]] == ["find_objects"]
    assert ours["regions"][0]["handle"] == "reg_1"
    assert house.client.get(ours["evidence"]).content.startswith(b"\x89PNG")
    assert [one.id for one in house.openai.models.list()] == ["saccade"]


def test_a_picture_by_its_address_is_fetched_where_the_owner_allows_its_host(houses):
    house = houses([FIND, "I see reg_1."])
    address = "https://pictures.example/a.png"
    asked = []

    class Known(Fetcher):
        def fetch(self, url):
            asked.append(url)
            return png()

    house.app.state.house.fetcher = Known({"pictures.example"})
    made = house.openai.chat.completions.create(model="saccade", messages=[shown("What is there?", address)])
    assert made.choices[0].message.content == "I see reg_1."
    assert asked == [address]


def test_hosts_are_named_in_the_settings_and_by_whoever_starts_the_server(monkeypatch, tmp_path):
    monkeypatch.setenv("SACCADE_FETCH_HOSTS", "A.example, b.example")
    with Agent(controller=ScriptedController([]), settings=Settings(home=tmp_path)) as agent:
        app = create_app(agent, pictures_from=["C.example"])
    assert app.state.house.fetcher.hosts == {"a.example", "b.example", "c.example"}


def test_what_is_streamed_is_the_answer_and_thoughts_are_not(houses):
    house = houses([calls(FIND, thought="I look first."), "I see reg_1 and more."])
    stream = house.openai.chat.completions.create(
        model="saccade", messages=[shown("What is there?", data_url())], stream=True
    )
    chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "I see reg_1 and more."
    kinds = [chunk.model_extra["saccade"].get("type") for chunk in chunks if "saccade" in (chunk.model_extra or {})]
    assert kinds == ["step_started", "step_finished", None]
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_a_client_that_goes_on_goes_on_in_the_same_conversation(houses):
    house = houses([FIND, "I see reg_1.", call("segment_objects", regions=["reg_1"]), "I outlined reg_1."])
    first = [shown("What is there?", data_url())]
    answer = house.openai.chat.completions.create(model="saccade", messages=first)
    told = answer.choices[0].message
    more = [*first, {"role": "assistant", "content": told.content}, {"role": "user", "content": "Outline it"}]
    again = house.openai.chat.completions.create(model="saccade", messages=more)
    assert again.model_extra["saccade"]["chat"] == answer.model_extra["saccade"]["chat"]
    assert again.choices[0].message.content == "I outlined reg_1."


def test_an_unknown_history_brings_its_pictures_along(houses):
    house = houses([FIND, "I see reg_1."])
    history = [shown("Look", data_url()), {"role": "assistant", "content": "Never said here."},
               {"role": "user", "content": "What is there?"}]  # fmt: skip
    made = house.openai.chat.completions.create(model="saccade", messages=history)
    assert made.choices[0].message.content == "I see reg_1."


def test_users_are_kept_apart(houses):
    house = houses(["Hello."] * 6, tokens=TOKENS)
    ann, bob = (openai.OpenAI(base_url=f"{house.url}/v1", api_key=token, max_retries=0) for token in TOKENS.values())
    hello = [{"role": "user", "content": "Hello"}]
    first = ann.chat.completions.create(model="saccade", messages=hello).model_extra["saccade"]["chat"]
    for other, more in ((bob, {}), (ann, {"user": "a guest"})):
        with pytest.raises(openai.NotFoundError, match=first):
            other.chat.completions.create(
                model="saccade", messages=hello, extra_body={"saccade": {"chat": first}}, **more
            )
    went = [*hello, {"role": "assistant", "content": "Hello."}, {"role": "user", "content": "And?"}]
    assert bob.chat.completions.create(model="saccade", messages=went).model_extra["saccade"]["chat"] != first
    assert ann.chat.completions.create(model="saccade", messages=went).model_extra["saccade"]["chat"] == first
    ann.close()
    bob.close()


@pytest.mark.parametrize(
    ("messages", "more", "error", "words"),
    [
        ([shown("x", "https://example.org/a.png")], {}, openai.BadRequestError, "is not fetched"),
        ([shown("x", "http://169.254.169.254/latest")], {}, openai.BadRequestError, "is not fetched"),
        ([shown("x", "file:///etc/passwd")], {}, openai.BadRequestError, "is not fetched"),
        ([shown("x", "data:image/png;base64,!!")], {}, openai.BadRequestError, "no base64"),
        ([shown("x", "data:image/png;base64,aGFsbG8=")], {}, openai.BadRequestError, "picture"),
        ([{"role": "assistant", "content": "x"}], {}, openai.BadRequestError, "last message"),
        ([{"role": "user", "content": ""}], {}, openai.BadRequestError, "request"),
        ([{"role": "user", "content": "x"}], {"model": "gpt-4o"}, openai.NotFoundError, "gpt-4o"),
        ([{"role": "user", "content": "x"}], {"n": 2}, openai.BadRequestError, "n=2"),
        ([], {}, openai.BadRequestError, "messages"),
    ],
)
def test_what_does_not_fit_is_told(houses, messages, more, error, words):
    house = houses(["Hello."])
    with pytest.raises(error, match=words):
        house.openai.chat.completions.create(**({"model": "saccade", "messages": messages} | more))
    assert house.agent.store.ledger.read("SELECT * FROM chats") == []


def test_words_and_pictures_are_embedded_in_one_space(houses):
    house = houses([])
    house.agent.close()
    house.app.state.house.agent = Agent(settings=Settings(home=house.agent.settings.home, threads=1))
    made = house.openai.embeddings.create(model="saccade", input=["a red cube", data_url()])
    vectors = np.array([one.embedding for one in made.data])
    assert vectors.shape[0] == 2
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1], abs=0.01)
    plain = house.client.post("/v1/embeddings", json={"input": "a red cube"}).json()["data"][0]["embedding"]
    assert plain == pytest.approx(vectors[0], abs=1e-5)
    house.app.state.house.agent.close()


def test_many_at_once_do_not_hear_each_other(houses):
    def echo(messages):
        word = re.search(r"canary \w+", str(messages[-1].content))
        return f"You said {word[0] if word else 'nothing'}."

    house = houses(echo, at_once=4, waiting=500)
    wrong = []

    def talk(name):
        client = openai.OpenAI(base_url=f"{house.url}/v1", api_key="none", max_retries=0)
        said = []
        for turn in range(4):
            word = f"canary {name}x{turn}"
            said.append({"role": "user", "content": f"I say {word}"})
            told = client.chat.completions.create(model="saccade", messages=said, user=f"user {name}")
            text = told.choices[0].message.content
            if text != f"You said {word}.":
                wrong.append((word, text))
            said.append({"role": "assistant", "content": text})
        chats.add(told.model_extra["saccade"]["chat"])
        client.close()

    chats = set()
    threads = [threading.Thread(target=talk, args=(name,)) for name in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert wrong == []
    assert len(chats) == 12
    listed = house.agent.store.ledger.read("SELECT owner, count(*) AS n FROM chats GROUP BY owner")
    assert {row["owner"]: row["n"] for row in listed} == {f"me/user {name}": 1 for name in range(12)}


def test_two_hundred_at_once_wait_or_are_told_to_come_again(houses):
    gate = threading.Event()

    def wait(messages):
        gate.wait(60)
        return "Done."

    house = houses(wait, at_once=2, waiting=40, of_one=1000)
    outcomes = []

    def ask(number):
        with openai.OpenAI(base_url=f"{house.url}/v1", api_key="none", max_retries=0) as client:
            try:
                made = client.chat.completions.create(model="saccade", messages=[{"role": "user", "content": "Wait"}])
                outcomes.append(made.choices[0].message.content)
            except openai.RateLimitError as error:
                outcomes.append(error.response.headers["retry-after"])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(200)]
    for thread in threads:
        thread.start()
    while len(outcomes) < 158:
        threads[0].join(0.05)
    gate.set()
    for thread in threads:
        thread.join(60)
    assert (outcomes.count("5"), outcomes.count("Done.")) == (158, 42)
