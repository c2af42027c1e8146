"""The quality gate: every rule refuses or warns where it should, accepts where it should, and for every skin tone alike."""

from __future__ import annotations

import typing

import cv2
import numpy as np
import pytest

from edge_agent.capture.quality.gate import MAX_REASONS, Quality, judge
from edge_agent.capture.quality.limits import FILE, read_limits, released_limits
from edge_agent.capture.quality.notes import noted
from edge_agent.contracts.case import Frame
from edge_agent.contracts.intake import Intake, ViewNote
from edge_agent.contracts.intake_values import ViewQuality
from edge_agent.contracts.terms import Vocabulary
from edge_agent.errors import ConfigError
from scripts.picture_quality.degrade import cast, defocus, glare, less_light, movement, overexposed, smaller
from tests.simulators.skin_pictures import TONES, cloth_picture, skin_picture

STRONG = {
    "defocus": (defocus(0.016), {"blur_focus", "blur_motion"}),
    "more defocus": (defocus(0.03), {"blur_focus", "blur_motion"}),
    "movement": (movement(0.08), {"blur_motion", "blur_focus"}),
    "dark": (less_light(5), {"too_dark"}),
    "bright": (overexposed(3), {"too_bright"}),
    "glare": (glare(0.25), {"glare"}),
}


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def verdict(frame: Frame, shot: str | None = "close_up") -> tuple[str, set[str]]:
    found = judge([frame], shot=shot)
    return found.verdict, set(found.reasons)


@pytest.mark.parametrize("tone", TONES)
@pytest.mark.parametrize("seed", range(6))
def test_sharp_and_lit_skin_is_accepted_whatever_its_tone(tone: int, seed: int) -> None:
    """Thirty drawn pictures, six of each tone: none is refused, none gets a word about light or skin."""
    found, reasons = verdict(skin_picture(tone, seed=seed))
    assert found != "refused"
    assert not reasons & {"too_dark", "too_bright", "not_skin", "glare", "blur_focus", "blur_motion"}


@pytest.mark.parametrize("tone", TONES)
@pytest.mark.parametrize("name", STRONG)
def test_what_a_person_would_take_again_is_refused_with_its_reason(name: str, tone: int) -> None:
    """Defocus, movement, darkness, overexposure and large glare, on every tone."""
    spoil, named = STRONG[name]
    found, reasons = verdict(spoil(skin_picture(tone), rng()))
    assert found == "refused"
    assert reasons & named


def test_dark_skin_is_not_darkness() -> None:
    """The darkest tone passes; the lightest, with light taken until it is as dark to look at, does not."""
    dark_skin, dark_room = skin_picture(5), less_light(5)(skin_picture(1), rng())
    assert float(np.median(dark_skin)) < 70
    assert verdict(dark_skin)[0] != "refused"
    assert verdict(dark_room) == ("refused", {"too_dark"})


def test_bare_smooth_skin_is_not_called_blurred() -> None:
    """Skin without a lesion has little to be sharp in; its pores are enough."""
    assert "blur_focus" not in verdict(skin_picture(2, lesion=None))[1]


def test_a_reflection_does_not_make_a_sharp_picture_blurred() -> None:
    """A soft white blob is glare; the skin around it is as sharp as before."""
    found, reasons = verdict(glare(0.03)(skin_picture(3), rng()))
    assert found == "accepted_with_warning"
    assert reasons == {"glare"}


def test_movement_is_named_movement() -> None:
    """A smear along one direction is told from defocus by the other directions."""
    assert "blur_motion" in verdict(movement(0.05)(skin_picture(3), rng()))[1]
    assert "blur_focus" in verdict(defocus(0.016)(skin_picture(3), rng()))[1]


@pytest.mark.parametrize(
    ("colour", "expected"), [((160, 90, 30), "refused"), ((200, 200, 200), "refused"), ((90, 150, 60), "refused")]
)
def test_cloth_of_a_colour_that_no_skin_has_is_refused(colour: tuple[int, int, int], expected: str) -> None:
    """Blue, grey and green cloth are not skin; in an overview the room may have any colour."""
    found, reasons = verdict(cloth_picture(colour))
    assert (found, "not_skin" in reasons) == (expected, True)
    assert "not_skin" not in verdict(cloth_picture(colour), shot="overview")[1]


@pytest.mark.parametrize("tone", TONES)
def test_skin_under_a_coloured_lamp_is_still_skin(tone: int) -> None:
    """A bluish or a yellow lamp never makes a person's skin "not skin"; a strong one may be warned about."""
    for lamp in (cast(1.15, 1.0, 0.9), cast(0.35, 0.85, 1.05)):
        found, reasons = verdict(lamp(skin_picture(tone), rng()))
        assert found != "refused"
        assert "not_skin" not in reasons


def test_a_strong_blue_lamp_is_warned_about() -> None:
    """The colour of the light is named; the picture is kept."""
    found, reasons = verdict(cast(2.2, 0.95, 0.4)(skin_picture(3), rng()))
    assert found != "accepted"
    assert reasons & {"colour_cast", "not_skin"}


def test_a_lesion_that_runs_over_the_edge_is_warned_about() -> None:
    """Cut off is a warning, never a refusal; the same lesion in the middle is none."""
    found, reasons = verdict(skin_picture(2, lesion=(0.95, 0.0, 0.3)))
    assert (found, reasons) == ("accepted_with_warning", {"lesion_cut_off"})
    assert verdict(skin_picture(2, lesion=(0, 0, 0.3))) == ("accepted", set())


