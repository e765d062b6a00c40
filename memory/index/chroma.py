"""Where the index's collections live: in a folder of this process, or on a `chroma run` server.

An index is made in a *generation* of its own: a new folder, or collections with new names. It is never
mended in place, so nothing that a killed process left half written is opened again by mistake.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import urlsplit
from uuid import uuid4

from filelock import FileLock, Timeout

from ...errors import UserError
from ..home import open_home
from ..ledger.memory_rows import Space
from .integrity import State, put_seal, state

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

FOLDER = "chroma"
# Space and ef_search are fixed when a collection is made; ef_search is twice what Chroma takes by itself.
HNSW: dict[str, Any] = {"space": "cosine", "ef_construction": 100, "max_neighbors": 16, "ef_search": 200}


class Place(Protocol):
    """Where collections live."""

    name: str  # under which the ledger keeps how far an index here has come

    def claim(self) -> bool:
        """Take the right to open an index here; False: another process has it."""
        ...

    def state(self, generation: str) -> State:
        """Whether the files of a generation are as they were when nobody wrote to them."""
        ...

    def unseal(self, generation: str) -> None:
        """Note that a generation is going to be written to."""
        ...

    def seal(self, generation: str) -> None:
        """Note that all that was written to a generation is there."""
        ...

    def exists(self, generation: str) -> bool:
        """Whether there is anything of this generation."""
        ...

    def open(self, generation: str) -> ClientAPI:
        """A client for a generation."""
        ...

    def close(self, client: ClientAPI, generation: str) -> None:
        """Close it, well and truly."""
        ...

    def drop_others(self, generation: str) -> None:
        """Delete what there is of all other generations; it must not be open here."""
        ...

    def release(self) -> None:
        """Give the right back."""
        ...


class Embedded:
    """A folder under home: `chroma/<generation>/`. One process at a time, by a lock that ends with it."""

    name = "embedded"

    def __init__(self, home: Path) -> None:
        self.folder = home / FOLDER
        self._home = home
        self._lock = FileLock(home / f"{FOLDER}.lock", timeout=0, mode=0o600)

    def claim(self) -> bool:
        """Take the lock, without waiting."""
        try:
            open_home(self._home)
            self._lock.acquire()
        except Timeout:
            return False
        return True

    def state(self, generation: str) -> State:
        """Compare the files with what the seal tells of them."""
        return state(self.folder / generation, self._seal(generation))

    def unseal(self, generation: str) -> None:
        """Take the seal away."""
        self._seal(generation).unlink(missing_ok=True)

    def seal(self, generation: str) -> None:
        """Put a new seal."""
        put_seal(self.folder / generation, self._seal(generation))

    def exists(self, generation: str) -> bool:
        """Whether its folder is there."""
        return (self.folder / generation / "chroma.sqlite3").exists()

    def open(self, generation: str) -> ClientAPI:
        """Open it, or make it."""
        import chromadb

        self.folder.mkdir(mode=0o700, exist_ok=True)
        return chromadb.PersistentClient(str(self.folder / generation), settings=quiet())

    def close(self, client: ClientAPI, generation: str) -> None:
        """Close it; where it was not being written to, it is sealed anew, as opening has touched its database."""
        close(client)
        if self._seal(generation).exists():
            self.seal(generation)

    def drop_others(self, generation: str) -> None:
        """Delete all other folders and seals."""
        for path in self.folder.iterdir() if self.folder.is_dir() else ():
            if path.name not in (generation, self._seal(generation).name):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def release(self) -> None:
        """Let go of the lock."""
        self._lock.release()

    def _seal(self, generation: str) -> Path:
        return self.folder / f"{generation}.seal"


class Server:
    """A Chroma server. Several processes and several homes may use it: names begin with the home's own id."""

    def __init__(self, url: str, home_id: str) -> None:
        self.name = url.rstrip("/")
        self._home_id = home_id

    def claim(self) -> bool:
        """Whoever reaches the server may use it."""
        return True

    def state(self, generation: str) -> State:
        """A server looks after its own files."""
        return "sealed"

    def unseal(self, generation: str) -> None:
        """Nothing."""

    def seal(self, generation: str) -> None:
        """Nothing."""

    def exists(self, generation: str) -> bool:
        """Collections are made when they are needed."""
        return True

    def open(self, generation: str) -> ClientAPI:
        """Connect.

        Raises:
            UserError: nobody answers there.
        """
        import chromadb

        address = urlsplit(self.name)
        ssl = address.scheme == "https"
        port = address.port or (443 if ssl else 8000)
        try:
            return chromadb.HttpClient(address.hostname or "", port, ssl=ssl, settings=quiet())
        except ValueError as error:
            raise UserError(
                f"No Chroma server answers at {self.name!r}. Start one with `chroma run`, or unset "
                f"SACCADE_CHROMA_URL to keep the index in a folder.",
                kind="no_chroma_server",
            ) from error

    def close(self, client: ClientAPI, generation: str) -> None:
        """Let go of the connection."""
        close(client)

    def drop_others(self, generation: str) -> None:
        """Delete this home's collections of all other generations."""
        client = self.open(generation)
        for name in names(client):
            if name.startswith(f"{self._home_id}-") and not name.startswith(f"{self._home_id}-{generation}-"):
                client.delete_collection(name)
        close(client)

    def release(self) -> None:
        """Nothing was taken."""


def close(client: ClientAPI) -> None:
    """Close a client, which its interface does not tell of, and the connections that Chroma leaves open."""
    servers = [getattr(one, "_server", None) for one in (client, getattr(client, "_admin_client", None))]
    cast("Any", client).close()
    for server in servers:
        session = getattr(server, "_session", None)
        if session is not None:
            session.close()


def quiet() -> Any:
    """Chroma's settings with no word sent to anybody."""
    from chromadb.config import Settings

    return Settings(anonymized_telemetry=False)


def new_generation() -> str:
    """A name for a new generation."""
    return uuid4().hex[:12]


def collection_name(home_id: str, generation: str, space: Space) -> str:
    """The name of a space's collection: it tells neither the owner nor the model."""
    told = "\n".join([home_id, space.owner, space.name, space.sha256, str(space.dim)])
    return f"{home_id}-{generation}-{hashlib.sha256(told.encode()).hexdigest()[:24]}"


def begin_collection(client: ClientAPI, name: str) -> Collection:
    """The collection of this name, which is made if need be."""
    configuration: Any = {"hnsw": HNSW}
    return client.get_or_create_collection(name, configuration=configuration, embedding_function=None)


def names(client: ClientAPI) -> list[str]:
    """The names of all collections."""
    found: list[str] = []
    while part := client.list_collections(limit=500, offset=len(found)):
        found += [one.name for one in part]
    return found
