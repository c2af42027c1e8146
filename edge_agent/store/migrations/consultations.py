"""The tables of consultations on their way, episodes and visits."""

from __future__ import annotations

STATEMENTS: tuple[str, ...] = (
    """
    CREATE TABLE episodes (
        episode_id      TEXT PRIMARY KEY,               -- random; never leaves the device
        local_reference TEXT NOT NULL,                  -- this post's own name for the person; never leaves the device
        created         TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX episodes_by_reference ON episodes (local_reference)",
    """
    CREATE TABLE drafts (
        position        INTEGER PRIMARY KEY AUTOINCREMENT,  -- order of arrival; clocks jump
        case_id         TEXT NOT NULL UNIQUE,           -- the case keeps it: handing over twice is once
        owner           TEXT NOT NULL,
        created         TEXT NOT NULL,
        created_s       REAL NOT NULL,                  -- the same in seconds since 1970, to compare
        step            TEXT NOT NULL,
        is_consented    INTEGER NOT NULL CHECK (is_consented IN (0, 1)),
        body            TEXT NOT NULL                   -- JSON
    ) STRICT
    """,
    """
    CREATE TABLE draft_images (
        image_id        TEXT PRIMARY KEY,               -- in the vault
        case_id         TEXT NOT NULL REFERENCES drafts (case_id) ON DELETE CASCADE
    ) STRICT
    """,
    """
    CREATE TABLE visits (
        position        INTEGER PRIMARY KEY AUTOINCREMENT,
        case_id         TEXT NOT NULL UNIQUE,
        episode_id      TEXT NOT NULL REFERENCES episodes (episode_id),
        owner           TEXT NOT NULL,
        handed_over     TEXT NOT NULL,
        follow_up_due   TEXT,                           -- a date
        opened          TEXT,                           -- when its owner first opened the report
        closed          TEXT
    ) STRICT
    """,
    "CREATE INDEX visits_by_episode ON visits (episode_id, position)",
)
