"""The painter's expert over small randomly made pipelines of published classes, saved in the hub's format."""

from __future__ import annotations

import re
import tomllib

import numpy as np
import pytest
from painters import load, painters  # noqa: F401  # a fixture
from PIL import Image

from saccade.benchmarks.random_painters import make_painter
from saccade.errors import ExpertFailed, UserError
from saccade.settings import PACKAGE, ModelSpec, Profile
from saccade.tools.experts.painter import guides
from saccade.tools.experts.painter.expert import Painter
from saccade.tools.experts.painter.options import PARTS, read_options
from saccade.tools.experts.painter.styles import called
from saccade.tools.experts.painter.wording import grounded_prompt
from saccade.tools.pool import ExpertPool
from saccade.tools.requests import Paint

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 40, 3), dtype=np.uint8))
FLAT = Image.new("RGB", (40, 32), (200, 30, 30))


def corner():
    mask = np.zeros((32, 40), bool)
    mask[4:20, 4:20] = True
    return mask


def pixels(painter, *requests):
    return [np.asarray(image, int) for image in painter.predict(requests)]


def differ(one, other):
    return not np.array_equal(one, other)


@pytest.mark.parametrize("kind", ["sd", "inpaint"])
def test_what_a_seed_gives_does_not_depend_on_its_company(painters, kind):  # noqa: F811
    def ask(seed, size=(32, 32)):
        return Paint("a red cube", size=size, seed=seed, steps=2)

    painter = load(painters(kind))
    together = painter.predict([ask(1), ask(2, (64, 32)), ask(3), ask(1)])
    assert [image.size for image in together] == [(32, 32), (64, 32), (32, 32), (32, 32)]
    (alone,) = pixels(painter, ask(3))
    assert np.abs(alone - np.asarray(together[2], int)).max() <= 1  # of 255: sums in another order
    assert np.array_equal(*map(np.asarray, (together[0], together[3])))
    assert differ(*map(np.asarray, (together[0], together[2])))


@pytest.mark.parametrize("kind", ["sd", "inpaint", "xl"])
def test_a_part_is_painted_by_every_class(painters, kind):  # noqa: F811
    (made,) = load(painters(kind)).predict([Paint("a ball", image=NOISE, mask=corner(), steps=2)])
    assert (made.size, made.mode) == ((40, 32), "RGB")


def test_a_part_is_painted_by_the_checkpoint_that_is_named_for_it(painters):  # noqa: F811
    request = Paint("a ball", image=NOISE, mask=corner(), steps=2)
    plain, other = load(painters("sd")), load(painters("sd"), parts={"inpaint": f"file:{painters('inpaint')}"})
    assert differ(*pixels(plain, request), *pixels(other, request))
    assert type(other.pipelines.get("part")).__name__ == "StableDiffusionInpaintPipeline"
    assert other.pipelines.get("part").unet.config.in_channels == 9
    assert np.array_equal(*pixels(plain, Paint("a cube", steps=1)), *pixels(other, Paint("a cube", steps=1)))


@pytest.mark.parametrize("kind", ["sd", "xl"])
def test_from_a_picture_on_less_strength_stays_nearer_to_it(painters, kind):  # noqa: F811
    painter = load(painters(kind), guidance=1.0)
    near, far = pixels(painter, *(Paint("a ball", image=FLAT, steps=10, strength=s) for s in (0.1, 1.0)))
    assert near.shape == far.shape == (32, 40, 3)
    (other,) = pixels(painter, Paint("a ball", image=NOISE, steps=10, strength=0.1))
    (other_far,) = pixels(painter, Paint("a ball", image=NOISE, steps=10, strength=1.0))
    assert np.abs(near - other).mean() > 2 * np.abs(far - other_far).mean(), "at full strength the picture says little"


@pytest.mark.parametrize(("base", "parts"), [("sd", {"instruct": "instruct"}), ("instruct", {}), ("kontext", {})])
def test_instructions_are_carried_out_on_a_picture(painters, base, parts):  # noqa: F811
    painter = load(painters(base), native=32, parts={part: f"file:{painters(kind)}" for part, kind in parts.items()})
    (made,) = pixels(painter, Paint("make it winter", image=NOISE, way="instruct", steps=2))
    assert made.shape == (32, 40, 3)
    others = [Paint("make it winter", image=FLAT, way="instruct", steps=2),
              Paint("a blue dress on all of them", image=NOISE, way="instruct", steps=2)]  # fmt: skip
    for other in pixels(painter, *others):
        assert differ(made, other), "neither the picture nor the instruction was seen"


def test_a_control_net_is_shown_edges_depth_or_boxes(painters):  # noqa: F811
    net = f"file:{painters('controlnet')}"
    painter = load(painters("sd"), parts={"edges": net, "depth": net, "depth-from": f"file:{painters('depth')}",
                                          "segments": net})  # fmt: skip
    left, right = ((("cat", (x, 0.1, x + 0.4, 0.9)),) for x in (0.0, 0.6))
    asked = [Paint("a cat", image=NOISE, way="edges", steps=2), Paint("a cat", image=FLAT, way="edges", steps=2),
             Paint("a cat", image=NOISE, way="depth", steps=2), Paint("a cat", things=left, size=(40, 32), steps=2),
             Paint("a cat", things=right, size=(40, 32), steps=2), Paint("a cat", size=(40, 32), steps=2)]  # fmt: skip
    made = pixels(painter, *asked)
    assert len({image.tobytes() for image in made}) == len(asked)
    unguided = load(painters("sd"))
    assert np.array_equal(made[-1], *pixels(unguided, asked[-1]))


