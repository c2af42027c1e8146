"""The tables of the image vault, retention and withdrawals."""

from __future__ import annotations

STATEMENTS: tuple[str, ...] = (
    """
    CREATE TABLE images (
        image_id    TEXT PRIMARY KEY,                   -- random; names the file in the vault
        kind        TEXT NOT NULL CHECK (kind IN ('ordinary', 'identifying', 'intimate')),
        state       TEXT NOT NULL CHECK (state IN ('kept', 'shredding', 'shredded', 'lost')),
        bytes       INTEGER NOT NULL                    -- of the encrypted file
    ) STRICT
    """,
    # Apart from the images, so that a backup leaves out exactly this table.
    """
    CREATE TABLE image_keys (
        image_id    TEXT PRIMARY KEY REFERENCES images (image_id),
        key         BLOB NOT NULL CHECK (length(key) = 32)
    ) STRICT
    """,
    "CREATE INDEX images_by_state ON images (state)",
    # A picture from before the vault keeps its bytes in png until it has been moved; then png is empty.
    "ALTER TABLE pictures ADD COLUMN image_id TEXT REFERENCES images (image_id)",
    "CREATE INDEX pictures_by_image ON pictures (image_id)",
    "ALTER TABLE cases ADD COLUMN locked INTEGER NOT NULL DEFAULT 0 CHECK (locked IN (0, 1))",
    """
    CREATE TABLE deletions (
        number      INTEGER PRIMARY KEY AUTOINCREMENT,
        class       TEXT NOT NULL,                      -- what was deleted; never whose
        how_many    INTEGER NOT NULL,
        at          TEXT NOT NULL,
        why         TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE withdrawals (
        number      INTEGER PRIMARY KEY AUTOINCREMENT,
        case_id     TEXT NOT NULL,
        purpose     TEXT NOT NULL,
        at          TEXT NOT NULL,
        account     TEXT NOT NULL,                      -- the name of the account that recorded it
        UNIQUE (case_id, purpose)
    ) STRICT
    """,
    # What was deleted here and may still stand in a backup; emptied when every backup has been gone through.
    """
    CREATE TABLE copies_due (
        number      INTEGER PRIMARY KEY AUTOINCREMENT,
        class       TEXT NOT NULL,
        item        TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE seen_date (
        only        INTEGER PRIMARY KEY CHECK (only = 1),
        highest     TEXT NOT NULL                       -- the latest day on which the clock was believed
    ) STRICT
    """,
    # An item whose own date cannot be believed: its time begins on the first believed day on which it was seen.
    """
    CREATE TABLE undated (
        class       TEXT NOT NULL,
        item        TEXT NOT NULL,
        first_seen  TEXT NOT NULL,
        PRIMARY KEY (class, item)
    ) STRICT
    """,
)
