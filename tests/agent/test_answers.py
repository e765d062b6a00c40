"""Answers rest on what was observed: the check, references, calls in other forms, and what the loop does about it."""

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from saccade.agent.agent import Agent
from saccade.agent.answers.check import babbles, problems
from saccade.agent.answers.references import references_of
from saccade.agent.controllers.scripted import ScriptedController, call
from saccade.agent.events import TextDelta
from saccade.errors import ExpertFailed
from saccade.prompts.other_calls import calls_in
from saccade.prompts.references import filled, is_open, request_text
from saccade.scenes.render import render
from saccade.scenes.sample import sample_scene
from saccade.settings import Settings

TOOLS = {"find_objects", "crop_image", "calculate"}
FOUND = (
    '2 found in img_1 (512 x 512 px) for "star": reg_1 star, top, (239, 20, 292, 75), 0.97; '
    "reg_2 star, left, (22, 179, 77, 230), 0.91"
)


def talk(said: str, *observed: str, pictures: int = 1) -> list:
    request = request_text(said, [(f"img_{n + 1}", (512, 512)) for n in range(pictures)])
    messages: list = [HumanMessage(request)]
    for number, text in enumerate(observed):
        asked = {"name": "find_objects", "args": {"image": "img_1"}, "id": f"call_{number}", "type": "tool_call"}
        messages += [AIMessage("", tool_calls=[asked]), ToolMessage(text, tool_call_id=f"call_{number}")]
    return messages


@pytest.mark.parametrize(
    ("answer", "kinds"),
    [
        ("There are 2 stars: reg_1, reg_2.", []),
        ("There are two stars.", []),
        ("I see 3 stars.", ["number"]),
        ("There are seven.", ["number"]),
        ("The first is at (239, 20, 292, 75).", []),
        ("It is at (239, 292, 348).", ["number"]),
        ("It is at (22, 179, 77, 2179, 777", ["number"]),
        ("reg_1 and reg_9.", ["handle"]),
        ("Both are green.", ["color"]),
        ("97 percent sure: reg_1.", []),
        ('It says "EXIT".', ["quotation"]),
        ("I count each orange orange orange", ["babble"]),
        ("every handle was handle was handle was", ["babble"]),
    ],
)
def test_what_an_answer_says_must_stand_somewhere(answer, kinds):
    found = problems(answer, talk("how many stars?", FOUND), ["img_1", "reg_1", "reg_2"])
    assert [one.kind for one in found] == kinds


@pytest.mark.parametrize(
    ("answer", "bad"),
    [
        ("There are 2 stars.", True), ("Yes, there is a cube.", True), ("The picture shows a car.", True),
        ("The cube is left of it.", True), ("I see nothing.", True), ("No.", True),
        ("Which star do you mean?", False), ("I cannot do that.", False), ("You are welcome.", False),
        ("No problem!", False), ("Hello! Ask me about your picture.", False),
    ],
)  # fmt: skip
def test_nothing_is_said_of_a_picture_before_a_look(answer, bad):
    found = problems(answer, talk("stars?"), ["img_1"])
    assert [one.kind for one in found] == (["no_look"] if bad else [])
    assert not problems(answer, talk("stars?"), ["img_1"], sees=True)


def test_a_picture_that_came_later_needs_a_look_of_its_own():
    before = [*talk("stars?", FOUND), AIMessage("There are 2.")]
    later = [*before, HumanMessage(request_text("and here?", [("img_2", (512, 512))]))]
    assert problems("There are 2.", later, ["img_1", "img_2"])[0].kind == "no_look"
    assert not problems("There are 2.", [*before, HumanMessage("how many again?")], ["img_1"])


def test_a_call_that_failed_is_no_look():
    failed = talk("stars?", "There is no img_9 in this conversation.")
    failed[-1].status = "error"
    assert problems("Yes, there is a star.", failed, ["img_1"])[0].kind == "no_look"
    assert not problems("I cannot find that picture.", failed, ["img_1"])


def test_why_it_failed_comes_before_all_else():
    failed = talk("stars?", "No model here knows such pictures. Run `saccade models fetch gpu`.")
    failed[-1].status, failed[-1].artifact = "error", {"kind": "unfamiliar_picture"}
    for answer in ("Yes, there is a star.", "star star star star", "Here: 7."):
        assert [one.kind for one in problems(answer, failed, ["img_1"])] == ["failure"]
    assert not problems("I cannot look at it.", failed, ["img_1"])


