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
    """
    CREATE TABLE home (              -- about this home folder
        name TEXT PRIMARY KEY,       -- 'id': names its collections on a shared server; 'index ...': which is current
        value TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    INSERT INTO home VALUES ('id', lower(hex(randomblob(8))));

    CREATE TABLE memories (          -- what an owner remembers: whole pictures and regions
        id INTEGER PRIMARY KEY AUTOINCREMENT,    -- also the row of its texts in memory_text
        owner TEXT NOT NULL,
        item TEXT NOT NULL,          -- pic_... or pic_....rN
        picture TEXT NOT NULL REFERENCES pictures(id),
        kind TEXT NOT NULL CHECK (kind IN ('picture', 'region')),
        x0 REAL, y0 REAL, x1 REAL, y1 REAL,      -- of a region
        label TEXT,
        score REAL,
        source TEXT,
        chat TEXT,                   -- where it was met first
        seen TEXT NOT NULL,          -- when it was met first
        last TEXT NOT NULL,          -- and last
        lineage TEXT NOT NULL,       -- JSON
        caption TEXT,
        words TEXT,                  -- read in it
        sketch BLOB,                 -- a tiny copy of a picture's pixels, by which near duplicates are recognised
        UNIQUE (owner, item)
    ) STRICT;
    CREATE INDEX memories_by_picture ON memories(picture, owner);
    CREATE INDEX memories_by_time ON memories(owner, last);
    CREATE INDEX memories_by_kind ON memories(owner, kind);

    CREATE TABLE tags (
        memory INTEGER NOT NULL REFERENCES memories(id) ON DELETE CASCADE,
        tag TEXT NOT NULL,
        PRIMARY KEY (memory, tag)
    ) STRICT, WITHOUT ROWID;

    CREATE VIRTUAL TABLE memory_text USING fts5(   -- rowid: of memories
        label, caption, words, tags, source, tokenize = 'porter unicode61 remove_diacritics 2'
    );

    CREATE TABLE likes (             -- near duplicates among one owner's pictures; a < b
        a INTEGER NOT NULL REFERENCES memories(id) ON DELETE CASCADE,
        b INTEGER NOT NULL REFERENCES memories(id) ON DELETE CASCADE,
        PRIMARY KEY (a, b)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX likes_backwards ON likes(b);

    CREATE TABLE models (            -- what makes embeddings
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        dim INTEGER NOT NULL,
        UNIQUE (name, sha256, dim)
    ) STRICT;

    CREATE TABLE spaces (            -- an owner's vectors of one model: one collection of the index
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        owner TEXT NOT NULL,
        model INTEGER NOT NULL REFERENCES models(id),
        UNIQUE (owner, model)
    ) STRICT;

    CREATE TABLE vectors (           -- ids only grow, in the order of commits: whoever follows reads what is above
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        space INTEGER NOT NULL REFERENCES spaces(id) ON DELETE CASCADE,
        memory INTEGER NOT NULL REFERENCES memories(id) ON DELETE CASCADE,
        vector BLOB NOT NULL,        -- float16, little endian, of unit length
        UNIQUE (memory, space)
    ) STRICT;
    CREATE INDEX vectors_by_space ON vectors(space, id);

    CREATE TABLE changes (           -- for whoever follows: what is no longer as it was
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        space INTEGER NOT NULL,
        vector INTEGER NOT NULL,
        what TEXT NOT NULL CHECK (what IN ('gone', 'changed'))
    ) STRICT;
    CREATE INDEX changes_gone ON changes(what, seq);

    CREATE TABLE indexes (           -- copies of the vectors in Chroma, and how far each has come
        name TEXT PRIMARY KEY,
        change INTEGER NOT NULL      -- nothing that was gone by then is in it
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE indexed (
        name TEXT NOT NULL REFERENCES indexes(name) ON DELETE CASCADE,
        space INTEGER NOT NULL,
        vector INTEGER NOT NULL,     -- every vector up to this one is in it
        PRIMARY KEY (name, space)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE files (             -- files that were taken in from folders, so that they are not read again
        owner TEXT NOT NULL,
        path TEXT NOT NULL,
        size INTEGER NOT NULL,
        changed INTEGER NOT NULL,    -- nanoseconds
        picture TEXT NOT NULL,
        PRIMARY KEY (owner, path)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX files_by_picture ON files(picture, owner);

    CREATE TABLE forgotten (         -- handles that answer that what they named is forgotten
        chat TEXT NOT NULL REFERENCES chats(id) ON DELETE CASCADE,
        handle TEXT NOT NULL,
        PRIMARY KEY (chat, handle)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE doomed (            -- files that are to be deleted, also after a crash
        name TEXT PRIMARY KEY
    ) STRICT, WITHOUT ROWID;
    """,
    """
    ALTER TABLE turns ADD COLUMN waits INTEGER NOT NULL DEFAULT 0;   -- 1: what was met in it is still to be remembered
    CREATE INDEX turns_waiting ON turns(waits) WHERE waits = 1;
    """,
    """
    ALTER TABLE holdings ADD COLUMN taken TEXT;   -- when a camera took it, by its own clock: "2026-05-01 12:30"
    """,
    """
    ALTER TABLE files ADD COLUMN looked INTEGER NOT NULL DEFAULT 0;   -- 1: the things in it have been looked for
    """,
    """
    CREATE INDEX tags_by_tag ON tags(tag, memory);
    """,
    """
    ALTER TABLE files ADD COLUMN words_read INTEGER NOT NULL DEFAULT 0;   -- 1: the words in it have been read
    CREATE VIRTUAL TABLE memory_terms USING fts5vocab('memory_text', 'row');   -- every word that stands in a text
    """,
    """
    CREATE TABLE searched (          -- who has looked for things in a picture outside of any conversation: once each
        memory INTEGER NOT NULL REFERENCES memories(id) ON DELETE CASCADE,   -- of the whole picture
        finder TEXT NOT NULL,
        PRIMARY KEY (memory, finder)
    ) STRICT, WITHOUT ROWID;
    """,
)
