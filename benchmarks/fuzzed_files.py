"""Files that nobody vouches for: thousands of broken ones, decoded in processes that are watched.

Whole pictures of every format that is taken, in many of its kinds, are cut, have bytes and bits flipped, numbers in
their headers made large, and their chunks swapped, doubled or left out. Each is decoded as any file of a user is, under
the limits that hold unless told otherwise. It must be taken or refused with a `UserError`; anything else that is raised
counts as an error, a process that ends as a crash, one that is silent for `PATIENCE` seconds as a hang.

The most memory is that of the whole process, Python and libraries included.
"""

from __future__ import annotations

import contextlib
import json
import random
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..errors import UserError
from ..memory.pictures.decode import decode

FILES = 2000
PATIENCE = 60.0  # seconds for one file
AT_ONCE = 100  # files of one process
MOST_MB = 1000
SEED = 14
COMMAND = [sys.executable, "-m", __name__]  # decodes; see `main`
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "AVIF", "HEIF")


def measure(files: int = FILES) -> dict[str, Any]:
    """Decode so many broken files, as many of each format; the figures."""
    begun = time.perf_counter()
    told: Counter[str] = Counter()
    by_format: dict[str, Counter[str]] = {}
    bad: list[dict[str, Any]] = []
    most, slowest, known = 0.0, 0.0, formats()
    for first in range(0, files, AT_ONCE):
        for one in _decoded(range(first, min(files, first + AT_ONCE))):
            name = known[one["number"] % len(known)]
            told[one["outcome"]] += 1
            by_format.setdefault(name, Counter())[one["outcome"]] += 1
            most, slowest = max(most, one["mb"]), max(slowest, one["seconds"])
            if one["outcome"] in ("error", "crash", "hang") or one["mb"] > MOST_MB:
                bad.append(one)
    return {
        "files": files,
        "formats": {name: dict(sorted(counts.items())) for name, counts in by_format.items()},
        "taken": told["taken"],
        "refused": told["refused"],
        "other errors": told["error"],
        "crashes": told["crash"],
        "hangs": told["hang"],
        "most memory of a process, MB": round(most),
        "slowest file, s": round(slowest, 2),
        "bad": bad,
        "seed": SEED,
        "seconds": round(time.perf_counter() - begun, 1),
    }


def formats() -> list[str]:
    """The formats that can be written here: HEIC needs pillow-heif."""
    try:
        import pillow_heif
    except ImportError:
        return [name for name in FORMATS if name != "HEIF"]
    pillow_heif.register_heif_opener()
    return list(FORMATS)


def broken(number: int) -> bytes:
    """The file of a number: the same wherever the same libraries write it."""
    rng = random.Random(f"{SEED} {number}")
    known = formats()
    name = known[number % len(known)]
    data = rng.choice(KINDS[name])(rng)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = rng.choice((_cut, _flipped, _flipped, _bits, _numbers, _swapped, _swapped))(data, rng, name)
    return data


# Whole pictures -----------------------------------------------------------------------------------------------------


def _picture(rng: random.Random, mode: str, least: int) -> Image.Image:
    width, height = rng.randint(least, 200), rng.randint(least, 160)
    values = np.random.default_rng(rng.randrange(2**32))
    if mode == "I;16":
        return Image.fromarray(values.integers(0, 65536, (height, width), np.uint16))
    if mode == "F":
        return Image.fromarray(values.random((height, width), np.float32))
    shape = (height, width, {"RGBA": 4, "CMYK": 4}.get(mode, 3))
    pixels = values.integers(0, 256, shape, np.uint8)
    image = Image.fromarray(pixels, mode if mode in ("RGBA", "CMYK") else "RGB")
    return image if image.mode == mode else image.convert(mode)