def test_edges_and_segments_are_as_published_control_nets_know_them():
    square = Image.new("RGB", (40, 40))
    square.paste((255, 255, 255), (10, 10, 30, 30))
    found = np.asarray(guides.edges(square))
    assert set(np.unique(found)) == {0, 255}
    assert found[:8].max() == 0
    assert found[8:12, 8:32].max() == 255
    shown = guides.segments([("a large tree", (0, 0, 1, 1)), ("two cars", (0.5, 0.5, 1, 1)), ("cat", (0, 0, 0.2, 0.2))],
                            (20, 10), "a road", {"cat": (1, 2, 3)})  # fmt: skip
    assert shown.getpixel((10, 2)) == guides.ADE["tree"]
    assert shown.getpixel((15, 8)) == guides.ADE["car"]
    assert shown.getpixel((1, 1)) == (1, 2, 3)
    assert guides.segments([], (4, 4), "a road").getpixel((0, 0)) == guides.ADE["road"]


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # of diffusers' schedulers, to numpy
@pytest.mark.parametrize("scheduler", [
    "ddim", "pndm", "euler", "euler-ancestral", "dpm", "unipc", "lcm", "tcd",
    {"name": "euler", "timestep_spacing": "trailing"},  # as Lightning wants it
])  # fmt: skip
def test_schedulers_and_few_steps_are_settings(painters, scheduler):  # noqa: F811
    painter = load(painters("sd"), scheduler=scheduler, steps=2, guidance=0.0)  # and Turbo: no guidance
    seen = []
    painter.watched([Paint("a cube")], seen.append)
    assert (seen[-1].done, seen[-1].of) == (2, 2)
    wanted = {"timestep_spacing": "trailing"} if isinstance(scheduler, dict) else {}
    assert {key: painter.pipeline.scheduler.config[key] for key in wanted} == wanted


def test_a_style_is_a_lora_that_is_on_where_its_name_is_said(painters):  # noqa: F811
    lora = f"file:{painters('lora.safetensors')}"
    painter, plain = load(painters("sd"), styles={"drawings": {"lora": lora, "words": "pencil"}}), load(painters("sd"))
    asked = [Paint(words, steps=2) for words in ("a cube pencil", "a cube in the style of my drawings", "a cube")]
    without, styled, other = pixels(painter, *asked)
    assert differ(without, styled), "the prompt is the same for the model; the LoRA is not"
    assert np.array_equal(without, *pixels(plain, asked[0])), "and it is off where it is not named"
    assert differ(other, styled)
    always = load(painters("sd"), styles={"fast": {"lora": lora, "always": True}})
    assert differ(other, *pixels(always, asked[2]))


def test_a_textual_inversion_is_a_word_of_the_prompt(painters):  # noqa: F811
    painter = load(painters("sd"), styles={"cat": {"embedding": f"file:{painters('cat.safetensors')}"}})
    named, token, plain = pixels(painter, *(Paint(words, steps=2) for words in (
        "a picture in the style of my cat", "a picture <cat>", "a picture")))  # fmt: skip
    assert np.array_equal(named, token)
    assert differ(named, plain)


def test_styles_are_named_in_people_s_words():
    options = read_options({"styles": {"drawings": {"lora": "file:a.safetensors", "words": "pencil"}}})
    for words in (
        "a boat in the style of my drawings",
        "a boat in my drawings style",
        "A boat In The Style Of Drawings",
    ):
        assert called(words, options) == (f"{words[:6]} pencil", ("drawings",))
    assert called("a boat with my drawings on it", options) == ("a boat with my drawings on it", ())


def test_progress_is_told_after_every_step_with_previews(painters):  # noqa: F811
    painter = load(painters("sd"))
    seen = []
    requests = [Paint("a cube", seed=seed, steps=8) for seed in range(2)] + [Paint("a ball", size=(64, 32), steps=3)]
    made = painter.watched(requests, seen.append)
    assert [one.done for one in seen] == list(range(1, 12))
    assert {one.of for one in seen} == {11}
    previews = [one.preview for one in seen if one.preview is not None]
    assert len(previews) >= 3
    assert all(one.mode == "RGB" and max(one.size) <= 64 for one in previews)
    for one, other in zip(made, painter.predict(requests), strict=True):
        assert np.array_equal(np.asarray(one), np.asarray(other)), "who watches changes nothing"


