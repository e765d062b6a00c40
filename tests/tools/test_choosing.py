"""What computes: things chosen by words, place, size and order, in one picture or several, exact and as asked."""

import random

import pytest

from saccade.queries.nodes import Count, Everything, Exist, Filter, Intersect, Ordinal, Query, Relate, Same, Unique
from saccade.queries.space import RELATIONS
from saccade.scenes.language.programs import execute, things_of
from saccade.scenes.language.questions import FAMILIES, QuestionSampler
from saccade.scenes.render import render
from saccade.scenes.sample import sample_scene
from saccade.scenes.scene import Scene, Thing
from saccade.testing import MemoryWorkspace, TrueExperts
from saccade.tools.registry import all_tools
from saccade.tools.runner import ToolRunner


class Table:
    """A conversation about drawn scenes, with experts that answer from the truth."""

    def __init__(self, *scenes):
        self.workspace, self.scenes, self.boxes, self.calls = MemoryWorkspace(), scenes, [], 0
        for scene in scenes:
            boxes = render(scene, 128).boxes * 4
            self.boxes.append(boxes)
            self.workspace.add_scene(scene, boxes)
        self.runner = ToolRunner(all_tools(), self.workspace, TrueExperts(self.workspace.truth))

    def __call__(self, tool, **arguments):
        self.calls += 1
        seen = self.runner.run(f"call_{self.calls}", tool, arguments, 1)
        assert seen.ok, seen.text
        return seen

    def find(self, phrase="everything", **more):
        return self("find_objects", image="img_1", phrase=phrase, **more)

    def ids(self, seen, picture=0):
        """The ids of the things that an observation kept (anchors are not among them)."""
        chosen = seen.recorded.facts["chosen"]
        boxes = self.boxes[picture]
        near = [min(range(len(boxes)), key=lambda i: abs(boxes[i] - one["box"]).sum()) for one in chosen]
        return [self.scenes[picture].things[i].id for i in near]


def thing(id, shape, color, x, y, scale=0.2, size="large", material="wood"):
    return Thing(id, shape, color, size, material, x, y, scale)


# A row: red cube, blue ball, green cube, red star; a small yellow key far below.
ROW = Scene(
    900,
    (
        thing(0, "cube", "red", 0.14, 0.3),
        thing(1, "ball", "blue", 0.38, 0.3, 0.24),
        thing(2, "cube", "green", 0.62, 0.3),
        thing(3, "star", "red", 0.86, 0.3),
        thing(4, "key", "yellow", 0.5, 0.8, 0.1, "small", "metal"),
    ),
    "plain",
    -90.0,
)
OTHER = Scene(901, (thing(0, "cube", "red", 0.3, 0.5), thing(1, "fish", "pink", 0.7, 0.5, 0.26)), "plain", -90.0)


@pytest.mark.parametrize(
    ("phrase", "arguments", "ids"),
    [
        ("thing", {"relation": "left of", "anchor": "blue ball"}, [0]),
        ("thing", {"relation": "right of", "anchor": "blue ball"}, [2, 3, 4]),
        ("thing", {"relation": "below", "anchor": "star"}, [4]),
        ("thing", {"relation": "above", "anchor": "key"}, [0, 1, 2, 3]),
        ("thing", {"relation": "between", "anchor": "blue ball", "anchor2": "star"}, [2]),
        ("thing", {"relation": "nearest to", "anchor": "star"}, [2]),
        ("cube", {"relation": "farthest from", "anchor": "star"}, [0]),
        ("thing", {"relation": "same color as", "anchor": "star"}, [0]),
        ("thing", {"relation": "same kind as", "anchor": "green cube"}, [0]),
        ("thing", {"relation": "same size as", "anchor": "key"}, []),
        ("thing", {"relation": "next to", "anchor": "green cube"}, [1, 3]),
        ("red thing", {"alternatives": ["blue thing"]}, [0, 1, 3]),
        ("red thing", {"exceptions": ["star"]}, [0]),
        ("everything", {"exceptions": ["cube", "key"]}, [1, 3]),
        ("red thing", {"alternatives": ["green thing"], "exceptions": ["cube"]}, [3]),
        ("thing", {"order": "leftmost", "rank": 2}, [1]),
        ("thing", {"order": "rightmost", "rank": 1}, [3]),
        ("thing", {"order": "largest", "at_most": 1}, [1]),
        ("thing", {"order": "smallest", "at_most": 1}, [4]),
        ("cube", {"order": "leftmost", "rank": 5}, []),
        ("thing", {"size": "small"}, [4]),
        ("unicorn", {}, []),
        ("thing", {"relation": "left of", "anchor": "unicorn"}, []),
    ],
)
def test_things_are_chosen_by_what_they_are_and_where_they_stand(phrase, arguments, ids):
    table = Table(ROW)
    assert sorted(table.ids(table.find(phrase, **arguments))) == ids


