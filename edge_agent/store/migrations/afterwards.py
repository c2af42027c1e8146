"""The tables of what happens after a visit: files that left, who confirmed their deletion, corrected answers."""

from __future__ import annotations

STATEMENTS: tuple[str, ...] = (
    """
    CREATE TABLE sent_files (
        number      INTEGER PRIMARY KEY AUTOINCREMENT,
        case_id     TEXT NOT NULL,
        form        TEXT NOT NULL,                      -- closed id: fhir, pdf_letter …
        receiver    TEXT,                               -- the name of its certificate; NULL: nobody was named
        account     TEXT NOT NULL,                      -- who made it
        sent        TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX sent_files_by_case ON sent_files (case_id, number)",
    # What left before this version stands in the trail alone, without its receiver.
    """
    INSERT INTO sent_files (case_id, form, account, sent)
    SELECT case_ref, coalesce(detail, 'fhir'), who, at FROM audit
    WHERE action = 'report_exported' AND case_ref IS NOT NULL ORDER BY seq
    """,
    # A receiver's answer, once for each of its files: what it did, who there said so, how and when.
    """
    CREATE TABLE receiver_answers (
        file        INTEGER PRIMARY KEY REFERENCES sent_files (number) ON DELETE CASCADE,
        case_id     TEXT NOT NULL,
        answer      TEXT NOT NULL,                      -- closed id
        how         TEXT NOT NULL,                      -- closed id
        told_by     TEXT NOT NULL,                      -- the person at the receiver, as the clinician wrote the name
        told_on     TEXT NOT NULL,                      -- a date
        account     TEXT NOT NULL,                      -- the name of the account that recorded it
        recorded    TEXT NOT NULL
    ) STRICT
    """,
    # The outbox forgets a record that the hub has; that the hub has taken a result back is kept.
    """
    CREATE TABLE hub_deletions (
        record_id   TEXT PRIMARY KEY,
        confirmed   TEXT NOT NULL                       -- when its acknowledgement came, by this device's clock
    ) STRICT
    """,
    # What somebody entered wrong in a form that was handed over; the form itself is never changed.
    """
    CREATE TABLE answer_corrections (
        number      INTEGER PRIMARY KEY AUTOINCREMENT,  -- order of recording; clocks jump
        case_id     TEXT NOT NULL,
        tier        TEXT,                               -- the more urgent tier that it asks for; NULL: none
        reopens     INTEGER NOT NULL,                   -- decisions on the tier up to this number count no more
        is_after_signing INTEGER NOT NULL CHECK (is_after_signing IN (0, 1)),
        body        TEXT NOT NULL                       -- JSON: review.corrections.Correction
    ) STRICT
    """,
    "CREATE INDEX answer_corrections_by_case ON answer_corrections (case_id, number)",
    # A clinician's new look at a signed report whose form was corrected since; the last one counts.
    """
    CREATE TABLE correction_looks (
        number      INTEGER PRIMARY KEY AUTOINCREMENT,
        case_id     TEXT NOT NULL,
        up_to       INTEGER NOT NULL,                   -- the newest correction that was looked at
        tier        TEXT NOT NULL,                      -- the tier that counts from here on
        body        TEXT NOT NULL                       -- JSON: review.corrections.Look
    ) STRICT
    """,
    "CREATE INDEX correction_looks_by_case ON correction_looks (case_id, number)",
)
