"""The tables of what clinicians decide about reports, and second readings."""

from __future__ import annotations

STATEMENTS: tuple[str, ...] = (
    # 1: a clinician signs before anything leaves; the result waits in pending_result until then.
    "ALTER TABLE cases ADD COLUMN awaits_sign_off INTEGER NOT NULL DEFAULT 0 CHECK (awaits_sign_off IN (0, 1))",
    "ALTER TABLE cases ADD COLUMN pending_result TEXT",  # JSON: the de-identified result of an unsigned report
    """
    CREATE TABLE decisions (
        number      INTEGER PRIMARY KEY AUTOINCREMENT,  -- order of taking; clocks jump
        case_id     TEXT NOT NULL REFERENCES cases (case_id) ON DELETE CASCADE,
        section     TEXT NOT NULL,
        body        TEXT NOT NULL                       -- JSON: review.decisions.Decision
    ) STRICT
    """,
    "CREATE INDEX decisions_by_case ON decisions (case_id, number)",
    """
    CREATE TABLE sign_offs (
        case_id     TEXT PRIMARY KEY REFERENCES cases (case_id) ON DELETE CASCADE,
        account     TEXT NOT NULL,
        signed      TEXT NOT NULL,
        tier        TEXT NOT NULL                       -- the tier that counts from here on
    ) STRICT
    """,
    """
    CREATE TABLE second_readings (
        number      INTEGER PRIMARY KEY AUTOINCREMENT,
        case_id     TEXT NOT NULL REFERENCES cases (case_id) ON DELETE CASCADE,
        body        TEXT NOT NULL                       -- JSON: review.second_reading.SecondReading
    ) STRICT
    """,
    "CREATE INDEX second_readings_by_case ON second_readings (case_id, number)",
)
