"""The affected sites of a consultation and the pictures taken of them: what was asked, what the gate said. No picture."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from edge_agent.contracts.intake import ViewNote
from edge_agent.contracts.intake_parts import Lax, Record
from edge_agent.contracts.intake_values import BodySite, Laterality, Shot, ViewQuality
from edge_agent.contracts.result import QualityReason

Name = Annotated[str, Field(min_length=1, max_length=64)]


class SiteChoice(Record):
    """One affected body site and what its camera rule asked for.

    ``chaperone`` is a name or ``declined``; ``is_confirmed``: a second yes to this intimate site; ``is_asked``: the
    person was asked about this picture by itself (face, tongue, tattoo). ``has_mark``: a tattoo, a birthmark, jewellery or
    anything else by which people would know the person will be in the picture; None: not asked yet.
    """

    body_site: BodySite
    laterality: Laterality | None = None
    chaperone: Name | None = None
    is_confirmed: bool = False
    is_asked: bool = False
    has_mark: bool | None = None

    @property
    def place(self) -> tuple[BodySite, Laterality | None]:
        """Return which place of the body it is, whatever was asked about it."""
        return self.body_site, self.laterality


class TakenView(Record):
    """One picture of the draft: its number in the vault, what the form says about it and what the gate said.

    ``kind`` is the vault's class; ``clinician`` is who was signed in as one when an intimate picture was taken. What was
    asked about this very picture (R5, R6) stays with it: ``chaperone``, ``is_confirmed``, ``is_asked``, ``has_mark``.
    """

    image_id: Name
    body_site: BodySite
    laterality: Laterality | None = None
    shot: Shot
    quality: ViewQuality
    reasons: Annotated[tuple[QualityReason, ...], Lax, Field(max_length=4)] = ()
    kind: Literal["ordinary", "identifying", "intimate"] = "ordinary"
    source: Literal["camera", "file"] = "camera"
    clinician: Name | None = None
    chaperone: Name | None = None
    is_confirmed: bool = False
    is_asked: bool = False
    has_mark: bool = False

    @property
    def as_asked(self) -> SiteChoice:
        """Return the site with what was asked when this picture was taken."""
        return SiteChoice(
            body_site=self.body_site,
            laterality=self.laterality,
            chaperone=self.chaperone,
            is_confirmed=self.is_confirmed,
            is_asked=self.is_asked,
            has_mark=self.has_mark,
        )

    @property
    def note(self) -> ViewNote:
        """Return what the form of the visit says about this picture."""
        return ViewNote(
            shot=self.shot,
            body_site=self.body_site,
            laterality=self.laterality,
            quality=self.quality,
            reasons=self.reasons,
            has_mark=self.has_mark,
        )

    @property
    def place(self) -> tuple[BodySite, Laterality | None]:
        """Return which of the visit's sites it shows."""
        return self.body_site, self.laterality
