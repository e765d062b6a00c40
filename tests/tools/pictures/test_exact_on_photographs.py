"""The exact edits on the photographs inside scikit-image: each as Pillow or OpenCV gives it, called directly."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage
from PIL import Image, ImageCms, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from saccade.memory.pictures.store import PictureStore
from saccade.memory.records import RegionDraft, ToolResult
from saccade.memory.workspace import LedgerWorkspace
from saccade.tools.registry import all_tools
from saccade.tools.runner import ToolRunner

DATA = Path(skimage.__file__).parent / "data"
PHOTOGRAPHS = ("chelsea.png", "rocket.jpg", "camera.png")  # one has a colour profile, one is grey
BOX = (40, 50, 170, 160)
REGION = {"regions": ["reg_1"]}


def studio(source):
    """A picture, and a region of it, in a conversation."""
    workspace = LedgerWorkspace(PictureStore(None), "chat_000000000000", "ann")
    workspace.begin_turn([source])
    picture = workspace.picture("img_1")
    mask = np.zeros(picture.size[::-1], bool)
    mask[BOX[1] : BOX[3], BOX[0] : BOX[2]] = True
    found = ToolResult(regions=[RegionDraft(picture.id, tuple(map(float, BOX)), "face", mask=mask)])
    workspace.record("call_0", "find_objects", {}, found, lambda _: "found")
    return workspace, ToolRunner(all_tools(), workspace, None)


def edited(source, *edits):
    workspace, runner = studio(source)
    told = runner.run("call_1", "edit_image", {"image": "img_1", "edits": list(edits)}, 1)
    assert told.ok, told.text
    return np.asarray(workspace.open(told.recorded.pictures[0].id, alpha=True))


def opened(name):
    """The photograph's pixels in sRGB, as Pillow brings those with a profile of their own there."""
    with Image.open(DATA / name) as image:
        profile = image.info.get("icc_profile")
        if profile is None:
            return image.convert("RGB")
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        made = ImageCms.profileToProfile(image, given, ImageCms.createProfile("sRGB"), outputMode="RGB")
        assert made is not None
        return made


def within(image, change):
    """The picture with a change in the box alone."""
    made = image.copy()
    made.paste(change(image).crop(BOX), BOX[:2])
    return made


def filled(image):
    made = image.copy()
    ImageDraw.Draw(made).rectangle((BOX[0], BOX[1], BOX[2] - 1, BOX[3] - 1), fill="black")
    return made


def blocks(image):
    """Means over blocks of a ninth of the box's longer side, as OpenCV draws them out again: each pixel its nearest."""
    block = (BOX[2] - BOX[0]) / 9
    small = image.resize((round(image.width / block), round(image.height / block)), Image.Resampling.BOX)
    return small.resize(image.size, Image.Resampling.NEAREST)


DONE = {
    "crop": ({"do": "crop", "box": list(BOX)}, lambda one: one.crop(BOX)),
    "a quarter": ({"do": "rotate", "degrees": 90}, lambda one: cv2.rotate(np.array(one), cv2.ROTATE_90_CLOCKWISE)),
    "upside down": ({"do": "rotate", "degrees": 180}, lambda one: cv2.rotate(np.array(one), cv2.ROTATE_180)),
    "by 12": ({"do": "rotate", "degrees": 12.5},
              lambda one: one.rotate(-12.5, Image.Resampling.BICUBIC, expand=True, fillcolor="white")),
    "mirrored": ({"do": "flip"}, lambda one: cv2.flip(np.array(one), 1)),
    "flipped": ({"do": "flip", "way": "vertical"}, lambda one: cv2.flip(np.array(one), 0)),
    "resized": ({"do": "resize", "width": 200},
                lambda one: one.resize((200, round(one.height * 200 / one.width)), Image.Resampling.LANCZOS)),
    "blurred": ({"do": "blur"} | REGION, lambda one: within(one, lambda all: all.filter(ImageFilter.GaussianBlur(8)))),
    "in blocks": ({"do": "pixelate"} | REGION, lambda one: within(one, blocks)),
    "filled": ({"do": "fill"} | REGION, filled),
    "brightness": ({"do": "brightness", "amount": 1.4}, lambda one: ImageEnhance.Brightness(one).enhance(1.4)),
    "contrast": ({"do": "contrast", "amount": 0.6}, lambda one: ImageEnhance.Contrast(one).enhance(0.6)),
    "sharpen": ({"do": "sharpen", "amount": 2}, lambda one: ImageEnhance.Sharpness(one).enhance(2)),
    "greyscale": ({"do": "greyscale"}, lambda one: ImageOps.grayscale(one).convert("RGB")),
    "levels": ({"do": "auto"}, lambda one: ImageOps.autocontrast(one, cutoff=0.5)),
    "inverted": ({"do": "invert"}, lambda one: cv2.bitwise_not(np.array(one))),
}  # fmt: skip


