"""Files that nobody vouches for: what is taken, how it comes out, and what is refused why."""

from __future__ import annotations

import os
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import nullcontext, suppress
from io import BytesIO
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageFile, PngImagePlugin

from saccade.errors import UserError
from saccade.memory.pictures.decode import Limits, decode
from saccade.memory.pictures.store import PictureStore
from saccade.settings import Settings

pillow_heif.register_heif_opener()  # so that Pillow writes HEIC; what we decode with is another library

SMALL = Limits(bytes=200_000, pixels=64 * 48 * 4)


def drawn(width: int = 64, height: int = 48, mode: str = "RGB") -> Image.Image:
    """A picture whose four quarters differ, so that turning it shows."""
    image = Image.new("RGB", (width, height), "white")
    for place, colour in enumerate(("red", "green", "blue", "black")):
        x, y = place % 2 * width // 2, place // 2 * height // 2
        image.paste(colour, (x, y, x + width // 2, y + height // 2))
    return image.convert(mode)


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    out = BytesIO()
    image.save(out, kind, **({"quality": -1, "chroma": "444"} if kind == "HEIF" else {}), **options)
    return out.getvalue()


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def huge_png(side: int = 30_000) -> bytes:
    """A whole, valid PNG of side x side black pixels (grey, 8 bit) in about a megabyte."""
    packer = zlib.compressobj(9)
    rows = bytes((side + 1) * 100)
    body = b"".join(packer.compress(rows) for _ in range(side // 100)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", body) + png_chunk(b"IEND", b"")


def long_gif(frames: int) -> bytes:
    """An animation of 1 x 1 px frames."""
    head = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    frame = b"\x21\xf9\x04\0\x0a\0\0\0" + b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\0"
    return head + frame * frames + b"\x3b"


def wide_gif() -> bytes:
    """A small screen on which the first frame is 60,000 px wide."""
    whole = bytearray(long_gif(1))
    place = whole.index(b"\x2c")
    whole[place : place + 10] = b"\x2c" + struct.pack("<HHHHB", 0, 0, 60_000, 60_000, 0)
    return bytes(whole)


def bmp_header(width: int, height: int) -> bytes:
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, *[0] * 6)


def webp_canvas(side: int) -> bytes:
    size = (side - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + size + size
    body += b"VP8L" + struct.pack("<I", 6) + b"\x2f" + bytes(5)
    return b"RIFF" + struct.pack("<I", len(body)) + body


WHOLE_JPEG = saved(noise(64, 48), "JPEG")
WHOLE_PNG = saved(noise(64, 48), "PNG")

REFUSED: list[tuple[str, bytes, str]] = [
    ("text.png", b"just some words, not a picture\n", "not_a_picture"),
    ("empty.png", b"", "empty_file"),
    ("page.png", b"<!DOCTYPE html><html></html>", "not_a_picture"),
    ("drawing.svg", b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "unsupported_format"),
    ("paper.pdf", b"%PDF-1.7 ...", "unsupported_format"),
    ("phone.heic", b"\0\0\0\x18ftypheic" + bytes(40), "damaged_file"),
    ("cut.heic", saved(noise(64, 48), "HEIF")[:-800], "truncated_file"),
    ("huge.heic", saved(Image.new("L", (400, 300)), "HEIF"), "too_many_pixels"),
    ("icon.ico", saved(drawn(), "ICO"), "unsupported_format"),
    ("old.ppm", saved(drawn(), "PPM"), "not_a_picture"),
    ("cut.jpg", WHOLE_JPEG[: len(WHOLE_JPEG) // 2], "truncated_file"),
    ("head.jpg", WHOLE_JPEG[:20], "damaged_file"),
    ("cut.png", WHOLE_PNG[: len(WHOLE_PNG) // 2], "truncated_file"),
    ("cut.webp", saved(noise(64, 48), "WEBP")[:-200], "truncated_file"),
    ("cut.bmp", saved(drawn(), "BMP")[:-200], "truncated_file"),
    ("cut.gif", saved(noise(64, 48), "GIF")[:1500], "truncated_file"),
    ("cut.tif", saved(noise(64, 48), "TIFF")[:-3000], "truncated_file"),
    ("broken.png", WHOLE_PNG[:60] + bytes(40) + WHOLE_PNG[100:], "damaged_file"),
    ("signature.png", b"\x89PNG\r\n\x1a\n", "damaged_file"),
    ("huge.png", huge_png(), "too_many_pixels"),
    ("huge.bmp", bmp_header(30_000, 30_000), "too_many_pixels"),
    ("huge.gif", b"GIF89a" + struct.pack("<HHBBB", 65_535, 65_535, 0, 0, 0) + long_gif(1)[19:], "too_many_pixels"),
    ("wide.gif", wide_gif(), "too_many_pixels"),
    ("huge.webp", webp_canvas(16_383), "too_many_pixels"),
    ("flat.bmp", bmp_header(0, 10), "damaged_file"),
    ("heavy.png", saved(noise(64, 48), "PNG") + bytes(200_000), "too_many_bytes"),
]


@pytest.mark.parametrize(("name", "data", "kind"), REFUSED[:-1], ids=[name for name, _, _ in REFUSED[:-1]])
def test_a_bad_file_is_refused_by_its_kind_and_nothing_is_written(
    tmp_path: Path, name: str, data: bytes, kind: str
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    store = PictureStore(tmp_path / "home", limits=Limits(bytes=5_000_000, pixels=SMALL.pixels))
    with pytest.raises(UserError) as refusal:
        store.add(str(path), owner="ann")
    assert refusal.value.kind == kind
    assert repr(str(path)) in refusal.value.message
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(UserError) as refusal:
        decode(data, store.limits)
    assert refusal.value.kind == kind


def test_a_file_over_the_byte_cap_is_refused_by_its_size_on_disk(tmp_path: Path) -> None:
    name, data, kind = REFUSED[-1]
    (tmp_path / name).write_bytes(data)
    for source in (tmp_path / name, data):
        with pytest.raises(UserError, match=r"0\.2 MB") as refusal:
            decode(source, SMALL)
        assert refusal.value.kind == kind


def _pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda folder: folder / "nowhere.png", "missing_file"),
        (lambda folder: folder / "file.png" / "below.png", "missing_file"),
        (lambda folder: "https://example.org/cat.png", "is_url"),
        (lambda folder: "with\0zero.png", "missing_file"),
        (lambda folder: folder / ("long" * 100), "unreadable_file"),
        (lambda folder: folder, "is_directory"),
        (lambda folder: _pipe(folder / "pipe.png"), "not_a_file"),
        (lambda folder: Path("/dev/zero"), "not_a_file"),
        (lambda folder: 7, "bad_source"),
        (lambda folder: None, "bad_source"),
    ],
)
def test_what_is_no_readable_file_is_refused(tmp_path: Path, make: Callable[[Path], object], kind: str) -> None:
    (tmp_path / "file.png").write_bytes(WHOLE_PNG)
    source = make(tmp_path)
    with pytest.raises(UserError) as refusal:
        decode(source)  # pyright: ignore[reportArgumentType]
    assert refusal.value.kind == kind
    assert repr(str(source)) in refusal.value.message or str(source) in refusal.value.message


@pytest.mark.parametrize(
    ("data", "refused"),
    [(huge_png(), True), (long_gif(10_000), False)],
    ids=["30,000 x 30,000 px", "10,000 frames"],
)
def test_a_bomb_costs_neither_time_nor_memory(data: bytes, refused: bool) -> None:
    tracemalloc.start()
    start = time.perf_counter()
    with pytest.raises(UserError) if refused else nullcontext():
        decode(data)
    seconds = time.perf_counter() - start
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds < 0.5
    assert peak < 3 * len(data) + 1_000_000


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF", "HEIF", "BMP", "GIF", "TIFF"])
def test_every_allowed_format_comes_out_as_the_same_picture(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "picture.anything"
    path.write_bytes(saved(drawn(), kind, **({"lossless": True} if kind == "WEBP" else {})))
    for source in (path, str(path), path.read_bytes()):
        decoded = decode(source)
        assert (decoded.image.mode, decoded.image.size) == ("RGB", (64, 48))
        # JPEG blurs the borders between the quarters a little.
        difference = np.abs(np.asarray(decoded.image).astype(int) - np.asarray(drawn()))
        assert np.median(difference) <= 2
        assert decoded.source == (None if isinstance(source, bytes) else str(path))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_and_all_metadata_is_dropped(kind: str, orientation: int) -> None:
    # What a camera stores that is held in this way: the inverse of what makes it upright.
    inverse = {5: 5, 6: 8, 7: 7, 8: 6}.get(orientation, orientation)
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    stored = drawn().transpose(turns[inverse]) if inverse in turns else drawn()
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "a maker that should not be told"
    options = {"JPEG": {"quality": 98, "subsampling": 0}, "WEBP": {"lossless": True}}.get(kind, {})
    decoded = decode(saved(stored, kind, exif=exif.tobytes(), **options))
    assert decoded.image.size == (64, 48)
    assert np.abs(np.asarray(decoded.image).astype(int) - np.asarray(drawn())).mean() < 3
    assert not decoded.image.info
    assert not decoded.image.getexif()
    assert b"maker" not in saved(decoded.image, "PNG")


def test_text_profiles_and_positions_do_not_reach_the_stored_file(tmp_path: Path) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "secret words")
    data = saved(drawn(), "PNG", pnginfo=text, icc_profile=b"secret profile" * 10)
    picture = PictureStore(tmp_path / "home").add(data, owner="ann")
    assert b"Comment" not in picture.path.read_bytes()
    assert b"iCCP" not in picture.path.read_bytes()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "HSV", "I;16", "I", "F", "PA", "La"])
def test_every_mode_of_pillow_becomes_rgb(mode: str) -> None:
    if mode in ("I;16", "I"):
        image = Image.fromarray(np.full((48, 64), 65535 // 2, np.uint16)).convert(mode)
        expected = (127, 127, 127)
    elif mode == "F":
        image = Image.fromarray(np.full((48, 64), 0.5, np.float32))
        expected = (128, 128, 128)
    elif mode in ("La", "PA"):
        image, expected = Image.new("LA", (64, 48), (255, 255)).convert(mode), (255, 255, 255)
    else:
        image, expected = Image.new("RGB", (64, 48), "white").convert(mode), (255, 255, 255)
    decoded = decode(image)
    assert decoded.image.mode == "RGB"
    assert decoded.image.getpixel((5, 5)) == expected


def test_transparency_is_laid_on_white_unless_it_is_asked_for() -> None:
    image = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    image.putpixel((0, 0), (0, 0, 255, 255))
    for source in (image, saved(image, "PNG"), saved(image, "WEBP", lossless=True), saved(image, "GIF")):
        flat = decode(source).image
        assert (flat.mode, flat.getpixel((0, 0)), flat.getpixel((3, 3))) == ("RGB", (0, 0, 255), (255, 255, 255))
    assert decode(image, keep_alpha=True).image.getpixel((3, 3)) == (255, 0, 0, 0)
    assert decode(drawn(), keep_alpha=True).image.mode == "RGB"


def test_the_same_pixels_have_the_same_hash_whatever_the_file() -> None:
    assert decode(saved(drawn(), "PNG")).sha256 == decode(saved(drawn(), "BMP")).sha256 == decode(drawn()).sha256
    others = [drawn(48, 64), drawn().resize((96, 32)), drawn(mode="L"), drawn(mode="RGBA").rotate(90)]
    assert len({decode(image).sha256 for image in [drawn(), *others]}) == 5


def test_the_first_of_a_few_frames_is_taken() -> None:
    for kind in ("GIF", "PNG", "WEBP", "TIFF"):
        data = saved(
            drawn(),
            kind,
            save_all=True,
            append_images=[noise(64, 48)],
            **({"lossless": True} if kind == "WEBP" else {}),
        )
        assert decode(data).image.tobytes() == drawn().tobytes(), kind


def test_a_pillow_image_given_is_left_as_it_was(tmp_path: Path) -> None:
    drawn().save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        decoded = decode(image)
        assert decoded.source == str(tmp_path / "a.png")
    mine = drawn()
    decoded = decode(mine)
    decoded.image.paste("white", (0, 0, 64, 48))
    assert mine.tobytes() == drawn().tobytes()
    with pytest.raises(UserError) as refusal:
        decode(Image.new("L", (9000, 9000)))
    assert refusal.value.kind == "too_many_pixels"


def test_pillow_keeps_its_global_state() -> None:
    before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, dict(Image.OPEN))
    for _, data, _ in REFUSED:
        with pytest.raises(UserError):
            decode(data, SMALL)
    decode(WHOLE_JPEG)
    assert (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, dict(Image.OPEN)) == before


def test_no_cap_of_ours_goes_beyond_pillows_own() -> None:
    side = 9_600  # 92 megapixels, above Pillow's mark
    with pytest.raises(UserError, match=r"89\.48 megapixels"):
        decode(bmp_header(side, side), Limits(pixels=10**9))


def test_random_damage_is_refused_or_decoded_but_never_another_error() -> None:
    rng = np.random.default_rng(7)
    wholes = [saved(drawn(), kind) for kind in ("PNG", "JPEG", "WEBP", "AVIF", "HEIF", "BMP", "GIF", "TIFF")]
    for whole in wholes:
        for _ in range(60):
            data = bytearray(whole)
            for place in rng.integers(0, len(data), 4):
                data[place] = rng.integers(0, 256)
            with suppress(UserError):
                decode(bytes(data), SMALL)


def test_the_limits_come_from_the_settings() -> None:
    limits = Limits.of(Settings(max_file_mb=2, max_megapixels=3))
    assert limits == Limits(bytes=2_000_000, pixels=3_000_000)