def test_an_anchor_that_is_not_there_is_said():
    seen = Table(ROW).find("thing", relation="left of", anchor="pink heart")
    assert 'there is no "pink heart" there' in seen.text
    assert seen.brief == "nothing found, no pink heart"


def test_the_anchor_gets_a_handle_and_may_be_one():
    table = Table(ROW)
    seen = table.find("thing", relation="left of", anchor="green cube")
    anchor = seen.references["anchor"]
    assert seen.brief.startswith(f"3 found left of {anchor} green cube: reg_1 ")
    again = table.find("thing", relation="right of", anchor=anchor)
    assert table.ids(again) == [3]


def test_what_is_told_of_things_is_compared():
    seen = Table(ROW).find("cube", tell=["color", "kind", "material"], order="leftmost")
    assert "color red" in seen.text
    assert seen.references["color"] == "red and green"
    assert "Same color: no. Same kind: yes. Same material: yes" in seen.brief


def test_what_is_asked_of_things_is_answered_by_code():
    table = Table(ROW)
    reds = table.find("cube", are="red")
    assert (reds.references["are"], reds.references["so"], reds.references["count"]) == ("No", "1", "2")
    assert reds.references["those"] in reds.references["regions"].split(", ")
    assert reds.brief.endswith(f"red: 1 of 2, {reds.references['those']}")
    assert table.find("cube", are="large").references["are"] == "Yes"
    assert table.find("key", are="metal key").references["are"] == "Yes"
    assert table.find("everything", are="cube").references["mostly"] == "No"
    assert table.find("everything", order="leftmost", at_most=1, are="red cube").references["are"] == "Yes"
    assert "are" not in table.find("trumpet", are="red").references


def test_things_are_counted_by_what_they_are():
    table = Table(ROW)
    seen = table.find("everything", count_by="color")
    assert seen.references["groups"] == "red: 2, blue: 1, green: 1, yellow: 1"
    assert seen.references["most"] == "red"
    assert seen.references["mean"] == "1.25"
    versus = table.find("cube", alternatives=["ball"], count_by="phrase")
    assert "By phrase: cube 2, ball 1; most: cube" in versus.text
    assert versus.references["difference"] == "1"
    none = table.find("heart", alternatives=["ball"], count_by="phrase")
    assert none.references["groups"] == "ball: 1, heart: 0"


def test_distances_are_told_in_pixels():
    seen = Table(ROW).find("green cube", anchor="star", tell=["distance"])
    assert 0 < int(seen.references["distance"].removesuffix(" px")) < 60


def test_how_large_a_thing_is_can_be_referred_to():
    table = Table(sample_scene(20_003, "test"))
    (region, *_) = (seen := table.find(order="largest", at_most=1)).recorded.regions
    x0, y0, x1, y1 = (round(value) for value in region.box)
    told = seen.references
    assert (told["width"], told["height"], told["area"]) == (str(x1 - x0), str(y1 - y0), str((x1 - x0) * (y1 - y0)))
    width, height = table.workspace.picture("img_1").size
    assert abs(float(told["share"]) - 100 * (x1 - x0) * (y1 - y0) / (width * height)) < 0.06


def test_several_pictures_are_looked_at_in_one_call():
    table = Table(ROW, OTHER)
    seen = table("find_objects", image=["img_1", "img_2"], phrase="red cube", count_by="picture")
    assert [one["image"] for one in seen.recorded.facts["chosen"]] == ["img_1", "img_2"]
    assert "By picture: img_1 1, img_2 1; equal" in seen.text
    largest = table("find_objects", image=["img_1", "img_2"], order="largest", at_most=1)
    assert largest.recorded.facts["chosen"][0]["image"] == "img_2"
    one = table("find_objects", image=["img_1", "img_2"], phrase="pink fish", count_by="picture")
    assert one.references["most"] == "img_2"


