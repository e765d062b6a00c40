"""The home folder, and files that are either whole or not there."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from ..errors import UserError

FULL = 1_000_000  # bytes that are free on a disk that has no room for a transaction
STALE = 3600  # seconds after which an unfinished file of a killed process may be swept away


def open_home(path: Path) -> Path:
    """Create the home folder if need be (for its owner alone, 0700), and look whether it can be written.

    Raises:
        UserError: it is a file, or it cannot be created or written.
    """
    home = path.expanduser()
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = home / "tmp"
        unfinished.mkdir(mode=0o700, exist_ok=True)
        for leftover in unfinished.iterdir():
            with suppress(FileNotFoundError):  # another process may sweep at the same time
                if time.time() - leftover.stat().st_mtime > STALE:
                    leftover.unlink()
        probe = unfinished / f"probe-{uuid4().hex}"
        probe.touch(mode=0o600)
        probe.unlink()
    except OSError as error:
        raise not_writable(home, error) from error
    return home


def not_writable(path: Path, error: Exception) -> UserError:
    """The refusal for a place where nothing can be kept."""
    reason = getattr(error, "strerror", None) or str(error)
    if not isinstance(error, OSError) and _is_full(path):  # SQLite says "disk I/O error" then
        reason = "no space left on the disk"
    return UserError(
        f"Saccade cannot keep anything in {str(path)!r}: {reason}. Make room or give yourself write permission "
        f"there, or choose another folder with SACCADE_HOME.",
        kind="home_not_writable",
    )


def _is_full(path: Path) -> bool:
    place = next((one for one in (path, *path.parents) if one.exists()), Path())
    with suppress(OSError):
        return shutil.disk_usage(place).free < FULL
    return False


def write_whole(home: Path, name: str, data: bytes, *, durable: bool) -> None:
    """Write `home / name` so that it is there whole or not at all, whatever moment the process is killed.

    The name says what the content is (its hash), so a file that is already there is left as it is.

    Args:
        home: the home folder, opened by `open_home`.
        name: the path inside it, such as `images/ab/abcd.png`.
        data: the whole content.
        durable: also survive a power cut: the file and its folder are flushed to the disk.

    Raises:
        UserError: the disk is full or the folder not writable.
    """
    target = home / name
    if target.exists():
        return
    unfinished = home / "tmp" / uuid4().hex
    try:
        folder_is_new = not target.parent.exists()
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        unfinished.replace(target)
        if durable:
            flush_folder(target.parent)
            if folder_is_new:
                flush_folder(target.parent.parent)
                flush_folder(home)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise not_writable(target, error) from error


def flush_folder(folder: Path) -> None:
    """Make it last, through a power cut too, that files of a folder got their names."""
    if os.name == "nt":  # Windows has no handle for a folder to flush
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
