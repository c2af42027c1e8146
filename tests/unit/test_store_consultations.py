"""Drafts, hand-over, episodes and follow-ups in the real encrypted store."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Literal

import pytest

from edge_agent.agents.rules.red_flags import RuleBook
from edge_agent.consultation import answers
from edge_agent.consultation.course import Course
from edge_agent.consultation.draft import Draft
from edge_agent.consultation.permits import PolicyPermits
from edge_agent.consultation.pictures import SiteChoice
from edge_agent.consultation.steps import Step
from edge_agent.contracts.case import Case
from edge_agent.contracts.policy import Policy
from edge_agent.errors import CaseError, ImageGone, StoreError, StoreFull
from edge_agent.store.database import Connection
from edge_agent.store.draft_pictures import DEVICE
from edge_agent.store.vault import ImageKind
from tests.simulators.consultations import CALM, COURSE, ELBOW, NOW, PNG, Post, agreed, steps, taken


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    """Open one post's store."""
    opened = Post(tmp_path)
    yield opened
    opened.database.close()


def _pictured(post: Post, case_id: str, site: SiteChoice = ELBOW) -> Draft:
    return post.consultations.take(
        case_id,
        PNG,
        kind=ImageKind.ORDINARY,
        describe=lambda draft, image_id: answers.with_view(draft, taken(image_id, site)),
    )


def _finished(post: Post, *, episode_id: str | None = None, has_picture: bool = True) -> str:
    draft = post.consultations.begin(owner="worker 1", now=NOW, episode_id=episode_id)
    for answer in steps()[:5]:
        post.consultations.change(draft.case_id, answer)
    if has_picture:
        _pictured(post, draft.case_id)
    for answer in steps()[5:]:
        post.consultations.change(draft.case_id, answer)
    return draft.case_id


def test_every_answer_is_there_after_a_restart(tmp_path: Path) -> None:
    """Closed and opened again after each screen, the draft stands at the next one with all its answers."""
    post = Post(tmp_path)
    case_id = post.consultations.begin(owner="worker 1", now=NOW).case_id
    for answer in steps():
        saved = post.consultations.change(case_id, answer)
        post.database.close()
        post = Post(tmp_path)
        assert post.consultations.draft(case_id) == saved
    assert post.consultations.draft(case_id).step is Step.RUNNING
    post.database.close()


def test_a_refused_answer_leaves_the_draft_as_it_was(post: Post) -> None:
    """What an answer raises undoes the transaction."""
    draft = post.consultations.begin(owner="worker 1", now=NOW)
    with pytest.raises(CaseError):
        post.consultations.change(draft.case_id, COURSE.onward)
    assert post.consultations.draft(draft.case_id) == draft


def test_a_removed_picture_is_shredded_with_the_answer_that_removed_it(post: Post) -> None:
    """A consent taken back shreds the pictures of the draft in the same transaction."""
    draft = post.consultations.begin(owner="worker 1", now=NOW)
    for answer in steps()[:5]:
        post.consultations.change(draft.case_id, answer)
    image_id = _pictured(post, draft.case_id).views[0].image_id
    assert post.consultations.picture(draft.case_id, image_id) == PNG
    post.consultations.change(draft.case_id, lambda one: COURSE.kept(agreed(one, refused=("care_pictures",))))
    with pytest.raises(CaseError, match="no such picture"):
        post.consultations.picture(draft.case_id, image_id)
    with pytest.raises(ImageGone):
        post.vault.get(image_id)
    assert not list(post.vault.files())


def _rows(post: Post, action: str) -> list[tuple[str, str | None, str | None]]:
    return [(row.who, row.case_ref, row.detail) for row in post.audit.entries() if row.action == action]


def test_a_picture_that_a_later_answer_forbids_has_its_row_of_the_trail(post: Post) -> None:
    """Who gave the answer and which picture went, in the transaction that lets it go."""
    case_id = post.consultations.begin(owner="worker 1", now=NOW).case_id
    for answer in steps()[:5]:
        post.consultations.change(case_id, answer)
    image_id = _pictured(post, case_id).views[0].image_id
    elsewhere = [SiteChoice(body_site="knee", laterality="left")]
    post.consultations.change(case_id, lambda draft: COURSE.kept(answers.with_sites(draft, elsewhere)), by="worker 2")
    assert _rows(post, "picture_forbidden") == [("worker 2", case_id, image_id)]