def test_large_and_odd_sizes_are_painted_at_what_the_model_knows(painters):  # noqa: F811
    painter = load(painters("sd"), parts={"inpaint": f"file:{painters('inpaint')}"})
    sizes = [painter._size(Paint("a", size=size)) for size in ((33, 31), (640, 480), (8, 8), (2000, 100))]
    assert sizes == [(32, 32), (40, 24), (32, 32), (144, 8)]
    (made,) = painter.predict([Paint("a", image=NOISE.resize((333, 222)), mask=np.ones((222, 333), bool), steps=1)])
    assert made.size == (40, 24)
    assert painter.predict([Paint("a", size=(333, 222), steps=1)])[0].size == (333, 222)


@pytest.mark.parametrize("name", ["sd-half", "sd-variant"])
def test_fp16_weights_are_read(painters, name):  # noqa: F811
    (made,) = load(painters(name)).predict([Paint("a cube", size=(32, 32), steps=1)])
    assert made.size == (32, 32)


def test_pickled_weights_and_other_folders_are_refused(painters, tmp_path):  # noqa: F811
    make_painter("sd").save_pretrained(tmp_path / "model", safe_serialization=False)
    with pytest.raises(UserError, match="safetensors"):
        Painter.load(ModelSpec("file", str(tmp_path / "model")), "cpu")
    with pytest.raises(UserError, match=r"model_index\.json"):
        Painter.load(ModelSpec("zoo", "clip"), "cpu")
    (tmp_path / "style.pt").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    styled = load(painters("sd"), styles={"mine": {"lora": f"file:{tmp_path / 'style.pt'}"}})
    with pytest.raises(UserError, match=r"one \.safetensors file, and there is: style\.pt"):
        styled.predict([Paint("a cube in the style of mine")])
    with pytest.raises(UserError, match="does not fit"):
        load(painters("sd"), styles={"mine": {"lora": f"file:{painters('cat.safetensors')}"}}).predict(
            [Paint("a cube in the style of mine")]
        )


@pytest.mark.parametrize(("about", "said"), [
    ({"scheduler": "eulr"}, "'eulr' is no scheduler. Did you mean 'euler'?"),
    ({"scheduler": {"name": "lcm", "spacing": 1}}, "spacing is no setting of LCMScheduler"),
    ({"steps": 0}, "steps"),
    ({"styles": {"mine": {"words": "x"}}}, "give `lora`, `embedding` or both"),
    ({"parts": {"edgs": "file:/x"}}, "'painter.edgs' is no part of a painter"),
])  # fmt: skip
def test_settings_that_do_not_fit_are_named(painters, about, said):  # noqa: F811
    with pytest.raises(UserError) as told:
        load(painters("sd"), **about)
    assert said in told.value.message


def test_what_a_painter_cannot_do_is_told_with_the_line_that_mends_it(painters):  # noqa: F811
    painter = load(painters("sd"))
    with pytest.raises(UserError, match=r'"painter.instruct" = "hf:'):
        painter.predict([Paint("make it winter", image=NOISE, way="instruct")])
    with pytest.raises(UserError, match=r'"painter.edges" = "hf:'):
        painter.predict([Paint("a cat", image=NOISE, way="edges")])
    with pytest.raises(UserError, match="makes no pictures from words alone"):
        load(painters("instruct")).predict([Paint("a cat", steps=1)])


def test_a_profile_names_models_beside_the_painter(painters):  # noqa: F811
    models = {"painter": f"file:{painters('sd')}", "painter.edges": f"file:{painters('controlnet')}"}
    pool = ExpertPool(Profile(name="mine", models=models, options={"painter": {"steps": 1}}), "cpu")
    assert pool.about("painter") == {"steps": 1, "parts": {"edges": models["painter.edges"]}}
    (made,) = pool.ask("painter", [Paint("a cat", image=NOISE, way="edges")])
    assert made.size == (40, 32)
    with pytest.raises(ExpertFailed, match="follows no instructions"):
        pool.ask("painter", [Paint("make it winter", image=NOISE, way="instruct")])


def test_the_guide_s_settings_are_read():
    page = (PACKAGE / "docs" / "guide.md").read_text("utf-8").partition("## Painters")[2].partition("\n## ")[0]
    blocks = [tomllib.loads(block) for block in re.findall(r"^```toml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)]
    models, styles = blocks[0]["models"], blocks[1]["options"]["painter"]["styles"]
    parts = {name.removeprefix("painter."): spec for name, spec in models.items() if name.startswith("painter.")}
    assert set(parts) == set(PARTS)
    assert set(read_options(blocks[0]["options"]["painter"] | {"parts": parts, "styles": styles}).styles) == set(styles)
    few = [tomllib.loads("\n".join(re.findall(r"`((?:steps|guidance|scheduler) = [^`]+)`", row))) for row in
           page.splitlines() if row.startswith("|") and "`steps" in row]  # fmt: skip
    assert [read_options(settings).steps for settings in few] == [2, 4, 4]
    assert all(set(settings) == {"steps", "guidance", "scheduler"} for settings in few)


def test_boxes_are_words():
    told = grounded_prompt([("red cube", (0.0, 0.5, 0.26, 1.0))], "desk")
    assert told == "desk, red cube <at0> <at16> <at8> <at31>"
    assert grounded_prompt([]) == "nothing"