def test_enumerations_are_no_babble():
    assert not babbles("reg_1 red, reg_2 red, reg_3 red")
    assert not babbles("1, 1, 1")
    assert babbles("no no no")
    assert babbles("777777777777")


def test_a_word_that_is_in_no_vocabulary_and_nowhere_in_the_conversation_is_babble():
    messages = talk("how many giraffes and leaves are there?", "2 found in img_1: reg_1 giraffe; reg_2 giraffe")
    taught = {"there", "are", "i", "see", "and", "no"}
    answers = ("There are 2 giraffes: reg_1, reg_2.", "I see no leaf and 2 giraffes.", "There are 2 orangle.")
    horses = talk("is there a horse in one of the houses?", "nothing found")
    assert not problems("I see no horses and no house.", horses, ["img_1"], taught)
    kinds = {
        answer: [one.kind for one in problems(answer, messages, ["img_1", "reg_1", "reg_2"], taught)]
        for answer in answers
    }
    assert list(kinds.values()) == [[], [], ["babble"]]


def test_what_an_observation_lets_an_answer_refer_to_is_borne_out():
    messages = talk("What colour is the cube?", "1 found in img_1: reg_1 cube")
    assert [one.kind for one in problems("The cube (reg_1) is yellow.", messages, ["img_1", "reg_1"])] == ["color"]
    messages[-1].artifact = {"references": {"color": "yellow", "regions": "reg_1"}}
    assert not problems("The cube (reg_1) is yellow.", messages, ["img_1", "reg_1"])
    assert not problems("The cube (reg_1) is yellow.", messages, ["img_1", "reg_1"], {"the", "is"})


@pytest.mark.parametrize(
    "text",
    [
        '```json\n{"name": "find_objects", "arguments": {"image": "img_1", "phrase": "star"}}\n```',
        '{"name": "find_objects", "parameters": {"image": "img_1", "phrase": "star"}}',
        'I will look.\n[{"tool": "find_objects", "args": {"image": "img_1", "phrase": "star"}}]',
        '{"function": {"name": "find_objects", "arguments": "{\\"image\\": \\"img_1\\", \\"phrase\\": \\"star\\"}"}}',
        '{"tool_calls": [{"type": "function", "function": {"name": "find_objects", '
        '"arguments": {"image": "img_1", "phrase": "star"}}}]}',
        '<function=find_objects>{"image": "img_1", "phrase": "star"}</function>',
        '[TOOL_CALLS] [{"name": "find_objects", "arguments": {"image": "img_1", "phrase": "star"}}]',
        '<|python_tag|>find_objects(image="img_1", phrase="star")',
        '```python\nfind_objects(image="img_1", phrase="star")\n```',
        '{"find_objects": {"image": "img_1", "phrase": "star"}}',
        '{"action": "find_objects", "image": "img_1", "phrase": "star"}',
    ],
)  # fmt: skip
def test_calls_in_other_forms_are_read(text):
    parsed = calls_in(text, TOOLS)
    assert parsed.calls == [("find_objects", {"image": "img_1", "phrase": "star"})]
    assert "{" not in parsed.thought
    assert "`" not in parsed.thought


@pytest.mark.parametrize(
    "text",
    [
        "There are 2 stars (reg_1, reg_2).", '{"name": "rm", "arguments": {}}', "find_objects", "[1, 2]", "{", "((((",
        "find_objects(open('/etc/passwd').read())", "find_objects(image=__import__('os'))", '{"a": ' * 3000,
    ],
)  # fmt: skip
def test_what_is_no_call_of_a_known_tool_stays_text(text):
    assert calls_in(text, TOOLS) == (text, [], None)


def test_references_are_of_the_turn_and_counted():
    messages = talk("stars?", FOUND, FOUND)
    messages[2].artifact = {"references": {"count": "2", "regions": "reg_1, reg_2"}}
    messages[4].artifact = {"references": {"count": "3"}}
    known = references_of(messages)
    assert known == {"count": "2", "regions": "reg_1, reg_2", "count2": "3"}
    assert filled("{count} and {count2}: {regions}. {nothing}", known) == "2 and 3: reg_1, reg_2. {nothing}"
    assert references_of([*messages, AIMessage("x"), HumanMessage("and now?")]) == {}
    assert (is_open("a {cou"), is_open("a {count} b"), is_open("a")) == (4, 0, 0)