def test_a_picture_whose_row_cannot_be_written_does_not_go(post: Post) -> None:
    """Deed and row stand or fall together."""
    case_id = post.consultations.begin(owner="worker 1", now=NOW).case_id
    for answer in steps()[:5]:
        post.consultations.change(case_id, answer)
    draft = _pictured(post, case_id)
    with post.database.transaction() as connection:
        connection.execute("CREATE TRIGGER no_row BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no room'); END")
    with pytest.raises(StoreError):
        post.consultations.change(case_id, lambda one: answers.without_view(one, draft.views[0].image_id))
    assert post.consultations.draft(case_id) == draft
    assert post.consultations.picture(case_id, draft.views[0].image_id) == PNG


def test_a_picture_that_a_new_policy_forbids_goes_at_the_hand_over_with_its_row(post: Post) -> None:
    """Nobody answered anything: the device itself stands in the trail, and the case has no such picture."""
    ear = SiteChoice(body_site="ear", laterality="left", is_asked=True)
    case_id = post.consultations.begin(owner="worker 1", now=NOW).case_id
    for answer in steps(site=ear)[:5]:
        post.consultations.change(case_id, answer)
    image_id = _pictured(post, case_id, ear).views[0].image_id
    for answer in steps(site=ear)[5:]:
        post.consultations.change(case_id, answer)
    strict = Course(RuleBook.load("red_flags.toml"), PolicyPermits(Policy(face_photo="off")))
    post.consultations.hand_over(case_id, desk=post.desk, rules=strict, now=NOW)
    assert post.cases.load(case_id).views == ()
    assert _rows(post, "picture_forbidden") == [(DEVICE, case_id, image_id)]


def test_a_handed_over_picture_is_no_loss(post: Post) -> None:
    """The case keeps its own copy: the trail speaks of no picture that went."""
    post.hand_over(_finished(post))
    assert not [row for row in post.audit.entries() if row.action.startswith("picture_")]


def test_a_picture_that_the_draft_does_not_take_is_not_kept(post: Post) -> None:
    """A rule that says no after the picture came leaves no file behind."""
    draft = post.consultations.begin(owner="worker 1", now=NOW)
    with pytest.raises(CaseError, match="not allowed"):
        post.consultations.take(draft.case_id, PNG, kind=ImageKind.ORDINARY, describe=lambda one, _: one)
    assert not list(post.vault.files())


def test_another_drafts_picture_is_not_shown(post: Post) -> None:
    """A picture is asked for by the draft that it belongs to."""
    first = post.consultations.begin(owner="worker 1", now=NOW)
    second = post.consultations.begin(owner="worker 1", now=NOW)
    for answer in steps()[:5]:
        post.consultations.change(first.case_id, answer)
    image_id = _pictured(post, first.case_id).views[0].image_id
    with pytest.raises(CaseError):
        post.consultations.picture(second.case_id, image_id)


def test_a_handed_over_draft_is_a_visit_and_its_own_pictures_are_shredded(post: Post) -> None:
    """The case keeps a copy; the draft and its pictures are gone; the visit is in its owner's queue."""
    case_id = _finished(post)
    draft = post.consultations.draft(case_id)
    post.hand_over(case_id)
    case = post.cases.load(case_id)
    assert len(case.views) == 1 and case.created == NOW
    with pytest.raises(ImageGone):
        post.vault.get(draft.views[0].image_id)
    assert post.consultations.open_drafts() == []
    assert [visit.case_id for visit in post.episodes.queue("worker 1")] == [case_id]
    assert post.episodes.queue("worker 2") == []


def test_handing_over_twice_is_once(post: Post) -> None:
    """A second press, or a restart that does not know of the first, makes no second case."""
    case_id = _finished(post)
    post.hand_over(case_id)
    post.hand_over(case_id)
    assert post.cases.pending() == [case_id]


def test_a_case_of_the_kiosk_awaits_a_clinician(post: Post) -> None:
    """What was handed over sends nothing before somebody has signed its report."""
    case_id = _finished(post)
    post.hand_over(case_id)
    assert post.database.rows("SELECT awaits_sign_off FROM cases WHERE case_id = ?", (case_id,)) == [(1,)]


