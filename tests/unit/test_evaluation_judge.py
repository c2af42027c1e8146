"""The optional judge: texts stay on this machine, only texts go, and an odd answer is one line. A real HTTP server."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from calibration.evaluation.answers import Turn
from calibration.evaluation.judge import DIMENSIONS, Judge, is_loopback, judge_texts
from edge_agent.errors import CalibrationError, ConfigError
from tests.simulators.answered_cases import labelled_case, right_answer
from tests.simulators.judge_endpoint import FOUR, Endpoint


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """A running server."""
    server = Endpoint()
    yield server
    server.close()


def test_six_scores_are_read(endpoint: Endpoint) -> None:
    """The answer's JSON object is read even where the model wraps it in words; the protocol is chat completions."""
    endpoint.content = f"Here you are:\n```json\n{json.dumps(FOUR)}\n```"
    scores = Judge(endpoint.url, model="m").score("皮损鲜红", "皮损暗红")
    assert scores.model_dump() == FOUR
    [(path, body)] = endpoint.requests
    assert path == "/v1/chat/completions"
    assert body["model"] == "m"
    assert json.loads(body["messages"][1]["content"]) == {"report": "皮损鲜红", "reference": "皮损暗红"}


@pytest.mark.parametrize(
    "content",
    ["no scores", "{}", json.dumps({**FOUR, "safety": 6}), json.dumps({**FOUR, "beauty": 5}), json.dumps([4] * 6)],
)
def test_an_odd_answer_is_no_score(endpoint: Endpoint, content: str) -> None:
    """Fewer or more than six scores, or one outside 1 to 5, is an error and never a number."""
    endpoint.content = content
    with pytest.raises(CalibrationError, match="six scores"):
        Judge(endpoint.url, model="m").score("a", "b")


@pytest.mark.parametrize("url", ["http://192.0.2.7:8000/v1", "http://[2001:db8::1]/v1", "https://judge.invalid/v1"])
def test_texts_stay_on_this_machine(url: str) -> None:
    """Another machine, or a name that leads nowhere, is refused before anything is sent."""
    with pytest.raises(ConfigError, match="--judge-may-leave"):
        Judge(url, model="m")


def test_texts_may_leave_when_somebody_says_so() -> None:
    """The switch is explicit."""
    Judge("https://judge.invalid/v1", model="m", may_leave=True)


@pytest.mark.parametrize(
    ("host", "is_here"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("192.0.2.7", False)]
)
def test_loopback_is_what_the_addresses_say(host: str, is_here: bool) -> None:
    """Not a name's sound but its addresses decide."""
    assert is_loopback(host) is is_here


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "127.0.0.1:8000", "ftp://127.0.0.1/", "http://[bad", "http://127.0.0.1:99999/v1"]
)
def test_only_http_is_spoken(url: str) -> None:
    """No other scheme, no bare host, no address or port that is none."""
    with pytest.raises(ConfigError, match=r"give an http\(s\) URL"):
        Judge(url, model="m")


def test_a_redirect_is_not_followed(endpoint: Endpoint) -> None:
    """A judge here could otherwise lead texts elsewhere."""
    endpoint.status, endpoint.location = 307, "http://192.0.2.7/v1/chat/completions"
    with pytest.raises(CalibrationError, match="does not answer"):
        Judge(endpoint.url, model="m").score("a", "b")
    assert len(endpoint.requests) == 1


def test_a_proxy_is_not_asked(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in the environment would carry texts off this machine."""
    monkeypatch.setenv("http_proxy", "http://192.0.2.7:3128")
    assert Judge(endpoint.url, model="m").score("a", "b").accuracy == 4


def test_no_judge_is_one_line() -> None:
    """Nobody listens at the port: one line that says what to do."""
    with pytest.raises(CalibrationError, match="start it or leave --judge out"):
        Judge("http://127.0.0.1:9/v1", model="m").score("a", "b")


def test_only_texts_are_sent(endpoint: Endpoint) -> None:
    """Reason's words and the labels go; case names, forms and pictures do not."""
    case = labelled_case(7, intake={"local_reference": "bed 12", "age_years": 41})
    turn = Turn(agent="reasoning", views=[], texts={"intake": "duration secret"}, answers=['{"syndrome":"blood_heat"}'])
    answer = right_answer(case).model_copy(update={"turns": [turn]})
    judged = judge_texts(Judge(endpoint.url, model="m"), [case], [answer], most=5, tell=lambda *_: None)
    assert judged.as_data()["means"] == dict.fromkeys(DIMENSIONS, 4.0)
    [(_, body)] = endpoint.requests
    sent = json.dumps(body, ensure_ascii=False)
    assert "blood_heat" in sent
    for private in ("case-00007", "bed 12", "41", "secret", "1.png"):
        assert private not in sent


def test_nothing_to_judge_is_an_error(endpoint: Endpoint) -> None:
    """A judge that was asked for and judged nothing must not look like a judge that was content."""
    case = labelled_case(0, family="bullous")
    with pytest.raises(CalibrationError, match="nothing to judge"):
        judge_texts(Judge(endpoint.url, model="m"), [case], [right_answer(case)], most=5, tell=lambda *_: None)
