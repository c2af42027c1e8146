"""The numbered migrations of the device database. An entry is never edited once it has shipped; a new one is added."""

from __future__ import annotations

from edge_agent.store.migrations import accounts, afterwards, consultations, photography, reviews, vault

# One tuple of statements per version; each version is applied in one transaction that also raises user_version.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE cases (
            position    INTEGER PRIMARY KEY AUTOINCREMENT,  -- order of arrival; clocks jump
            case_id     TEXT NOT NULL UNIQUE,
            record_id   TEXT NOT NULL UNIQUE,               -- random; the only link to what left the device
            created     TEXT NOT NULL,
            language    TEXT NOT NULL,
            intake      TEXT NOT NULL,                      -- JSON
            consent     TEXT,                               -- JSON; NULL marks a test case
            state       TEXT NOT NULL CHECK (state IN ('stored', 'running', 'reported', 'failed')),
            attempts    INTEGER NOT NULL DEFAULT 0,
            withdrawn   INTEGER NOT NULL DEFAULT 0 CHECK (withdrawn IN (0, 1)),
            report      TEXT,                               -- JSON
            error       TEXT                                -- JSON: why the case failed
        ) STRICT
        """,
        """
        CREATE TABLE pictures (
            position    INTEGER NOT NULL REFERENCES cases (position) ON DELETE CASCADE,
            view_index  INTEGER NOT NULL,
            png         BLOB NOT NULL,
            shot        TEXT,
            body_site   TEXT,
            laterality  TEXT,
            PRIMARY KEY (position, view_index)
        ) STRICT
        """,
        "CREATE INDEX cases_by_state ON cases (state, position)",
        """
        CREATE TABLE outbox (
            seq         INTEGER PRIMARY KEY,                -- monotone within the epoch, never used twice
            record_id   TEXT NOT NULL,
            kind        TEXT NOT NULL,
            priority    INTEGER NOT NULL,                   -- smaller goes first
            created     TEXT NOT NULL,                      -- local only; never sent
            body        BLOB NOT NULL,                      -- canonical JSON, as it will be sent
            sha256      TEXT NOT NULL,
            state       TEXT NOT NULL CHECK (state IN ('queued', 'sent', 'stored', 'rejected', 'quarantined')),
            attempts    INTEGER NOT NULL DEFAULT 0,         -- raised before every publish
            refusals    INTEGER NOT NULL DEFAULT 0,
            reason      TEXT
        ) STRICT
        """,
        "CREATE INDEX outbox_by_state ON outbox (state, priority, seq)",
        "CREATE INDEX outbox_by_record ON outbox (record_id)",
        """
        CREATE TABLE outbox_ledger (
            only        INTEGER PRIMARY KEY CHECK (only = 1),
            epoch       TEXT NOT NULL,                      -- new with every new database and re-enrolment
            last_seq    INTEGER NOT NULL DEFAULT 0,
            high_water  INTEGER NOT NULL DEFAULT 0,         -- largest seq that the hub has acknowledged
            pruned      INTEGER NOT NULL DEFAULT 0,         -- records deleted here after the hub's acknowledgement
            previous_hash TEXT NOT NULL                     -- sha256 of the payload sent last in this epoch
        ) STRICT
        """,
        "INSERT INTO outbox_ledger (only, epoch, previous_hash) VALUES (1, lower(hex(randomblob(8))), printf('%064d', 0))",
    ),
    ("ALTER TABLE cases ADD COLUMN previous TEXT",),  # JSON: the attached earlier visit; NULL: none
    accounts.STATEMENTS,
    consultations.STATEMENTS,
    vault.STATEMENTS,
    reviews.STATEMENTS,
    photography.STATEMENTS,
    afterwards.STATEMENTS,
)