def test_regions_are_chosen_among_without_looking_anew():
    table = Table(ROW)
    found = table.find("everything")
    handles = found.references["regions"].split(", ")
    kept = table("select_regions", regions=handles, phrase="red thing")
    assert table.ids(kept) == [0, 3]
    assert not kept.recorded.regions  # nothing new
    assert kept.references["regions"] == ", ".join(one for one in handles if one in kept.references["regions"])
    beside = table("select_regions", regions=handles, relation="left of", anchor="green cube", order="largest")
    assert table.ids(beside) == [1, 0, 4]
    told = table("select_regions", regions=handles[:2], tell=["kind"])
    assert "Same kind: " in told.text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"relation": "left of"}, "needs an `anchor`"),
        ({"relation": "between", "anchor": "ball"}, "anchor2"),
        ({"rank": 2}, "needs an `order`"),
        ({"tell": ["distance"]}, "takes an `anchor`"),
        ({"anchor": "ball"}, "needs a `relation`"),
        ({"relation": "left of", "anchor": "reg_99"}, "reg_99"),
    ],
)
def test_what_does_not_fit_together_is_said(arguments, said):
    seen = Table(ROW).runner.run("call_1", "find_objects", {"image": "img_1", **arguments}, 1)
    assert not seen.ok
    assert said in seen.text


def arguments_of(node):
    """A set of the question language as arguments of `find_objects`; None where it takes more than one call."""
    words, size = {}, {}
    while isinstance(node, Filter):
        (size if node.facet == "size" else words)[node.facet] = node.value
        node = node.source
    adjectives = [{"wood": "wooden"}.get(words[one], words[one]) for one in ("color", "material") if one in words]
    made = {"phrase": " ".join([*adjectives, words.get("shape", "thing")]), **size}
    if isinstance(node, Everything):
        return made
    if isinstance(node, (Relate, Same)) and isinstance(node.anchor, Unique):
        anchor = arguments_of(node.anchor.source)
        if anchor is None or anchor.keys() != {"phrase"}:
            return None
        said = {"left": "left of", "right": "right of", "shape": "same kind as"}
        relation = node.relation if isinstance(node, Relate) else node.facet
        known = f"same {relation} as" if isinstance(node, Same) and relation != "shape" else relation
        return made | {"relation": said.get(relation, known), "anchor": anchor["phrase"]}
    return None


def test_questions_of_the_drawn_world_are_answered_by_the_tool():
    asked = 0
    sampler = QuestionSampler(5, families=[name for name in FAMILIES if "two" not in name and "three" not in name])
    for seed in range(40):
        scene = sample_scene(seed)
        drawn = render(scene, 128)
        table = Table(scene)
        for question in sampler.sample(scene, 12, drawn.boxes / 128):
            program = question.program
            if isinstance(program, (Count, Exist)):
                arguments = arguments_of(program.source)
                if arguments is None:
                    continue
                count = int(table.find(**arguments).references["count"])
                assert question.answer == (str(count) if isinstance(program, Count) else ["no", "yes"][count > 0])
            elif isinstance(program, Query) and isinstance(program.anchor, Unique) and program.facet != "place":
                arguments = arguments_of(program.anchor.source)
                if arguments is None:
                    continue
                facet = {"shape": "kind"}.get(program.facet, program.facet)
                assert table.find(**arguments, tell=[facet]).references[facet] == question.answer
            else:
                continue
            asked += 1
    assert asked > 150


def test_the_executor_knows_what_the_world_does_not_say():
    scene = sample_scene(3)
    with pytest.raises(ValueError, match="may be meant"):
        execute(Query(Unique(Everything()), "color"), scene)
    rng = random.Random(1)
    for _ in range(50):  # a set and its complement by a relation never share a thing
        anchor = Ordinal(Everything(), 1, rng.choice(("largest", "left")))
        try:
            sides = [things_of(Relate(anchor, relation), scene) for relation in RELATIONS]
        except ValueError:
            continue
        assert not sides[0] & sides[1]
        assert not things_of(Intersect(Relate(anchor, "above"), Relate(anchor, "below")), scene)


def test_the_middle_is_an_order_and_a_controller_that_refers_may_say_what_it_did_not_ask_for():
    table = Table(ROW)
    assert set(table.ids(table.find(order="central", at_most=2))) == {1, 2}
    assert "color" not in table.find("key").references
    table.runner.refers = True
    told = table.find("key").references
    assert (told["color"], told["material"], told["size"]) == ("yellow", "metal", "small")
    assert "color" not in table.find("key").brief  # nobody asked for it
