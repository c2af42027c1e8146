"""The tables of named local accounts and the audit trail. Sessions are not here: they live in memory."""

from __future__ import annotations

STATEMENTS: tuple[str, ...] = (
    """
    CREATE TABLE accounts (
        account_id      TEXT PRIMARY KEY,                   -- random
        name            TEXT NOT NULL UNIQUE,               -- never changed, never used again: the trail speaks of it
        display_name    TEXT NOT NULL,
        roles           TEXT NOT NULL,                      -- JSON list
        pin_hash        TEXT NOT NULL,                      -- argon2id, with its own salt and cost
        created         TEXT NOT NULL,
        is_disabled     INTEGER NOT NULL DEFAULT 0 CHECK (is_disabled IN (0, 1)),
        must_change_pin INTEGER NOT NULL DEFAULT 0 CHECK (must_change_pin IN (0, 1)),
        failures        INTEGER NOT NULL DEFAULT 0,         -- wrong PINs since the last right one
        last_failure    TEXT                                -- when, by this device's clock
    ) STRICT
    """,
    """
    CREATE TABLE audit (
        seq         INTEGER PRIMARY KEY AUTOINCREMENT,
        at          TEXT NOT NULL,                          -- UTC, ISO 8601
        clock       TEXT NOT NULL,                          -- how far the clock is to be believed
        who         TEXT NOT NULL,                          -- name of an account, or a fixed word in brackets
        action      TEXT NOT NULL,                          -- closed id
        case_ref    TEXT,                                   -- random id of the case; no patient text anywhere
        detail      TEXT,                                   -- closed id: reason, view, role
        previous    TEXT NOT NULL,                          -- hash of the row before
        hash        TEXT NOT NULL UNIQUE
    ) STRICT
    """,
    "CREATE INDEX audit_by_case ON audit (case_ref, seq)",
    "CREATE INDEX audit_by_who ON audit (who, seq)",
    """
    CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit trail is never changed'); END
    """,
    """
    CREATE TRIGGER audit_is_never_deleted BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit trail is never deleted'); END
    """,
)
