"""Guarded decoding of files that nobody vouches for.

A file gets as far as its pixels only when its first bytes name an allowed format and its header
stays under the caps. Pillow's plugins are asked directly, by the signature found, and never through
`Image.open`: no other format is ever tried, and none of Pillow's global switches is touched.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from pi_heif import HeifImageFile
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from ...errors import UserError
from ..dates import date_of_file, date_taken
from ..names import existing, refuse_address
from .colours import STRIP, in_srgb
from .mending import bare_png, ended, is_animated_png

if TYPE_CHECKING:
    from ...settings import Settings

Source = str | Path | bytes | Image.Image | np.ndarray | BinaryIO  # an array: (height, width, 3) uint8, RGB

FORMATS = "PNG, JPEG, WEBP, AVIF, HEIC, BMP, GIF and TIFF"
_ORIENTATION = 0x0112
MOST_WEBP = 56_000_000  # pixels: its decoder holds four copies, which are to stay under a gigabyte
_DEPTH = "saccade_depth"  # in a picture's info: bits a channel of the PNG that it came from
_UPRIGHT = {  # the EXIF orientation and what turns the picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIGNATURES: list[tuple[re.Pattern[bytes], type[ImageFile.ImageFile]]] = [
    (re.compile(rb"\x89PNG\r\n\x1a\n"), PngImagePlugin.PngImageFile),
    (re.compile(rb"\xff\xd8\xff"), JpegImagePlugin.JpegImageFile),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), WebPImagePlugin.WebPImageFile),
    (re.compile(rb"BM"), BmpImagePlugin.BmpImageFile),
    (re.compile(rb"GIF8[79]a"), GifImagePlugin.GifImageFile),
    (re.compile(rb"II[*+]\0|MM\0[*+]"), TiffImagePlugin.TiffImageFile),
    # A container's first brand may be the general one, mif1; what is inside stands among the others then.
    (re.compile(rb"....ftyp(avi[fs]|mi[af]1.{4}(.{4}){0,6}avi[fs])", re.DOTALL), AvifImagePlugin.AvifImageFile),
    (re.compile(rb"....ftyp(hei[cxms]|hev[cxms]|mif1|msf1)", re.DOTALL), HeifImageFile),
]
_KNOWN_STRANGERS: list[tuple[re.Pattern[bytes], str]] = [
    (re.compile(rb"....ftyp|\x1aE\xdf\xa3|RIFF....AVI ", re.DOTALL), "a video"),
    (re.compile(rb"%PDF-"), "a PDF document"),
    (re.compile(rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*(<!DOCTYPE svg[^>]*>\s*)?<svg", re.DOTALL), "an SVG drawing"),
    (re.compile(rb"8BPS"), "a Photoshop file"),
    (re.compile(rb"PK\x03\x04"), "a ZIP archive"),
    (re.compile(rb"\0\0\x01\0"), "an ICO icon"),
    (re.compile(rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51"), "a JPEG 2000 picture"),
]


@dataclass(frozen=True)
class Limits:
    """The caps on a file that is taken in."""

    bytes: int = 50_000_000
    pixels: int = 64_000_000

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """The caps that the settings name in megabytes and megapixels."""
        return cls(int(settings.max_file_mb * 1e6), int(settings.max_megapixels * 1e6))


@dataclass(frozen=True)
class Decoded:
    """A picture as it came out of a file: upright, without metadata."""

    image: Image.Image  # RGB; RGBA only where it was asked for
    sha256: str  # of mode, size and pixels: the same picture in two files is one picture
    source: str | None  # the file as it was given; None where there was none
    notes: tuple[str, ...] = ()  # what a person should know of how it was read, in sentences
    taken: str | None = None  # when it was taken, as `memory.dates` writes it; all else of EXIF is dropped


def decode(source: Source, limits: Limits = Limits(), *, keep_alpha: bool = False) -> Decoded:
    """Decode a picture that nobody vouches for.

    The first frame is taken. EXIF orientation and colour profile are applied, then all metadata (EXIF, GPS, profile,
    text) is dropped but for the date. Transparent parts are laid on white, as a page shows them.

    Args:
        source: the path of a file, the bytes of one, a file that is open for reading bytes, a picture that Pillow
            already holds, or an array of uint8 pixels: (height, width) grey, (height, width, 3) RGB, (height, width,
            4) RGBA.
        limits: the caps on bytes, pixels and frames; nothing over them is decoded.
        keep_alpha: give RGBA where the picture has transparency, for cut-outs that are made here.

    Raises:
        UserError: it cannot be taken; `kind` says why (missing_file, is_url, is_directory, not_a_file,
            unreadable_file, empty_file, too_many_bytes, not_a_picture, unsupported_format,
            too_many_pixels, truncated_file, damaged_file, bad_source).
    """
    image: Image.Image
    notes: list[str] = []
    dated: str | None = None
    if isinstance(source, Image.Image):
        named = getattr(source, "filename", "")
        name = os.fsdecode(named) if isinstance(named, str | bytes | Path) and named else None
        image, said = source, repr(name) if name else "The picture given"
    elif isinstance(source, bytes | bytearray | memoryview):
        name, said = None, "The picture given as bytes"
        image = _open(_capped(bytes(source), limits, said), limits, said, notes)
    elif isinstance(source, np.ndarray):
        name, said = None, "The picture given as an array"
        image = _from_array(source, limits, said)
    elif callable(getattr(source, "read", None)):
        named = getattr(source, "name", None)
        name, said = (named, repr(named)) if isinstance(named, str) else (None, "The picture given as an open file")
        image = _open(_capped(_read_open(source, limits, said), limits, said), limits, said, notes)
    elif isinstance(source, str | os.PathLike):
        name = os.fspath(source)
        said = repr(name)
        data, changed = _read(name, limits, said)
        image, dated = _open(data, limits, said, notes), date_of_file(changed)
    else:
        raise UserError(
            f"A picture cannot be made of {type(source).__name__} ({str(source)[:80]!r}): give the path of a file, "
            f"its bytes, an open binary file, a Pillow image, or an array of pixels.",
            kind="bad_source",
        )
    _check_size(image.size, limits, said)
    turn, taken = _loaded(image, said), date_taken(image) or dated
    plain = _plain(image, said, keep_alpha)  # of nothing but pixels: no metadata is left, whatever the format hid where
    del image  # a large one is not kept beside what it became
    plain = plain.transpose(turn) if turn is not None else plain
    digest = hashlib.sha256(f"{plain.mode} {plain.width}x{plain.height}\n".encode())
    rows = max(1, STRIP // plain.width)
    for top in range(0, plain.height, rows):
        digest.update(plain.crop((0, top, plain.width, min(plain.height, top + rows))).tobytes())
    return Decoded(plain, digest.hexdigest(), name, tuple(notes), taken)


def _from_array(pixels: np.ndarray, limits: Limits, said: str) -> Image.Image:
    """A picture of (height, width[, 3 or 4]) uint8 pixels."""
    fits = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (3, 4))
    if pixels.dtype != np.uint8 or not fits or not pixels.size:
        raise UserError(
            f"{said} has the shape {pixels.shape} and the dtype {pixels.dtype}: give (height, width, 3) uint8, RGB.",
            kind="bad_source",
        )
    _check_size((pixels.shape[1], pixels.shape[0]), limits, said)
    return Image.fromarray(np.ascontiguousarray(pixels))


def _read_open(source: Any, limits: Limits, said: str) -> bytes:
    """What an open file still holds, never more of it than the cap."""
    try:
        data = source.read(limits.bytes + 1)
    except (OSError, ValueError) as error:
        raise UserError(f"{said} cannot be read: {error}.", kind="unreadable_file") from error
    if not isinstance(data, bytes):
        raise UserError(f"{said} gives text: open it for bytes, as in open(path, 'rb').", kind="bad_source")
    return data


def _read(name: str, limits: Limits, said: str) -> tuple[bytes, float]:
    """The bytes of a regular file, never more of them than the cap, and its time of change. An address is refused."""
    refuse_address(name)
    try:
        path = existing(Path(name).expanduser())
        # Opening a pipe would wait for a writer for ever, hence O_NONBLOCK and a look at what was opened.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (FileNotFoundError, NotADirectoryError, ValueError, RuntimeError) as error:
        raise UserError(
            f"There is no file {said} (looked in {str(Path.cwd())!r}). Give the path of a picture.",
            kind="missing_file",
        ) from error
    except OSError as error:
        raise UserError(
            f"{said} cannot be read: {error.strerror}. Give yourself read permission, or another picture.",
            kind="unreadable_file",
        ) from error
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise UserError(f"{said} is a directory. Give the path of a picture in it.", kind="is_directory")
        if not stat.S_ISREG(status.st_mode):
            raise UserError(f"{said} is a device or a pipe, not a file. Give the path of a picture.", kind="not_a_file")
        if status.st_size > limits.bytes:
            raise _too_many_bytes(status.st_size, limits, said)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return _capped(file.read(limits.bytes + 1), limits, said), status.st_mtime  # it may have grown since
    except OSError as error:
        raise UserError(f"{said} cannot be read: {error.strerror}.", kind="unreadable_file") from error
    finally:
        os.close(descriptor)


def _too_many_bytes(size: int, limits: Limits, said: str) -> UserError:
    return UserError(
        f"{said} has {size / 1e6:.1f} MB; at most {limits.bytes / 1e6:g} MB are taken (SACCADE_MAX_FILE_MB).",
        kind="too_many_bytes",
    )


def _capped(data: bytes, limits: Limits, said: str) -> bytes:
    if not data:
        raise UserError(f"{said} is empty. Give a picture: {FORMATS} are taken.", kind="empty_file")
    if len(data) > limits.bytes:
        raise _too_many_bytes(len(data), limits, said)
    return data


def _open(data: bytes, limits: Limits, said: str, notes: list[str]) -> Image.Image:
    """The picture behind `data` with its header read and judged, its pixels not yet decoded; `notes` grow."""
    plugin = next((plugin for signature, plugin in _SIGNATURES if signature.match(data)), None)
    if plugin is None:
        stranger = next((what for signature, what in _KNOWN_STRANGERS if signature.match(data[:2000])), None)
        if stranger:
            raise UserError(f"{said} is {stranger}. {FORMATS} are taken: convert it first.", kind="unsupported_format")
        raise UserError(
            f"{said} is not a picture: it begins with {data[:16]!r}. {FORMATS} are taken.", kind="not_a_picture"
        )
    if plugin is WebPImagePlugin.WebPImageFile and int.from_bytes(data[4:8], "little") + 8 > len(data):
        raise _broken(said, "the file ends too early", "truncated_file")
    readable = bare_png(data) if plugin is PngImagePlugin.PngImageFile else data
    try:
        image = plugin(BytesIO(readable), "")
    except Image.DecompressionBombError as error:
        raise _too_many_pixels("more", limits, said) from error
    except Exception as error:  # plugins fail on hostile headers with nearly any exception
        raise _judged(error, said) from error
    if plugin is WebPImagePlugin.WebPImageFile:
        limits = replace(limits, pixels=min(limits.pixels, MOST_WEBP))
    _check_size(image.size, limits, said)
    if _is_animated(image, data):
        notes.append(f"{said} has more than one frame or page; the first is looked at.")
        image = plugin(BytesIO(readable), "")  # looking for a second has moved it
    both = ended(data) if plugin is JpegImagePlugin.JpegImageFile else None
    if both is not None and not _loads(image):
        first, second = (plugin(BytesIO(one), "") for one in both)
        if _loads(first) and _loads(second) and first.tobytes() == second.tobytes():
            notes.append(f"{said} lacks its end marker; its pixels are whole.")
            return first
        return plugin(BytesIO(data), "")
    if plugin is PngImagePlugin.PngImageFile:
        image.info[_DEPTH] = data[24]
    return image


def _loads(image: Image.Image) -> bool:
    try:
        image.load()
    except Exception:  # decoders fail on hostile data with nearly any exception
        return False
    return True


def _check_size(size: tuple[int, int], limits: Limits, said: str) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise _broken(said, f"its header says {width} x {height} px", "damaged_file")
    # Above Pillow's own mark every later crop would warn, so no setting goes beyond it.
    most = min(limits.pixels, Image.MAX_IMAGE_PIXELS or limits.pixels)
    if width * height > most:
        raise _too_many_pixels(f"{width} x {height} px", Limits(pixels=most), said)


def _too_many_pixels(what: str, limits: Limits, said: str) -> UserError:
    return UserError(
        f"{said} is too large to decode ({what}): at most {limits.pixels / 1e6:.4g} megapixels are taken "
        f"(SACCADE_MAX_MEGAPIXELS). Scale it down first.",
        kind="too_many_pixels",
    )


def _is_animated(image: Image.Image, data: bytes) -> bool:
    """Whether there is more than the first frame or page; only headers are read."""
    if image.format == "GIF":
        return _gif_frames(data, 1) > 1
    if image.format == "PNG":
        return is_animated_png(data)
    if image.format != "TIFF":
        frames = getattr(image, "n_frames", 1)  # from the header in a WEBP file
        return isinstance(frames, int) and frames > 1
    try:
        image.seek(1)
    except Exception:  # there is no second page, or its header is broken: the first is what is used
        return False
    return True


def _gif_frames(data: bytes, cap: int) -> int:
    """Count the frames of a GIF as far as `cap + 1` by its block lengths; Pillow would decode each to count it."""

    def after_table(flags: int, place: int) -> int:
        return place + (3 << ((flags & 7) + 1)) if flags & 0x80 else place

    def after_blocks(place: int) -> int:
        while data[place]:
            place += data[place] + 1
        return place + 1

    count = 0
    try:
        place = after_table(data[10], 13)
        while count <= cap and data[place] != 0x3B:
            if data[place] == 0x21:
                place = after_blocks(place + 2)
            elif data[place] == 0x2C:
                count += 1
                place = after_blocks(after_table(data[place + 9], place + 10) + 1)
            else:
                place += 1  # stray bytes between blocks are skipped, as decoders do
    except IndexError:  # the file ends here; whether the first frame is whole shows when it is decoded
        pass
    return count


def _loaded(image: Image.Image, said: str) -> Image.Transpose | None:
    """Decode the pixels; how they are to be turned to stand upright."""
    try:
        image.load()
    except Exception as error:  # decoders fail on hostile data with nearly any exception
        raise _judged(error, said) from error
    try:
        return _UPRIGHT.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # a damaged EXIF block is no reason to refuse good pixels
        return None


def _plain(image: Image.Image, said: str, keep_alpha: bool) -> Image.Image:
    """Bring any mode to RGB (or RGBA)."""
    try:
        return in_srgb(image, keep_alpha, image.info.get(_DEPTH, 8))
    except Exception as error:  # what is left of hostile data may be in no mode that there is
        raise _judged(error, said) from error


def _judged(error: Exception, said: str) -> UserError:
    why = str(error).strip()
    early = isinstance(error, EOFError) or any(word in why.lower() for word in ("truncated", "unexpected end of file"))
    return _broken(said, why, "truncated_file" if early else "damaged_file")


def _broken(said: str, why: str, kind: str) -> UserError:
    state = "is cut short" if kind == "truncated_file" else "is damaged"
    return UserError(f"{said} {state} ({why}). Copy or export the picture anew.", kind=kind)