def test_a_tiny_lesion_is_too_far_in_a_close_up_only() -> None:
    """A speck in the middle of a close-up: come nearer. An overview is meant to be far."""
    speck = skin_picture(1, lesion=(0, 0, 0.016))
    assert verdict(speck) == ("accepted_with_warning", {"too_far"})
    assert verdict(speck, shot="overview") == ("accepted", set())


def covered(share: float) -> Frame:
    frame = skin_picture(2)
    frame[:, : round(share * frame.shape[1])] = 8
    return frame


def test_a_finger_before_the_lens_is_warned_about_then_refused() -> None:
    """A black area from one edge: a third warns, more than half refuses."""
    assert "obstructed" in verdict(covered(0.33))[1]
    assert verdict(covered(0.33))[0] != "refused"
    assert verdict(covered(0.65))[0] == "refused"


def test_a_smaller_picture_is_judged_alike() -> None:
    """Half the size changes no verdict on a good picture nor on a blurred one."""
    good = skin_picture(4, size=640)
    assert verdict(smaller(0.5)(good, rng()))[0] == verdict(good)[0] == "accepted"
    assert verdict(smaller(0.5)(defocus(0.03)(good, rng()), rng()))[0] == "refused"


def test_the_best_of_a_burst_is_judged() -> None:
    """Of three frames the sharp one decides and is named."""
    good = skin_picture(3)
    found = judge([defocus(0.03)(good, rng()), good, movement(0.08)(good, rng())], shot="close_up")
    assert (found.best, found.verdict) == (1, "accepted")


def test_a_grainy_picture_of_dark_skin_is_not_refused_for_its_grain() -> None:
    """Noise hides fine texture first where skin is dark and the room dim: the finer scale may warn, not refuse."""
    grainy = skin_picture(5).astype(np.float32) + rng().normal(0, 6, (360, 360, 1))
    assert verdict(np.asarray(np.clip(grainy, 0, 255), np.uint8))[0] != "refused"


def test_reasons_come_from_the_vocabulary_and_are_at_most_four() -> None:
    """A picture with everything wrong names four reasons of the list quality_reason, what refuses first."""
    frame = defocus(0.03)(cloth_picture((200, 60, 20)), rng())
    frame[:, :120] = 4
    cv2.circle(frame, (260, 180), 60, (255, 255, 255), -1)
    found = judge([frame], shot="close_up")
    assert found.verdict == "refused"
    assert 1 < len(found.reasons) <= MAX_REASONS
    assert set(found.reasons) <= set(Vocabulary.load().lists["quality_reason"].terms)
    assert found.verdict in typing.get_args(ViewQuality)


@pytest.mark.parametrize("frame", [np.zeros((80, 80), np.uint8), np.zeros((80, 80, 3), np.float32)])
def test_what_is_no_frame_is_a_mistake_of_the_program(frame: typing.Any) -> None:
    """Grey or floating-point pictures never reach the gate; nor does nothing."""
    with pytest.raises(RuntimeError):
        judge([frame])
    with pytest.raises(RuntimeError):
        judge([])


@pytest.mark.parametrize("shape", [(56, 56), (56, 900), (3072, 60)])
@pytest.mark.parametrize("value", [0, 128, 255])
def test_any_size_and_any_flat_picture_gets_a_verdict(shape: tuple[int, int], value: int) -> None:
    """The smallest pictures, strips and flat ones are judged without an error, and a flat one is refused."""
    assert judge([np.full((*shape, 3), value, np.uint8)]).verdict == "refused"


def test_limits_without_a_source_or_with_an_unknown_name_are_refused() -> None:
    """A limit nobody can explain does not run."""
    text = "\n".join(f'[{name}]\nwarn = 1.0\nsource = "a test"' for name, _ in released_limits())
    assert read_limits(text).glare.warn == 1.0
    for damaged in (text.replace('source = "a test"', "", 1), text + '\n[other]\nwarn = 1.0\nsource = "a test"', "["):
        with pytest.raises(ConfigError, match=FILE):
            read_limits(damaged)


def test_a_looser_limit_accepts_what_the_released_one_refuses() -> None:
    """The verdict follows the limits: they are data, not code."""
    blurred = defocus(0.03)(skin_picture(3), rng())
    own = released_limits()
    loose = own.model_copy(
        update={
            name: own.focus_fine.model_copy(update={"warn": 0.0, "refuse": 0.0})
            for name in ("focus_fine", "focus_coarse", "movement_fine")
        }
    )
    assert judge([blurred], limits=loose).verdict != "refused"


def test_the_form_gets_the_verdict_only_where_nobody_judged() -> None:
    """A person's word stays; a picture without a note gets one."""
    good, blurred = skin_picture(3), defocus(0.03)(skin_picture(3), rng())
    intake = Intake(views=(ViewNote(shot="close_up", quality="accepted"), ViewNote(shot="close_up", body_site="knee")))
    form, judged = noted(intake, [blurred, blurred, good])
    assert [note.quality for note in form.views] == ["accepted", "refused", "accepted"]
    assert [note.body_site for note in form.views] == [None, "knee", None]
    assert judged[0] is None
    assert isinstance(judged[1], Quality)
    assert "blur_focus" in judged[1].reasons
    assert ["blur_focus" in note.reasons for note in form.views] == [False, True, False]
