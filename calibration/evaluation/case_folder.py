"""Read and write a folder of labelled cases: pictures, form, what is true of each view and visit. See docs/evaluation.md.

    DIR/<case_id>/case.json      a ``CaseFile``
    DIR/<case_id>/1.png ...      its pictures, named in case.json

Every file is checked before the first hour of work is spent. Does not read pixels until they are asked for, and knows
no bundle: a field that a bundle does not decide is simply not measured.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from calibration.evaluation.label_fields import label_fields
from edge_agent.agents.scope import DANGER_FAMILIES
from edge_agent.capture.stills import read_picture
from edge_agent.contracts.case import Frame
from edge_agent.contracts.intake import Intake
from edge_agent.contracts.intake_values import Shot
from edge_agent.contracts.manifest import AgentName, Strict
from edge_agent.contracts.terms import Vocabulary
from edge_agent.errors import CaseError

CASE_NAME = "case.json"
_MAX_FILE_BYTES = 1 << 20

Label = str | int | list[str] | None
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


class LabelledView(Strict):
    """One picture: its file, its distance, what Rec should say of it, and the expert's words where there are any.

    Label only what the picture can show: a field that is left out is not counted.
    """

    picture: Name
    shot: Shot | None = None
    labels: dict[str, Label] = Field(default_factory=dict)
    text: str | None = None


class CaseFile(Strict):
    """One case as ``case.json`` holds it.

    ``tone_group`` names the group whose figures must not fall behind (``1`` to ``5`` for drawn cases, ``fitzpatrick_5``
    or whatever is known otherwise). ``in_scope``: the program should read it. ``intake`` is the form as the device takes
    it; ``previous`` an earlier visit's ``previous.<field>`` values. ``representation`` and ``reasoning`` are labels by
    field (``biomedical.working`` with its dot). ``texts`` are expert texts by ``<agent>.<step>``.
    """

    schema_version: Literal[1] = 1
    case_id: Name
    tone_group: Name
    in_scope: bool
    intake: dict[str, Any] = Field(default_factory=dict)
    previous: dict[str, str] | None = None
    views: list[LabelledView] = Field(min_length=1, max_length=12)
    representation: dict[str, Label] = Field(default_factory=dict)
    reasoning: dict[str, Label] = Field(default_factory=dict)
    texts: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EvaluationCase:
    """One checked case and the folder with its pictures."""

    file: CaseFile
    folder: Path

    @property
    def case_id(self) -> str:
        """Return the case's name."""
        return self.file.case_id

    @property
    def view_type(self) -> str:
        """Return the distances of the visit's pictures, each once: ``overview+close_up``."""
        return "+".join(dict.fromkeys(view.shot or "unknown" for view in self.file.views))

    @property
    def is_danger(self) -> bool:
        """Say whether any view is labelled with a family that must never be called psoriasis."""
        return any(view.labels.get("family") in DANGER_FAMILIES for view in self.file.views)

    @property
    def is_unreadable(self) -> bool:
        """Say whether every labelled view shows nothing to read: normal skin, no skin, a stain."""
        seen = [view.labels["applicability"] for view in self.file.views if "applicability" in view.labels]
        return bool(seen) and "lesion_visible" not in seen

    def frames(self) -> list[Frame]:
        """Read the pictures, uint8[H, W, 3] BGR each.

        Raises:
            PictureError: one cannot be read; names it.
        """
        return [read_picture(self.folder / view.picture) for view in self.file.views]


