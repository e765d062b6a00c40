"""A local causal LM as the controller: random weights, but every call it writes is valid."""

from __future__ import annotations

import itertools
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
import torch
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from PIL import Image
from pydantic import ValidationError
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from saccade import Agent
from saccade.agent.controllers.load import load_controller
from saccade.agent.controllers.local import LocalChatModel
from saccade.agent.controllers.scripted import ScriptedController
from saccade.agent.loop import tool_schemas
from saccade.errors import ExpertFailed, UserError
from saccade.prompts.calls import CLOSE, OPEN
from saccade.settings import ControllerSettings
from saccade.tools.registry import all_tools

TOOLS = tool_schemas(all_tools(), keep_handles=True)
HANDLES = ["img_1", "reg_1", "reg_2"]
OWN = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% for c in m.tool_calls or [] %}\n<tool_call>\n"
    '{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}\n</tool_call>{% endfor %}'
    "<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
QWEN = (
    "{% if tools %}<|im_start|>system\n{% for t in tools %}{{ t | tojson }}\n{% endfor %}<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}{% for c in m.tool_calls or [] %}\n<tool_call>\n"
    '{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}\n</tool_call>{% endfor %}'
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make(folder, kind):
    """A random model with its tokenizer, as `save_pretrained` writes them; the folder's spec."""
    end, special = ("<|im_end|>", ["<|im_start|>", "<|im_end|>"]) if kind == "qwen" else ("<|end|>", ["<|end|>"])
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=special,
        show_progress=False,
    )
    core.train_from_iterator([json.dumps(TOOLS)] * 3, trainer)
    if kind == "qwen":
        core.add_tokens([AddedToken(one, special=False, normalized=False) for one in (OPEN, CLOSE)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token=end)
    tokenizer.chat_template = QWEN if kind == "qwen" else OWN
    tokenizer.save_pretrained(folder)
    torch.manual_seed(1)
    shape = {
        "vocab_size": len(tokenizer) + 11,  # padded, as published vocabularies are
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 8192,
        "initializer_range": 0.4,
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": None,
        "pad_token_id": None,
    }
    model = Qwen2ForCausalLM(Qwen2Config(**shape)) if kind == "qwen" else LlamaForCausalLM(LlamaConfig(**shape))
    model.save_pretrained(folder)
    return f"file:{folder}"


@pytest.fixture(scope="module", params=["own", "qwen"])
def spec(request, tmp_path_factory):
    return make(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture
def model(spec):
    return LocalChatModel(spec=spec, device="cpu", max_text=40)


def wrong(arguments, given):
    """The kinds of pydantic's complaints about the arguments of a call."""
    try:
        arguments.model_validate(given)
    except ValidationError as error:
        return {one["type"] for one in error.errors()}
    return set()


def check(message, handles=HANDLES):
    """Every call fits its tool; how many there were."""
    tools = all_tools()
    for one in message.tool_calls:
        assert wrong(tools[one["name"]].Arguments, one["args"]) <= {"value_error"}  # a rule between arguments
        for value in one["args"].values():
            named = value if isinstance(value, list) else [value]
            assert all(item in handles for item in named if str(item).startswith(("img_", "reg_")))
    assert message.tool_calls or message.text
    return len(message.tool_calls)


def test_random_weights_write_valid_turns_only(model):
    bound = model.bind_tools(TOOLS, handles=HANDLES)
    answers = [bound.invoke([HumanMessage(f"Request {seed * 7919}: what is there?")]) for seed in range(12)]
    assert sum(check(answer) for answer in answers) > 0
    for answer in answers:
        assert answer.usage_metadata["output_tokens"] > 0
        assert [one["id"] for one in answer.tool_calls] == [f"call_{n + 1}" for n in range(len(answer.tool_calls))]
        assert "<" not in answer.text
        assert len(answer.text) <= 40


def test_a_model_that_was_taught_so_asks_in_the_users_words_whatever_its_weights(tmp_path):
    spec = make(tmp_path, "own")
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"saccade": {"verbatim": True}}))
    asking = [tool for tool in TOOLS if tool["function"]["name"] == "answer_about_image"]
    bound = LocalChatModel(spec=spec, device="cpu", max_text=40).bind_tools(asking, handles=HANDLES)
    asked = 0
    for seed in range(12):
        said = f"Request {seed * 7919}: what is there, is it red, and how many of them?"
        for call in bound.invoke([HumanMessage("An earlier word."), AIMessage("Yes."), HumanMessage(said)]).tool_calls:
            question = call["args"]["question"]
            assert question[:-1] in said or question.startswith("How many ")
            asked += 1
    assert asked > 3