# In the loop -------------------------------------------------------------------------------------------------------


@pytest.fixture
def scene():
    return render(sample_scene(950_001, "test"), 256).image


def chat_of(tmp_path, *script):
    return Agent(controller=ScriptedController(list(script)), home=tmp_path).chat()


LOOK = call("inspect_image", image="img_1")


def test_an_answer_before_a_look_is_asked_again(tmp_path, scene):
    chat = chat_of(tmp_path, "There are 2 stars.", LOOK, "I measured it.")
    reply = chat.send("How many stars?", images=[scene])
    assert reply.text == "I measured it."
    assert [step.tool for step in reply.steps] == ["inspect_image"]
    assert chat.history == [("user", "How many stars?"), ("agent", "I measured it.")]


def test_one_that_never_looks_is_not_shown(tmp_path, scene):
    reply = chat_of(tmp_path, "There are 2 stars.", "There are 3 stars.").send("How many stars?", images=[scene])
    assert reply.text.startswith("I have not looked at the picture")
    assert reply.status == "failed"


def test_what_stands_nowhere_is_marked(tmp_path, scene):
    reply = chat_of(tmp_path, LOOK, "It shows 7431 stars.", "It shows 7431 stars.").send("Stars?", images=[scene])
    assert reply.text == "It shows 7431 stars. (Not borne out by what I observed: 7431.)"


def test_babble_becomes_the_observation(tmp_path, scene):
    reply = chat_of(tmp_path, LOOK, "star star star star", "star star star").send("Stars?", images=[scene])
    assert reply.text.startswith("I could not put it into words. What I observed: img_1: 256 x 256 px")


def test_a_call_in_a_fence_is_made(tmp_path, scene):
    fenced = '```json\n{"name": "inspect_image", "arguments": {"image": "img_1"}}\n```'
    reply = chat_of(tmp_path, fenced, "I measured it.").send("Size?", images=[scene])
    assert [step.tool for step in reply.steps] == ["inspect_image"]


def test_references_in_calls_are_filled_in(tmp_path, scene):
    script = [call("find_objects", image="img_1"), call("calculate", expression="{count} * 2"), "Done."]
    reply = chat_of(tmp_path, *script).send("twice the things", images=[scene])
    count = len(reply.steps[0].observation.split("; "))
    assert reply.steps[1].observation == f"{count} * 2 = {2 * count}"
    assert reply.steps[1].arguments == {"expression": f"{count} * 2"}


def test_what_is_refused_is_not_streamed_either(tmp_path, scene):
    chat = chat_of(tmp_path, "There are 2 stars.", LOOK, "I measured it.")
    shown = "".join(event.text for event in chat.stream("Stars?", images=[scene]) if isinstance(event, TextDelta))
    assert shown == "I measured it."


def test_one_that_goes_on_repeating_itself_is_asked_for_its_answer(tmp_path, scene):
    agent = Agent(controller=ScriptedController([LOOK] * 5), settings=Settings(home=tmp_path, max_repeats=2))
    reply = agent.chat().send("Size?", images=[scene])
    assert [step.ok for step in reply.steps] == [True, True, False, False]
    assert "I stopped after 4 steps" in reply.text


def test_what_could_not_be_done_is_said(tmp_path, scene):
    class Broken:
        def ask(self, role, requests):
            raise ExpertFailed("The detector ran out of memory. Run `saccade doctor`.")

        def about(self, role):
            return {}

    find = call("find_objects", image="img_1")
    agent = Agent(controller=ScriptedController([find, "Here.", "Here you go."]), home=tmp_path, experts=Broken())
    reply = agent.chat().send("Stars?", images=[scene])
    assert reply.text == "I cannot do that: The detector ran out of memory. Run `saccade doctor`."


def test_two_calls_in_markers_of_their_own_are_both_read():
    text = '<function=calculate>{"expression": "1"}</function><function=crop_image>{"image": "reg_1"}</function>'
    assert calls_in(text, TOOLS).calls == [("calculate", {"expression": "1"}), ("crop_image", {"image": "reg_1"})]