def read_cases(folder: Path, *, per_tone: int | None = None) -> list[EvaluationCase]:
    """Read and check every case of a folder, in the order of their names.

    Args:
        folder: as described above; other files in it are left alone.
        per_tone: keep the first so many of each tone group; None keeps all.

    Raises:
        CaseError: no case, or one that is malformed; names the file, the field and what to do.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if (path / CASE_NAME).is_file())
    except OSError as exc:
        raise CaseError(f"cannot read the cases in {folder}: {exc.strerror}; give a folder of cases") from exc
    if not paths:
        raise CaseError(f"{folder} holds no <case>/{CASE_NAME}; write cases as docs/evaluation.md says")
    vocabulary = Vocabulary.load()
    counts: dict[str, int] = {}
    cases = []
    for path in paths:
        case = _read_case(path, vocabulary)
        tone = case.file.tone_group
        counts[tone] = counts.get(tone, 0) + 1
        if per_tone is None or counts[tone] <= per_tone:
            cases.append(case)
    return cases


def write_case(folder: Path, file: CaseFile, pictures: Mapping[str, bytes]) -> None:
    """Write one case below a folder of cases; the description last, so that a half-written case is no case.

    Args:
        folder: of all cases.
        file: the case.
        pictures: PNG or JPEG bytes by the names that its views use.

    Raises:
        CaseError: it cannot be written.
    """
    target = folder / file.case_id
    text = json.dumps(file.model_dump(mode="json", exclude_defaults=True), indent=1, ensure_ascii=False) + "\n"
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name, data in pictures.items():
            (target / name).write_bytes(data)
        temporary = target / f"{CASE_NAME}.tmp"
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(target / CASE_NAME)
    except OSError as exc:
        raise CaseError(f"cannot write the case {target}: {exc.strerror}; free space or choose another --out") from exc


def cases_digest(cases: Sequence[EvaluationCase]) -> str:
    """Return the sha256 over descriptions and pictures, so that figures of other cases are never taken for these."""
    digest = hashlib.sha256()
    for case in cases:
        digest.update(case.file.model_dump_json().encode())
        for view in case.file.views:
            digest.update(hashlib.sha256((case.folder / view.picture).read_bytes()).digest())
    return digest.hexdigest()


def _read_case(folder: Path, vocabulary: Vocabulary) -> EvaluationCase:
    path = folder / CASE_NAME
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise CaseError(f"{path} is larger than 1 MiB; a case holds labels, not pictures")
        file = CaseFile.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CaseError(f"{path}: {where}: {first['msg']}; mend the case") from exc
    except (OSError, ValueError) as exc:
        raise CaseError(f"{path} cannot be read: {' '.join(str(exc).split())[:120]}; mend the case") from exc
    problem = next(_problems(file, folder, vocabulary), None)
    if problem is not None:
        raise CaseError(f"{path}: {problem}; mend the case")
    return EvaluationCase(file, folder)


def _problems(file: CaseFile, folder: Path, vocabulary: Vocabulary) -> Iterator[str]:
    """Yield what no single field shows."""
    if file.case_id != folder.name:
        yield f"case_id {file.case_id} is not the folder's name"
    try:
        Intake.model_validate(file.intake)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        yield f"intake.{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    for number, view in enumerate(file.views):
        if not (folder / view.picture).is_file():
            yield f"views.{number}.picture: {view.picture} is not in the folder"
        yield from _label_problems(view.labels, "recognition", where=f"views.{number}.labels", vocabulary=vocabulary)
    yield from _label_problems(file.representation, "representation", where="representation", vocabulary=vocabulary)
    yield from _label_problems(file.reasoning, "reasoning", where="reasoning", vocabulary=vocabulary)


def _label_problems(
    labels: Mapping[str, Label], agent: AgentName, *, where: str, vocabulary: Vocabulary
) -> Iterator[str]:
    """Yield every label whose field or id the vocabulary does not know: it would count as wrong for ever."""
    known = label_fields(vocabulary, agent)
    for field, label in labels.items():
        if field not in known:
            yield f"{where}.{field}: no field of {agent}; known are {', '.join(sorted(known))}"
            continue
        found, grades = known[field]
        if grades is not None:
            allowed: set[Any] = {*range(grades[0], grades[1] + 1), None}
        else:
            allowed = {*found.terms, *({"none"} if field == "secondary_syndrome" else ())}
        for item in label if isinstance(label, list) else [label]:
            if item not in allowed:
                yield f"{where}.{field}: {item!r} is no value of the list {found.name}"