def _saver(name: str, mode: str, frames: int = 1, **options: Any) -> Callable[[random.Random], bytes]:
    def save(rng: random.Random) -> bytes:
        out, first = BytesIO(), _picture(rng, mode, 16 if name == "AVIF" else 1)  # its encoder fails on less
        more: dict[str, Any] = dict(options)
        if frames > 1:
            more |= {"save_all": True, "append_images": [first.transpose(Image.Transpose.ROTATE_180)] * (frames - 1)}
        fails = "compression" in options or (name == "AVIF" and frames > 1)  # the encoder, with EXIF
        if rng.random() < 0.4 and name not in ("GIF", "BMP") and not fails:
            exif = Image.Exif()
            exif[0x0112] = rng.randint(0, 9)
            exif.get_ifd(0x8769)[0x9003] = "2026:05:01 12:30:00"
            more["exif"] = exif.tobytes()
        if rng.random() < 0.3 and name in ("PNG", "JPEG", "WEBP", "TIFF") and mode in ("RGB", "RGBA"):
            from PIL import ImageCms

            more["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        first.save(out, name, **more)
        return out.getvalue()

    return save


KINDS: dict[str, list[Callable[[random.Random], bytes]]] = {
    "PNG": [*(_saver("PNG", mode) for mode in ("RGB", "RGBA", "P", "L", "LA", "1", "I;16")), _saver("PNG", "RGB", 3)],
    "JPEG": [
        _saver("JPEG", "RGB"), _saver("JPEG", "L"), _saver("JPEG", "CMYK"), _saver("JPEG", "RGB", progressive=True),
        _saver("JPEG", "RGB", restart_marker_rows=1),
    ],
    "WEBP": [
        _saver("WEBP", "RGB"), _saver("WEBP", "RGBA", lossless=True), _saver("WEBP", "RGBA"), _saver("WEBP", "RGB", 3)
    ],
    "TIFF": [
        *(_saver("TIFF", mode) for mode in ("RGB", "RGBA", "L", "1", "P", "CMYK", "I;16", "F")),
        *(_saver("TIFF", "RGB", compression=kind) for kind in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")),
        _saver("TIFF", "1", compression="group4"), _saver("TIFF", "RGB", 3), _saver("TIFF", "RGB", big_tiff=True),
    ],
    "GIF": [_saver("GIF", "P"), _saver("GIF", "L"), _saver("GIF", "P", 4), _saver("GIF", "RGBA", 3)],
    "BMP": [_saver("BMP", mode) for mode in ("RGB", "RGBA", "P", "L", "1")],
    "AVIF": [_saver("AVIF", "RGB", speed=10), _saver("AVIF", "RGBA", speed=10), _saver("AVIF", "RGB", 3, speed=10)],
    "HEIF": [_saver("HEIF", "RGB"), _saver("HEIF", "RGBA"), _saver("HEIF", "L")],
}  # fmt: skip


# Damage -------------------------------------------------------------------------------------------------------------


def _cut(data: bytes, rng: random.Random, name: str) -> bytes:
    """The beginning of a file, or a file without a piece."""
    at = rng.randrange(len(data) + 1)
    return data[:at] if rng.random() < 0.6 else data[:at] + data[at + rng.choice((1, 7, 64, 1000)) :]


def _flipped(data: bytes, rng: random.Random, name: str) -> bytes:
    """Bytes that are others, most of them near the beginning, where the headers are."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 2, 8, 40)) if changed else 0):
        reach = len(changed) if rng.random() < 0.5 else min(len(changed), 200)
        changed[rng.randrange(reach)] = rng.choice((0, 255, rng.randrange(256)))
    return bytes(changed)


def _bits(data: bytes, rng: random.Random, name: str) -> bytes:
    """A few bits that are flipped."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 6) if changed else 0):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _numbers(data: bytes, rng: random.Random, name: str) -> bytes:
    """A number in the header that is very large, or very small."""
    if len(data) < 16:
        return data
    order, size = rng.choice("<>"), rng.choice((2, 4))
    value = rng.choice((0, 1, 7999, 8191, 32767, 65535, 2**31 - 1, 2**32 - 1)) & (256**size - 1)
    at = rng.randrange(min(len(data), 400) - size)
    return data[:at] + struct.pack(order + {2: "H", 4: "I"}[size], value) + data[at + size :]


def _swapped(data: bytes, rng: random.Random, name: str) -> bytes:
    """Chunks in another order, one twice, or one left out."""
    head, parts = chunks(data, name)
    if len(parts) < 2:
        return data
    one, other = rng.sample(range(len(parts)), 2)
    how = rng.randrange(3)
    if how == 0:
        parts[one], parts[other] = parts[other], parts[one]
    elif how == 1:
        parts.insert(other, parts[one])
    else:
        del parts[one]
    return head + b"".join(parts)


def chunks(data: bytes, name: str) -> tuple[bytes, list[bytes]]:
    """A file as its head and the chunks that follow it, as far as its lengths can be believed."""
    if name == "JPEG":
        places = [at for at in range(2, len(data) - 1) if data[at] == 0xFF and data[at + 1] not in (0, 0xFF)]
        return data[:2], [data[a:b] for a, b in zip(places, [*places[1:], len(data)], strict=True)]
    if name in ("GIF", "BMP", "TIFF"):  # nothing that stands alone: pieces of a size
        size = max(8, len(data) // 12)
        return data[:16], [data[at : at + size] for at in range(16, len(data), size)]
    at = {"PNG": 8, "WEBP": 12}.get(name, 0)
    head, parts = data[:at], []
    while at + 8 <= len(data):
        if name == "PNG":
            end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        elif name == "WEBP":
            length = int.from_bytes(data[at + 4 : at + 8], "little")
            end = at + 8 + length + length % 2
        else:
            end = at + max(8, int.from_bytes(data[at : at + 4], "big"))
        parts.append(data[at:end])
        at = end
    return head, [*parts, data[at:]] if at < len(data) else parts


# Watched processes --------------------------------------------------------------------------------------------------


def _decoded(numbers: range) -> Iterator[dict[str, Any]]:
    """The outcomes of files, each from a process of many; where one ends or hangs, the next goes on behind it."""
    at = numbers.start
    while at < numbers.stop:
        with subprocess.Popen(
            COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            hung = threading.Event()
            while at < numbers.stop:
                data, line = broken(at), b""
                watch = threading.Timer(PATIENCE, _end, (child, hung))
                watch.start()
                with contextlib.suppress(BrokenPipeError):
                    child.stdin.write(struct.pack(">I", len(data)) + data)
                    child.stdin.flush()
                    line = child.stdout.readline()
                watch.cancel()
                told = json.loads(line) if line.endswith(b"\n") else None
                if told is None:
                    child.kill()
                    outcome, code = "hang" if hung.is_set() else "crash", child.wait()
                    told = {"outcome": outcome, "mb": 0.0, "seconds": 0.0, "why": f"exit code {code}"}
                yield {"number": at} | told
                at += 1
                if child.returncode is not None:
                    break
            child.stdin.close()


def _end(child: subprocess.Popen[bytes], hung: threading.Event) -> None:
    hung.set()
    child.kill()


def main() -> None:
    """Decode files that come on stdin, each behind its length, and print a line of JSON about each."""
    while head := sys.stdin.buffer.read(4):
        data = sys.stdin.buffer.read(struct.unpack(">I", head)[0])
        begun, why, outcome = time.perf_counter(), "", "taken"
        try:
            decode(data)
        except UserError as error:
            outcome, why = "refused", error.kind
        except Exception as error:  # nothing else may be raised
            outcome, why = "error", f"{type(error).__name__}: {error}"[:200]
        told = {
            "outcome": outcome,
            "why": why,
            "mb": most_memory(),
            "seconds": round(time.perf_counter() - begun, 3),
        }
        print(json.dumps(told), flush=True)  # the process that watches reads it


def most_memory() -> float:
    """The most memory that this process has had, in megabytes."""
    status = Path("/proc/self/status")
    if status.is_file():  # `ru_maxrss` begins with what the parent had
        told = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return round(int(told.split()[1]) * 1024 / 1e6, 1)
    import resource

    unit = 1e6 if sys.platform == "darwin" else 1e3  # macOS tells bytes
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 1)


if __name__ == "__main__":
    main()