def test_the_same_request_gets_the_same_answer_and_kept_keys_change_nothing(spec, model):
    bound = model.bind_tools(TOOLS, handles=HANDLES)
    talk = [SystemMessage("You look."), HumanMessage("Pictures: img_1 (64 x 64 px).\nHow many?")]
    first = bound.invoke(talk)
    longer = [*talk, first, *[ToolMessage("2 found.", tool_call_id=one["id"]) for one in first.tool_calls]]
    longer.append(HumanMessage("And blue ones?"))
    second = bound.invoke(longer)
    again = bound.invoke(talk)
    assert (again.text, again.tool_calls) == (first.text, first.tool_calls)
    fresh = LocalChatModel(spec=spec, device="cpu", max_text=40).bind_tools(TOOLS, handles=HANDLES).invoke(longer)
    assert (fresh.text, fresh.tool_calls) == (second.text, second.tool_calls)


def test_only_new_tokens_are_fed(model, monkeypatch):
    bound = model.bind_tools([], handles=[])
    talk = [HumanMessage("A long request. " * 20)]
    first = bound.invoke(talk)
    fed = []
    forward = type(model._loaded).forward
    monkeypatch.setattr(
        type(model._loaded), "forward", lambda self, tokens: fed.append(len(tokens)) or forward(self, tokens)
    )
    bound.invoke([*talk, first, HumanMessage("And?")])
    assert fed[0] < 60


def test_forced_tokens_go_through_in_one_forward(model, monkeypatch):
    tool = [one for one in TOOLS if one["function"]["name"] == "find_objects"]
    bound = model.bind_tools(tool, handles=["img_1"])
    forwards = []
    model.load()
    forward = type(model._loaded).forward
    monkeypatch.setattr(
        type(model._loaded), "forward", lambda self, tokens: forwards.append(1) or forward(self, tokens)
    )
    called = 0
    for seed in range(200):  # random weights call a tool now and then
        forwards.clear()
        answer = bound.invoke([HumanMessage(f"{seed}")])
        if answer.tool_calls:
            called += 1
            assert len(forwards) < answer.usage_metadata["output_tokens"] - 5 * len(answer.tool_calls)
        if called == 3:
            break
    assert called


def test_streams_what_it_would_say(model):
    for seed in range(6):
        talk = [HumanMessage(f"Say {seed}")]
        bound = model.bind_tools(TOOLS, handles=HANDLES)
        whole = bound.invoke(talk)
        chunks = list(bound.stream(talk))
        joined = chunks[0]
        for chunk in chunks[1:]:
            joined = joined + chunk
        assert joined.text == whole.text
        assert [(one["name"], one["args"], one["id"]) for one in joined.tool_calls] == [
            (one["name"], one["args"], one["id"]) for one in whole.tool_calls
        ]
        assert joined.usage_metadata == whole.usage_metadata


def test_stops_at_a_stop_string(model):
    whole = model.invoke([HumanMessage("Go")]).text
    cut = model.invoke([HumanMessage("Go")], stop=[whole[3:5]]).text
    assert cut == whole[: whole.find(whole[3:5])].strip()


def test_a_conversation_that_is_too_long_loses_its_oldest_turns(spec):
    model = LocalChatModel(spec=spec, device="cpu", max_text=10, max_tokens=64, max_context=400)
    talk = []
    for turn in range(12):
        talk += [HumanMessage(f"Pictures: img_{turn + 1} (10 x 10 px).\nRequest {turn}"), AIMessage("An answer.")]
    answer = model.invoke([*talk, HumanMessage("The last one")])
    assert answer.usage_metadata["input_tokens"] <= 336
    with pytest.raises(UserError, match="too long") as caught:
        model.invoke([HumanMessage("word " * 900)])
    assert caught.value.kind == "context_too_long"


def test_a_request_over_the_context_is_refused_before_anything_is_written(spec, tmp_path):
    with Agent(controller=spec, home=tmp_path / "home", device="cpu", experts=NoExperts()) as agent:
        agent.model.max_context = 400
        with pytest.raises(UserError, match="fewer words") as caught:
            agent.chat().send("word " * 900)
        assert caught.value.kind == "context_too_long"
        with pytest.raises(UserError, match="fewer pictures"):
            agent.chat().send("What?", images=[Image.new("RGB", (8 + n, 8)) for n in range(60)])
    assert not (tmp_path / "home").exists()