class _CutDesk:
    """A desk that is cut off before or after it stored the case."""

    def __init__(self, post: Post, *, is_after: bool) -> None:
        self._post, self._is_after = post, is_after

    def submit(self, case: Case, *, language: Literal["zh", "en"], awaits_sign_off: bool = False) -> None:
        """Be cut off."""
        if self._is_after:
            self._post.desk.submit(case, language=language, awaits_sign_off=awaits_sign_off)
        raise StoreFull("no space: free disk space")


@pytest.mark.parametrize("is_after", [False, True])
def test_a_hand_over_that_was_cut_off_is_finished_later(post: Post, is_after: bool) -> None:
    """Cut off before or after the desk stored it, the case is there once, and so is the visit."""
    case_id = _finished(post)
    with pytest.raises(StoreFull):
        post.consultations.hand_over(case_id, desk=_CutDesk(post, is_after=is_after), rules=COURSE, now=NOW)
    assert post.consultations.draft(case_id).step is Step.RUNNING
    assert post.consultations.finish_hand_overs(desk=post.desk, rules=COURSE, now=NOW) == []
    assert post.cases.pending() == [case_id]
    assert len(post.episodes.queue()) == 1


def test_an_unfinished_draft_is_not_handed_over(post: Post) -> None:
    """Only a finished consultation becomes a case."""
    draft = post.consultations.begin(owner="worker 1", now=NOW)
    with pytest.raises(RuntimeError, match="not finished"):
        post.hand_over(draft.case_id)


def test_a_discarded_draft_leaves_nothing(post: Post) -> None:
    """Row and pictures go; what was handed over cannot be discarded."""
    draft = post.consultations.begin(owner="worker 1", now=NOW)
    for answer in steps()[:5]:
        post.consultations.change(draft.case_id, answer)
    _pictured(post, draft.case_id)
    post.consultations.discard(draft.case_id, why="the person left")
    assert not list(post.vault.files())
    with pytest.raises(CaseError, match="no such open"):
        post.consultations.draft(draft.case_id)
    with pytest.raises(CaseError, match="handed over"):
        post.consultations.discard(_finished(post), why="changed my mind")


def test_a_follow_up_belongs_to_the_episode_and_reads_the_last_report(post: Post) -> None:
    """The second visit carries the first one's report as previous visit and stands in the same episode."""
    first = _finished(post)
    post.hand_over(first)
    report: dict[str, Any] = {"schema_version": 2, "created": NOW.isoformat(), "severity": {"bsa_percent": 7.0}}
    post.finish(first, report)
    episode_id = post.episodes.visit(first).episode_id
    second = _finished(post, episode_id=episode_id)
    assert post.consultations.draft(second).local_reference == "bed 4"
    post.hand_over(second)
    previous = post.cases.load(second).previous
    assert previous is not None and previous.bsa_percent == 7.0
    assert [visit.case_id for visit in post.episodes.visits(episode_id)] == [first, second]
    assert [row.visits for row in post.episodes.find("bed 4")] == [2]


def test_one_reference_may_be_two_people(post: Post) -> None:
    """A new consultation makes a new episode also under a known reference: a person chooses, no program."""
    for _ in range(2):
        post.hand_over(_finished(post))
    assert [row.visits for row in post.episodes.find("bed 4")] == [1, 1]
    assert post.episodes.find("bed") == []


def test_the_earlier_picture_is_of_the_same_site_and_shot_if_there_is_one(post: Post) -> None:
    """Another shot of the site is better than none; another site is none."""
    case_id = _finished(post)
    post.hand_over(case_id)
    episode_id = post.episodes.visit(case_id).episode_id
    found = post.episodes.earlier_picture(episode_id, body_site="elbow", shot="overview")
    assert found is not None and found.shot == "close_up"
    assert post.vault.get(found.image_id) == PNG
    assert post.episodes.earlier_picture(episode_id, body_site="knee", shot="overview") is None


