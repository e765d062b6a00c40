"""Looking at an index that was not closed well, in a child process: a damaged segment can end the interpreter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..ledger.ledger import Ledger
from ..ledger.memory_rows import all_spaces, unpacked
from .chroma import FOLDER, close, collection_name, names, quiet

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

PAGE = 2000
CLOSE = 1e-3  # the largest difference between a number in the index and the ledger's
PATIENCE = 600  # seconds


def agrees(ledger: Ledger, generation: str) -> bool:
    """Whether the embedded index of a generation can be read and holds what the ledger says it holds."""
    command = [sys.executable, "-m", __name__, str(ledger.home), generation]
    try:
        # The child ends when its stdin does: were this process killed, nobody else may find it still at the index.
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as child:
            assert child.stdout is not None
            patience = threading.Timer(PATIENCE, child.kill)
            patience.start()
            told = child.stdout.read()
            patience.cancel()
        if child.returncode != 0:
            return False
        _, missing, extra, different = json.loads(told.splitlines()[-1])
    except (ValueError, IndexError):
        return False
    return not (missing or extra or different)


def compare(ledger: Ledger, client: ClientAPI, generation: str, home_id: str) -> tuple[int, int, int, int]:
    """How many vectors are in the index; missing though noted as indexed; extra; with other numbers."""
    count = missing = extra = different = 0
    there = set(names(client))
    rows = ledger.read("SELECT name FROM indexes WHERE name LIKE ?", (f"% {generation}",))
    key = rows[0]["name"] if rows else ""
    for space in all_spaces(ledger):
        name = collection_name(home_id, generation, space)
        noted = ledger.read("SELECT vector FROM indexed WHERE name = ? AND space = ?", (key, space.id))
        reached = noted[0]["vector"] if noted else 0
        if name not in there:
            missing += ledger.read(
                "SELECT count(*) AS n FROM vectors WHERE space = ? AND id <= ?", (space.id, reached)
            )[0]["n"]
            continue
        collection = client.get_collection(name, embedding_function=None)
        kept = {row["id"] for row in ledger.read("SELECT id FROM vectors WHERE space = ?", (space.id,))}
        found: set[int] = set()
        for start in range(0, collection.count(), PAGE):
            part = collection.get(limit=PAGE, offset=start, include=["embeddings"])
            ids = [int(one) for one in part["ids"]]
            found.update(ids)
            marks = ", ".join("?" * len(ids))
            stored = ledger.read(f"SELECT id, vector FROM vectors WHERE id IN ({marks})", ids)
            place = {one: number for number, one in enumerate(ids)}
            if not stored:
                continue
            truth = unpacked((row["vector"] for row in stored), space.dim)
            copies = np.asarray(part["embeddings"], np.float32)[[place[row["id"]] for row in stored]]
            different += int((np.abs(copies - truth).max(1) > CLOSE).sum())
        if found:  # a segment may answer `get` and fail to search
            probe = np.zeros((1, space.dim), np.float32)
            probe[0, 0] = 1
            collection.query(query_embeddings=probe, n_results=1, include=[])
        count += len(found)
        extra += len(found - kept)
        missing += sum(one <= reached for one in kept - found)
    return count, missing, extra, different


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


def main(home: str, generation: str) -> None:
    """Compare, and print the outcome as JSON; a crash is an outcome too."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import chromadb

    ledger = Ledger(Path(home))
    home_id = ledger.read("SELECT value FROM home WHERE name = 'id'")[0]["value"]
    client = chromadb.PersistentClient(str(Path(home) / FOLDER / generation), settings=quiet())
    print(json.dumps(compare(ledger, client, generation, home_id)), flush=True)  # the parent reads it
    close(client)


if __name__ == "__main__":
    main(*sys.argv[1:3])