def test_whoever_stops_a_turn_need_not_wait_for_the_rest_of_it(model):
    """The check is called between tokens, and what it raises ends the decoding; the model goes on being usable."""
    whole = model.invoke([HumanMessage("Go")])
    left = [2]

    def check():
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.invoke([HumanMessage("Go")], check=check)
    assert whole.usage_metadata["output_tokens"] > 3
    assert model.invoke([HumanMessage("Go")]).text == whole.text


class NoExperts:
    def ask(self, role, requests):
        raise ExpertFailed("There are no experts here.", kind="out_of_memory")


def test_an_agent_runs_on_it_and_its_handles_are_the_conversations(spec, tmp_path):
    with Agent(controller=spec, home=tmp_path, device="cpu", experts=NoExperts()) as agent:
        agent.model.max_text = 30
        chat = agent.chat()
        for number in range(3):
            reply = chat.send(f"Request {number}?", images=[Image.new("RGB", (20 + number, 20))])
            for step in reply.steps:
                named = step.arguments.get("image") or []
                named = [named] if isinstance(named, str) else named  # find_objects may look in several
                assert set(named) <= {f"img_{n + 1}" for n in range(number + 1)}
                assert "not a handle" not in step.observation
        events = list(chat.stream("And now?"))
        assert type(events[-1]).__name__ == "ReplyReady"


def test_loading_is_late_and_its_faults_are_told(spec, tmp_path):
    model = load_controller(spec, ControllerSettings("cpu"))
    assert not model.ready
    model.load()
    assert model.ready
    with pytest.raises(UserError, match="nowhere"):
        load_controller(f"file:{tmp_path / 'nowhere'}")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match="cannot be loaded"):
        load_controller(f"file:{tmp_path}").load()


def test_missing_weights_are_told_before_anything_is_written(tmp_path):
    agent = Agent(controller=f"file:{tmp_path / 'nowhere'}", home=tmp_path / "home", experts=NoExperts())
    with pytest.raises(UserError, match="nowhere"):
        agent.chat().send("Hello")
    assert not (tmp_path / "home").exists() or not list((tmp_path / "home").glob("*.sqlite"))


def test_a_script_file_is_a_controller_too(tmp_path):
    path = tmp_path / "script.json"
    path.write_text('["Hello."]')
    assert isinstance(load_controller(f"script:{path}"), ScriptedController)


class Server(BaseHTTPRequestHandler):
    """Speaks a little of OpenAI's protocol: first a call, then an answer."""

    asked: list = []  # noqa: RUF012

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.asked.append(asked)
        message = {"role": "assistant", "content": "It is 2."}
        if asked["messages"][-1]["role"] == "user":
            function = {"name": "calculate", "arguments": '{"expression": "1 + 1"}'}
            message = {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "0", "type": "function", "function": function}],
            }
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        body = json.dumps(
            {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
        ).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *arguments):
        pass


def test_a_server_is_a_controller_too(tmp_path, monkeypatch):
    server = HTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{server.server_port}/v1")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    try:
        with Agent(controller="openai:some-model", home=tmp_path, experts=NoExperts()) as agent:
            chat = agent.chat()
            assert [chat.send("1 + 1?").text, chat.send("1 + 1 again?").text] == ["It is 2.", "It is 2."]
            assert len(chat._workspace.calls()) == 2, "the server's ids repeat, ours must not"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert "x-handle" not in json.dumps(Server.asked)
    assert {tool["function"]["name"] for tool in Server.asked[0]["tools"]} == set(all_tools())


def test_a_server_must_be_named(monkeypatch):
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(UserError, match="OPENAI_BASE_URL") as caught:
        load_controller("openai:some-model")
    assert caught.value.kind == "missing_server"


def test_what_goes_round_in_circles_ends(spec):
    model = LocalChatModel(spec=spec, device="cpu", max_text=400)
    loaded = model._load()
    letters = [loaded.tokenizer.encode(letter, add_special_tokens=False)[0] for letter in "abcde"]
    turns = itertools.cycle(letters)

    def forward(tokens):
        loaded._cached += tokens
        return np.eye(loaded.vocabulary, dtype=np.float32)[next(turns)]

    loaded.forward = forward
    assert model.invoke([HumanMessage("Go on.")]).text == "abcde" * 3