@pytest.mark.parametrize("done", DONE)
def test_each_edit_is_the_library_s_own_to_the_pixel(done):
    edit, directly = DONE[done]
    for name in PHOTOGRAPHS if done not in ("sharpen", "by 12") else PHOTOGRAPHS[:2]:
        made = edited(DATA / name, edit)
        assert np.array_equal(made, np.asarray(directly(opened(name)))), name


def test_a_photograph_pasted_on_another_and_beside_it():
    base, top = opened("chelsea.png"), opened("rocket.jpg")
    workspace, runner = studio(base)
    workspace.begin_turn([top])
    paste = {"do": "paste", "picture": "img_2", "at": [20, 30], "width": 100}
    told = runner.run("c1", "edit_image", {"image": "img_1", "edits": [paste]}, 2)
    small = top.resize((100, round(top.height * 100 / top.width)), Image.Resampling.LANCZOS)
    wanted = base.copy()
    wanted.paste(small, (20, 30))
    made = np.asarray(workspace.open(told.recorded.pictures[0].id))
    assert np.array_equal(made, np.asarray(wanted))
    collage = {"do": "collage", "pictures": ["img_2"], "columns": 2}
    told = runner.run("c2", "edit_image", {"image": "img_1", "edits": [collage]}, 2)
    sheet = np.asarray(workspace.open(told.recorded.pictures[0].id))
    assert np.array_equal(sheet[:, : base.width], np.asarray(base))


def as_file(image, kind, **options):
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def test_a_photograph_that_lies_on_its_side_is_edited_upright_and_tells_nothing_of_its_camera():
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a maker"  # the camera was held upright: turn it clockwise to see it so
    stored = opened("coffee.png").resize((300, 200)).transpose(Image.Transpose.ROTATE_90)
    data = as_file(stored, "JPEG", quality=95, exif=exif.tobytes())
    with Image.open(io.BytesIO(data)) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
    assert upright.size == (300, 200)
    assert np.array_equal(edited(data, {"do": "crop", "box": [10, 20, 110, 120]}),
                          np.asarray(upright.crop((10, 20, 110, 120))))  # fmt: skip
    workspace, runner = studio(data)
    told = runner.run("c", "edit_image", {"image": "img_1", "edits": [{"do": "flip"}]}, 1)
    file = workspace.store.file(told.recorded.pictures[0].sha256)
    with Image.open(io.BytesIO(file)) as image:
        assert not image.getexif()


def test_grey_photographs_become_three_equal_channels():
    made = edited(DATA / "camera.png", {"do": "crop", "box": [0, 0, 64, 64]})
    with Image.open(DATA / "camera.png") as grey:
        assert grey.mode == "L"
        assert all(np.array_equal(made[..., at], np.asarray(grey)[:64, :64]) for at in range(3))


def test_sixteen_bits_become_eight():
    with Image.open(DATA / "moon.png") as image:
        eight = np.asarray(image.convert("L"))
    deep = as_file(Image.fromarray(eight.astype(np.uint16) * 257), "PNG")
    assert np.array_equal(edited(deep, {"do": "crop", "box": [0, 0, 90, 70]})[..., 0], eight[:70, :90])


def test_what_is_transparent_lies_on_white_where_it_was_given_and_stays_where_it_was_cut_out():
    cat = opened("chelsea.png")
    cat.putalpha(Image.linear_gradient("L").resize(cat.size))
    white = Image.alpha_composite(Image.new("RGBA", cat.size, "white"), cat).convert("RGB")
    made = edited(as_file(cat, "PNG"), {"do": "flip"}).astype(int)
    assert made.shape[2] == 3
    assert np.abs(made - np.asarray(ImageOps.mirror(white), int)).max() <= 1  # rounding where it is half transparent
    workspace, runner = studio(DATA / "chelsea.png")
    cut = runner.run("c", "crop_image", {"image": "reg_1", "background": "transparent", "margin": 0.2}, 1)
    handle = cut.recorded.pictures[0].handle
    whole = np.asarray(workspace.open(workspace.picture(handle).id, alpha=True))
    told = runner.run("e", "edit_image", {"image": handle, "edits": [{"do": "invert"}]}, 1)
    made = np.asarray(workspace.open(told.recorded.pictures[0].id, alpha=True))
    assert made.shape[2] == 4
    assert np.array_equal(made[..., 3], whole[..., 3])
    assert np.array_equal(made[..., :3], 255 - whole[..., :3])
