"""Files whose pixels are whole and whose wrapping is not: read for their pixels all the same."""

from __future__ import annotations

import struct
import zlib

from PIL import PngImagePlugin

_PNG = 8  # bytes of the signature
_CRITICAL = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
_KEPT = frozenset({b"tRNS", b"iCCP", b"eXIf", b"gAMA", b"sRGB", b"cHRM"})  # what has a say in how the pixels look
_LONGEST = 4_000_000  # bytes of one of these
_END = b"\xff\xd9"  # of a JPEG
_FILL = (b"\x00\x3f" * 64, b"\xaa\x15" * 64)  # two ways to go on after a JPEG's last byte


def bare_png(data: bytes) -> bytes:
    """A PNG without what says nothing of its pixels: texts, animations, and chunks whose checksum is wrong.

    Text of any size and a bad checksum in it are no reason to refuse a picture. Chunks that carry pixels are left as
    they are, so that damage in these is found when they are decoded.
    """
    kept = [data[:_PNG]]
    at = _PNG
    while at + 8 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        name, end = data[at + 4 : at + 8], at + 12 + length
        whole = end <= len(data) and zlib.crc32(data[at + 4 : end - 4]) == int.from_bytes(data[end - 4 : end], "big")
        if name in _CRITICAL or (name in _KEPT and whole and _is_readable(name, data[at + 8 : end - 4])):
            kept.append(data[at:end])
        elif not name.isalpha():  # no chunk at all: what follows cannot be told
            kept.append(data[at:])
            break
        at = end
        if name == b"IEND":
            break
    return b"".join(kept)


def _is_readable(name: bytes, body: bytes) -> bool:
    """Whether a chunk that has a say in the pixels is of a size that is read; a huge profile refuses no picture."""
    if len(body) > _LONGEST:
        return False
    if name != b"iCCP":
        return True
    unpacker = zlib.decompressobj()
    try:
        unpacker.decompress(body[body.find(b"\0") + 2 :], PngImagePlugin.MAX_TEXT_CHUNK)
    except zlib.error:
        return False
    return unpacker.eof


def is_animated_png(data: bytes) -> bool:
    """Whether a PNG holds more than one frame: its header says so before the pixels."""
    at = data.find(b"acTL", 0, data.find(b"IDAT") if b"IDAT" in data else len(data))
    return at >= 0 and int.from_bytes(data[at + 4 : at + 8], "big") > 1


def ended(data: bytes) -> tuple[bytes, bytes] | None:
    """A JPEG that does not end with its end marker, ended in two ways; None where it does.

    Where the file itself cannot be decoded and both come to the same pixels, nothing but the marker was missing. (Many
    telephones write something behind it: such files can be decoded as they are.)
    """
    if data.rstrip(b"\0").endswith(_END):
        return None
    one, other = (data.rstrip(b"\xff") + fill + _END for fill in _FILL)
    return one, other