def test_a_shredded_earlier_picture_is_not_offered(post: Post) -> None:
    """After a withdrawal the new picture is framed without the old one."""
    case_id = _finished(post)
    post.hand_over(case_id)
    visit = post.episodes.visit(case_id)
    found = post.episodes.earlier_picture(visit.episode_id, body_site="elbow", shot=None)
    assert found is not None
    with post.database.transaction() as connection:
        post.vault.shred(connection, [found.image_id], why="withdrawn")
    assert post.episodes.earlier_picture(visit.episode_id, body_site="elbow", shot=None) is None


def test_a_report_is_announced_until_it_was_opened(post: Post) -> None:
    """Ready means reported and not opened; opening is noted once; closing needs a report."""
    case_id = _finished(post)
    post.hand_over(case_id)
    assert post.episodes.ready("worker 1") == []
    with pytest.raises(CaseError, match="not there yet"):
        post.episodes.close(case_id, now=NOW, noted=_unheard)
    post.finish(case_id, {"case_id": case_id})
    assert [visit.case_id for visit in post.episodes.ready("worker 1")] == [case_id]
    assert post.episodes.ready("worker 2") == []
    post.episodes.mark_opened(case_id, now=NOW)
    assert post.episodes.ready("worker 1") == []
    post.episodes.close(case_id, now=NOW, noted=_unheard)
    assert post.episodes.queue() == []
    assert post.episodes.visit(case_id).step is Step.DONE


def _unheard(_connection: Connection) -> None:
    """Write nothing into the trail."""


def test_a_visit_that_cannot_be_noted_is_not_closed(post: Post) -> None:
    """Closing and its row of the trail stand or fall together; a second closing is noted no second time."""
    case_id = _finished(post)
    post.hand_over(case_id)
    post.finish(case_id, {"case_id": case_id})

    def refuses(_connection: Connection) -> None:
        raise StoreFull("no space")

    with pytest.raises(StoreFull):
        post.episodes.close(case_id, now=NOW, noted=refuses)
    assert post.episodes.visit(case_id).step is Step.REPORT
    told: list[Connection] = []
    for _twice in range(2):
        post.episodes.close(case_id, now=NOW, noted=told.append)
    assert post.episodes.visit(case_id).step is Step.DONE
    assert len(told) == 1


def test_follow_ups_are_due_until_the_person_came(post: Post) -> None:
    """Due from its date on, the longest overdue first; a later visit of the episode ends it."""
    first, other = _finished(post), _finished(post)
    for case_id, day in ((first, 20), (other, 18)):
        post.hand_over(case_id)
        post.episodes.set_follow_up(case_id, date(2026, 5, day))
    assert post.episodes.due_follow_ups(date(2026, 5, 17)) == []
    assert [visit.case_id for visit in post.episodes.due_follow_ups(date(2026, 5, 20))] == [other, first]
    post.hand_over(_finished(post, episode_id=post.episodes.visit(other).episode_id))
    assert [visit.case_id for visit in post.episodes.due_follow_ups(date(2026, 5, 20))] == [first]


def test_a_local_reference_is_in_no_file_in_clear(post: Post, tmp_path: Path) -> None:
    """What names a person lies encrypted like everything else."""
    draft = post.consultations.begin(owner="worker 1", now=NOW)
    post.consultations.change(draft.case_id, lambda one: one.changed(local_reference="PLANTED-REF", danger_signs=CALM))
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert b"PLANTED-REF" not in path.read_bytes()


@pytest.mark.parametrize("is_told", [True, False])
def test_a_sign_of_abuse_that_was_taken_back_stays_with_the_case(post: Post, *, is_told: bool) -> None:
    """R9: the form of the stored case no longer speaks of it; that photography was stopped does."""
    case_id = post.consultations.begin(owner="worker 1", now=NOW).case_id
    if is_told:
        signs: dict[Any, Any] = {"disclosure_of_abuse": "yes"}
        post.consultations.change(case_id, lambda draft: COURSE.onward(draft.changed(danger_signs=signs)))
        post.consultations.change(case_id, COURSE.read)
        post.consultations.change(case_id, COURSE.back)
    for answer in steps()[:5]:
        post.consultations.change(case_id, answer)
    for answer in steps()[6:] if is_told else steps()[5:]:  # nobody comes to the pictures after the stop
        post.consultations.change(case_id, answer)
    post.hand_over(case_id)
    case = post.cases.load(case_id)
    assert case.intake.danger_signs == CALM
    assert case.photography.is_stopped is is_told
