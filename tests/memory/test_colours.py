"""Colours as a screen shows them, whatever profile, depth or kind a file has; and files that are only badly wrapped."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, PngImagePlugin, TiffImagePlugin

from saccade.errors import UserError
from saccade.memory.pictures.decode import decode

P3_RED = (234, 51, 35)  # in Display P3; it is sRGB's (255, 0, 0)


# Bits a channel, four pixels that get brighter, and the value of the second of them.
DEPTHS = [(2, b"\x1b", 1), (4, b"\x01\x23", 1), (16, b"\0\0\x55\x55\xaa\xaa\xff\xff", 0x5555)]


def display_p3() -> bytes:
    """An ICC profile of Display P3: its primaries under D50, and the curve of sRGB."""

    def fixed(*values: float) -> bytes:
        return b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    tags = {
        b"rXYZ": b"XYZ \0\0\0\0" + fixed(0.51512, 0.24120, -0.00105),
        b"gXYZ": b"XYZ \0\0\0\0" + fixed(0.29198, 0.69225, 0.04189),
        b"bXYZ": b"XYZ \0\0\0\0" + fixed(0.15710, 0.06657, 0.78407),
        b"wtpt": b"XYZ \0\0\0\0" + fixed(0.96420, 1.0, 0.82491),
        b"rTRC": b"para\0\0\0\0\0\3\0\0" + fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045),
    }
    table, body, start = b"", b"", 128 + 4 + 12 * (len(tags) + 2)
    for name, data in tags.items():
        table += name + struct.pack(">II", start + len(body), len(data))
        if name == b"rTRC":  # the curve is shared
            for other in (b"gTRC", b"bTRC"):
                table += other + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I4sI4s4s4s", 0, b"none", 0x04000000, b"mntr", b"RGB ", b"XYZ ") + bytes(12) + b"acsp"
    head += bytes(128 - len(head) - 60) + fixed(0.9642, 1.0, 0.8249) + bytes(48)
    whole = head + struct.pack(">I", len(tags) + 2) + table + body
    return struct.pack(">I", len(whole)) + whole[4:]


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def chunk(name: bytes, body: bytes, *, crc: int | None = None) -> bytes:
    code = zlib.crc32(name + body) if crc is None else crc
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", code)


def png(width: int, depth: int, colour: int, rows: list[bytes], *more: bytes) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, len(rows), depth, colour, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + body + chunk(b"IEND", b"")


def pixel(data: bytes, x: int = 0, y: int = 0) -> tuple[int, ...]:
    return decode(data).image.getpixel((x, y))  # type: ignore[return-value]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
def test_a_colour_profile_is_applied(kind):
    exact: dict[str, object] = {
        "WEBP": {"lossless": True},
        "JPEG": {"quality": 100, "subsampling": 0},
        "AVIF": {"quality": 100, "subsampling": "4:4:4"},
    }.get(kind, {})
    data = saved(Image.new("RGB", (16, 16), P3_RED), kind, icc_profile=display_p3(), **exact)
    assert pixel(data, 8, 8) == pytest.approx((255, 0, 0), abs=3)
    clear = Image.new("RGBA", (4, 4), (*P3_RED, 128))
    if kind in ("PNG", "TIFF"):
        assert pixel(saved(clear, kind, icc_profile=display_p3())) == pytest.approx((255, 127, 127), abs=3)


def test_a_profile_that_cannot_be_used_costs_no_pixel():
    for profile in (b"no profile", display_p3()[:200]):
        assert pixel(saved(Image.new("RGB", (4, 4), P3_RED), "PNG", icc_profile=profile)) == P3_RED
    assert pixel(saved(Image.new("L", (4, 4), 90), "PNG", icc_profile=display_p3())) == (90, 90, 90)


@pytest.mark.parametrize(("depth", "row", "key"), DEPTHS)
def test_what_a_png_of_any_depth_says_is_transparent_is(depth, row, key):
    data = png(4, depth, 0, [row], chunk(b"tRNS", struct.pack(">H", key)))
    values = [pixel(data, x)[0] for x in range(4)]
    plain = [pixel(png(4, depth, 0, [row]), x)[0] for x in range(4)]
    assert values[1] == 255  # laid on white
    assert [one for at, one in enumerate(values) if at != 1] == [one for at, one in enumerate(plain) if at != 1]


def test_a_png_of_sixteen_bits_a_colour_says_which_colour_is_transparent():
    key, grey = struct.pack(">3H", 0x1111, 0x2222, 0x3333), struct.pack(">3H", 0x8000, 0x8000, 0x8000)
    data = png(2, 16, 2, [key + grey], chunk(b"tRNS", key))
    assert [pixel(data, x) for x in range(2)] == [(255, 255, 255), (128, 128, 128)]


def test_sixteen_bits_are_eight_of_the_same_brightness():
    assert [pixel(png(2, 16, 0, [b"\x80\x80\xff\xff"]), x)[0] for x in range(2)] == [128, 255]


def test_tiffs_are_read_by_their_tags():
    ramp = np.array([[0.0, 0.25, 0.5, 1.0]], np.float32)
    assert [pixel(saved(Image.fromarray(ramp), "TIFF"), x)[0] for x in range(4)] == [0, 64, 128, 255]
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[340], tags[341] = 0.0, 200.0
    tags.tagtype[340] = tags.tagtype[341] = 11
    wide = saved(Image.fromarray(ramp * 200), "TIFF", tiffinfo=tags)
    assert [pixel(wide, x)[0] for x in range(4)] == [0, 64, 128, 255]
    dark = saved(Image.fromarray(ramp / 50), "TIFF")  # its brightest value is 0.02, and it stays as dark as that
    assert pixel(dark, 3)[0] == 5


def test_white_is_zero_where_the_tags_say_so_also_in_a_turned_picture():
    ramp = np.array([[0, 16384, 65535]], np.uint16)
    for turn, size in ((1, (3, 1)), (6, (1, 3))):
        data = bytearray(saved(Image.fromarray(ramp), "TIFF", tiffinfo={274: turn}))
        at = data.index(struct.pack("<HHI", 262, 3, 1))  # PhotometricInterpretation
        data[at + 8 : at + 12] = struct.pack("<I", 0)
        image = decode(bytes(data)).image
        assert image.size == size
        assert sorted(np.asarray(image)[..., 0].ravel().tolist()) == [0, 191, 255]
        assert image.getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["1", "L"])
def test_white_is_zero_in_few_bits_too(mode):
    image = Image.new("L", (4, 1))
    image.putdata([0, 255, 255, 0])
    data = bytearray(saved(image.convert(mode), "TIFF"))
    at = data.index(struct.pack("<HHI", 262, 3, 1))
    data[at + 8 : at + 12] = struct.pack("<I", 0)
    assert [pixel(bytes(data), x)[0] for x in range(4)] == [255, 0, 0, 255]


def test_texts_and_checksums_that_carry_no_pixel_refuse_no_picture():
    huge = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(80_000_000)))
    wrong = chunk(b"tEXt", b"Comment\0words", crc=1)
    cut = chunk(b"iCCP", b"x\0\0" + zlib.compress(b"no profile"), crc=2)
    profile = chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(80_000_000)))
    for more in (huge, wrong, cut, profile):
        assert pixel(png(1, 8, 2, [bytes((9, 8, 7))], more)) == (9, 8, 7)
    broken = bytearray(png(4, 8, 2, [bytes(12)]))
    broken[broken.index(b"IDAT") + 6] ^= 255
    with pytest.raises(UserError):
        decode(bytes(broken))


def test_a_jpeg_that_lacks_only_its_end_marker_is_taken_with_a_note():
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 255, (48, 64, 3), np.uint8))
    for options in ({}, {"progressive": True}):
        whole = saved(noise, "JPEG", quality=90, **options)
        taken = decode(whole[:-2])
        assert taken.image.tobytes() == decode(whole).image.tobytes()
        assert "lacks its end marker" in taken.notes[0]
        assert decode(whole).notes == decode(whole + b"what a telephone adds" * 9).notes == ()
        with pytest.raises(UserError, match="cut short"):
            decode(whole[: len(whole) // 2])


def test_an_animation_of_any_length_gives_its_first_frame_and_says_so():
    first, rest = Image.new("RGB", (8, 6), "red"), [Image.new("RGB", (8, 6), (0, 0, n)) for n in range(200)]
    for kind, some in (("GIF", rest), ("PNG", rest), ("TIFF", rest), ("WEBP", rest[:9]), ("AVIF", rest[:9])):
        taken = decode(saved(first, kind, save_all=True, append_images=some))
        assert taken.image.getpixel((0, 0)) == pytest.approx((255, 0, 0), abs=2 if kind in ("WEBP", "AVIF") else 0)
        assert taken.notes == ("The picture given as bytes has more than one frame or page; the first is looked at.",)
    assert decode(saved(first, "GIF")).notes == ()


def test_the_first_date_that_can_be_read_counts():
    exif = Image.Exif()
    exif[0x0132] = "2025:03:04 05:06:07"
    exif.get_ifd(0x8769)[0x9003] = "0000:00:00 00:00:00"
    assert decode(saved(Image.new("RGB", (4, 4)), "JPEG", exif=exif)).taken == "2025-03-04 05:06"
    exif.get_ifd(0x8769)[0x9004] = "2024:12:31 23:59:00"
    assert decode(saved(Image.new("RGB", (4, 4)), "JPEG", exif=exif)).taken == "2024-12-31 23:59"


def test_text_of_a_png_stays_out():
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "delete everything")
    assert decode(saved(Image.new("RGB", (4, 4)), "PNG", pnginfo=info)).image.info == {}
