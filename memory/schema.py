"""The tables of the ledger."""

from __future__ import annotations

# One script a version: a ledger of version n has run the first n. Append only.
MIGRATIONS = (
    """
    CREATE TABLE pictures (          -- one row a file under images/
        id TEXT PRIMARY KEY,         -- pic_<first 12 hex of sha256>
        sha256 TEXT NOT NULL UNIQUE,
        width INTEGER NOT NULL,
        height INTEGER NOT NULL,
        next_region INTEGER NOT NULL DEFAULT 1   -- region numbers are never given twice
    ) STRICT;

    CREATE TABLE holdings (          -- who has which picture, and how it came to them first
        owner TEXT NOT NULL,
        picture TEXT NOT NULL REFERENCES pictures(id),
        kind TEXT NOT NULL,
        source TEXT,
        created TEXT NOT NULL,
        lineage TEXT NOT NULL,       -- JSON
        PRIMARY KEY (owner, picture)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX holdings_by_picture ON holdings(picture);

    CREATE TABLE chats (
        id TEXT PRIMARY KEY,
        owner TEXT NOT NULL,
        title TEXT NOT NULL DEFAULT '',
        created TEXT NOT NULL,
        turns INTEGER NOT NULL DEFAULT 0,
        next_img INTEGER NOT NULL DEFAULT 1,     -- handles are never given twice in a conversation
        next_reg INTEGER NOT NULL DEFAULT 1
    ) STRICT;
    CREATE INDEX chats_by_owner ON chats(owner, created);

    CREATE TABLE turns (
        chat TEXT NOT NULL REFERENCES chats(id),
        turn INTEGER NOT NULL,
        created TEXT NOT NULL,
        PRIMARY KEY (chat, turn)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE chat_pictures (     -- the handles img_N
        chat TEXT NOT NULL REFERENCES chats(id),
        number INTEGER NOT NULL,
        picture TEXT NOT NULL REFERENCES pictures(id),
        turn INTEGER NOT NULL,
        kind TEXT NOT NULL,
        source TEXT,
        created TEXT NOT NULL,
        lineage TEXT NOT NULL,       -- JSON
        PRIMARY KEY (chat, number),
        UNIQUE (chat, picture)       -- the same picture twice is one picture
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX chat_pictures_by_picture ON chat_pictures(picture);

    CREATE TABLE calls (             -- tool calls that are done; a call id is recorded once
        chat TEXT NOT NULL REFERENCES chats(id),
        id TEXT NOT NULL,
        turn INTEGER NOT NULL,
        tool TEXT NOT NULL,
        arguments TEXT NOT NULL,     -- JSON
        facts TEXT NOT NULL,         -- JSON
        observation TEXT NOT NULL,
        ok INTEGER NOT NULL,
        created TEXT NOT NULL,
        PRIMARY KEY (chat, id)
    ) STRICT;
    CREATE INDEX calls_by_turn ON calls(chat, turn);

    CREATE TABLE regions (           -- the handles reg_N
        chat TEXT NOT NULL REFERENCES chats(id),
        number INTEGER NOT NULL,
        picture TEXT NOT NULL REFERENCES pictures(id),
        n INTEGER NOT NULL,          -- the id is <picture>.r<n>
        call TEXT NOT NULL,
        x0 REAL NOT NULL, y0 REAL NOT NULL, x1 REAL NOT NULL, y1 REAL NOT NULL,
        label TEXT NOT NULL,
        score REAL,
        found_mask TEXT,             -- the mask that the call itself drew: a file under masks/
        mask TEXT,                   -- the newest mask
        PRIMARY KEY (chat, number),
        UNIQUE (picture, n),
        FOREIGN KEY (chat, picture) REFERENCES chat_pictures(chat, picture),
        FOREIGN KEY (chat, call) REFERENCES calls(chat, id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX regions_by_call ON regions(chat, call);
    CREATE INDEX regions_by_chat_picture ON regions(chat, picture);

    CREATE TABLE made (              -- pictures that a call made
        chat TEXT NOT NULL,
        call TEXT NOT NULL,
        place INTEGER NOT NULL,
        number INTEGER NOT NULL,     -- of the handle
        kind TEXT NOT NULL,
        parent TEXT,
        PRIMARY KEY (chat, call, place),
        FOREIGN KEY (chat, call) REFERENCES calls(chat, id),
        FOREIGN KEY (chat, number) REFERENCES chat_pictures(chat, number)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE masked (            -- masks that a call drew for regions that were there before
        chat TEXT NOT NULL,
        call TEXT NOT NULL,
        place INTEGER NOT NULL,
        number INTEGER NOT NULL,     -- of the region's handle
        mask TEXT NOT NULL,
        score REAL,
        PRIMARY KEY (chat, call, place),
        FOREIGN KEY (chat, call) REFERENCES calls(chat, id),
        FOREIGN KEY (chat, number) REFERENCES regions(chat, number)
    ) STRICT, WITHOUT ROWID;
    """,
)
