"""Files about a case that left to somebody else, and what their receivers answered once the person took them back.

A receiver with a certificate has one duty however many files it got; a file that was saved for nobody by name is a duty of its
own. Does not send anything and asks nobody: people do, and write the answer down here.

Source: policy R8 (a package goes to a named key), R11 (withdrawal: the receiver is asked to delete).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final

from edge_agent.errors import CaseError
from edge_agent.store.database import Connection, Database

TOLD_BY_MAX: Final = 64
# What a file for another system needs; once one of them is taken back, whoever has the file is asked to delete it.
_ASKED: Final = "SELECT DISTINCT case_id FROM withdrawals WHERE purpose IN ('referral_package', 'care_pictures')"
_QUERY: Final = """
SELECT f.number, f.case_id, f.receiver, f.form, f.account, f.sent,
       a.answer, a.how, a.told_by, a.told_on, a.account, a.recorded
FROM sent_files f LEFT JOIN receiver_answers a ON a.file = f.number
WHERE (? IS NULL OR f.case_id = ?) ORDER BY f.number
"""


class ReceiverAnswer(StrEnum):
    """What a receiver says of a file."""

    DELETED = "deleted"
    NEVER_ARRIVED = "never_arrived"
    KEPT_BY_LAW = "kept_by_law"  # it belongs to a record there that the law has them keep


class AnsweredHow(StrEnum):
    """How the answer came."""

    LETTER = "letter"
    E_MAIL = "e_mail"
    TELEPHONE = "telephone"
    IN_PERSON = "in_person"


@dataclass(frozen=True, slots=True)
class Answer:
    """A receiver's answer as a clinician wrote it down; ``account`` is the clinician's, ``recorded`` has a time zone."""

    answer: ReceiverAnswer
    how: AnsweredHow
    told_by: str
    told_on: date
    account: str
    recorded: datetime


@dataclass(frozen=True, slots=True)
class SentTo:
    """The files of one case that one receiver has.

    ``number`` names it: the first of its files. ``receiver`` is None where nobody was named; ``forms`` and ``last_sent`` say
    what and when. ``answer`` is None while the receiver has not confirmed.
    """

    number: int
    case_id: str
    receiver: str | None
    forms: tuple[str, ...]
    account: str
    last_sent: datetime
    answer: Answer | None


class SentFiles:
    """Keep what left, and the answers. Never deletes a row."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @staticmethod
    def append(
        connection: Connection, case_id: str, *, form: str, receiver: str | None, account: str, sent: datetime
    ) -> None:
        """Note a file inside the transaction that writes its row of the trail."""
        connection.execute(
            "INSERT INTO sent_files (case_id, form, receiver, account, sent) VALUES (?,?,?,?,?)",
            (case_id, form, receiver, account, sent.isoformat()),
        )

    def of(self, case_id: str) -> tuple[SentTo, ...]:
        """Return who has files of a case, in the order of their first file."""
        return self._grouped(case_id)

    def open(self) -> tuple[SentTo, ...]:
        """Return who still has to confirm a deletion, of every case of this device, the oldest first."""
        asked = {row[0] for row in self._database.rows(_ASKED)}
        return tuple(one for one in self._grouped(None) if one.answer is None and one.case_id in asked)

    def record(
        self, case_id: str, number: int, answer: Answer, *, noted: Callable[[Connection], None] | None = None
    ) -> None:
        """Write a receiver's answer down, once.

        Args:
            case_id: the case.
            number: of ``SentTo``.
            answer: what, how, who, when.
            noted: writes the row of the trail, in the same transaction.

        Raises:
            CaseError: nobody was asked, there is no such file, it is answered already, the day has not come yet, or no name.
            StoreError: the store is busy or full; nothing was recorded.
        """
        self._check(case_id, answer)
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT number FROM sent_files WHERE case_id = ? AND"
                " (number = ? OR receiver = (SELECT receiver FROM sent_files WHERE number = ? AND case_id = ?))"
                " AND number NOT IN (SELECT file FROM receiver_answers)",
                (case_id, number, number, case_id),
            ).fetchall()
            if not rows:
                raise CaseError("nothing waits for this receiver's answer: look at the page again")
            connection.executemany(
                "INSERT INTO receiver_answers (file, case_id, answer, how, told_by, told_on, account, recorded)"
                " VALUES (?,?,?,?,?,?,?,?)",
                [(row[0], case_id, *_columns(answer)) for row in rows],
            )
            if noted is not None:
                noted(connection)

    def _check(self, case_id: str, answer: Answer) -> None:
        if (case_id,) not in self._database.rows(_ASKED):
            raise CaseError("the person did not take the file back: no receiver has to delete it")
        if answer.told_on > answer.recorded.date():
            raise CaseError("the day of the answer has not come yet: look at the date")
        if not answer.told_by.strip() or len(answer.told_by) > TOLD_BY_MAX:
            raise CaseError(f"write who confirmed it, in at most {TOLD_BY_MAX} characters")

    def _grouped(self, case_id: str | None) -> tuple[SentTo, ...]:
        rows = self._database.rows(_QUERY, (case_id, case_id))
        groups: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
        for row in rows:
            groups.setdefault((row[1], row[2] if row[2] is not None else row[0]), []).append(row)
        return tuple(_sent_to(one) for one in groups.values())


def _columns(answer: Answer) -> tuple[str, ...]:
    return (
        answer.answer,
        answer.how,
        answer.told_by.strip(),
        answer.told_on.isoformat(),
        answer.account,
        answer.recorded.isoformat(),
    )


def _sent_to(rows: list[tuple[Any, ...]]) -> SentTo:
    """Put the files of one receiver together; one file without an answer leaves its receiver open."""
    number, case_id, receiver = rows[0][:3]
    last = rows[-1]
    is_open = any(row[6] is None for row in rows)
    return SentTo(
        number,
        case_id,
        receiver,
        forms=tuple(dict.fromkeys(row[3] for row in rows)),
        account=last[4],
        last_sent=datetime.fromisoformat(last[5]),
        answer=None if is_open else _answer(*last[6:]),
    )


def _answer(answer: str, how: str, told_by: str, told_on: str, account: str, recorded: str) -> Answer:
    return Answer(
        ReceiverAnswer(answer),
        AnsweredHow(how),
        told_by,
        date.fromisoformat(told_on),
        account,
        datetime.fromisoformat(recorded),
    )
