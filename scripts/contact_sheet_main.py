"""Draw the contact sheet: 60 rendered cases, one view each, with the labels that the model shall learn as captions.

A stranger should be able to name the signs before reading the caption. The views are shrunk to what the model sees
(168 pixels) and enlarged again, so that nobody is fooled by detail that the model never gets.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from calibration.reference.cases import RenderedCase, RenderedView, case, text_case
from calibration.reference.list_values import items

SPLIT = "ceiling"  # never trained on, never reported on
COLUMNS, ROWS = 10, 6
SEEN, TILE, CAPTION, GAP = 168, 184, 110, 8  # pixels
# How many of the 60 show what: psoriasis-like near views, overviews, other families, healthy skin and things.
QUOTA = {"near": 24, "overview": 10, "other": 20, "healthy": 4, "thing": 2}


def main() -> None:
    """Write the sheet and print how long a picture took to draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/pictures/contact-sheet.jpg"))
    parser.add_argument("--first", type=int, default=0, help="case index to start from")
    arguments = parser.parse_args()
    started = time.process_time()
    shown, pictures = choose(arguments.first)
    per_picture = 1000 * (time.process_time() - started) / pictures
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    sheet(shown).save(arguments.out, quality=82, optimize=True)
    print(f"{arguments.out}: {len(shown)} cases, {pictures} pictures drawn, {per_picture:.1f} ms of processor each")


def choose(first: int) -> tuple[list[tuple[RenderedCase, RenderedView]], int]:
    """Draw cases in order until every quota is full; also return how many pictures were drawn."""
    left = dict(QUOTA)
    shown: dict[str, list[tuple[RenderedCase, RenderedView]]] = {kind: [] for kind in QUOTA}
    pictures, index = 0, first
    while any(left.values()):
        kind = _kind(text_case(SPLIT, index), overviews_left=left["overview"])
        if left[kind]:
            drawn = case(SPLIT, index)
            pictures += len(drawn.views)
            views = [view for view in drawn.views if (view.shot == "overview") == (kind == "overview")]
            shown[kind].append((drawn, views[0]))
            left[kind] -= 1
        index += 1
    return [pair for pairs in shown.values() for pair in pairs], pictures


def _kind(bare: RenderedCase, *, overviews_left: int) -> str:
    if bare.signs.applicability == "not_skin":
        return "thing"
    if bare.signs.applicability != "lesion_visible":
        return "healthy"
    if bare.signs.family != "papulosquamous":
        return "other"
    return "overview" if overviews_left and "overview" in bare.shots else "near"


def sheet(shown: list[tuple[RenderedCase, RenderedView]]) -> Image.Image:
    """Lay the views out in rows with their captions."""
    wide, high = TILE + GAP, TILE + CAPTION + GAP
    page = Image.new("RGB", (COLUMNS * wide + GAP, ROWS * high + GAP), "white")
    pen = ImageDraw.Draw(page)
    font = ImageFont.load_default(9)
    for n, (drawn, view) in enumerate(shown):
        x, y = GAP + n % COLUMNS * wide, GAP + n // COLUMNS * high
        tile = Image.fromarray(view.pixels)
        tile.thumbnail((SEEN, SEEN), Image.Resampling.BICUBIC)
        scale = TILE / SEEN
        size = (round(tile.width * scale), round(tile.height * scale))
        page.paste(tile.resize(size, Image.Resampling.BICUBIC), (x, y))
        pen.multiline_text((x, y + TILE + 2), caption(drawn, view), fill="black", font=font, spacing=1)
    return page


def caption(drawn: RenderedCase, view: RenderedView) -> str:
    """Say in short lines what the model shall say about this view, or about the case for an overview."""
    labels = view.labels
    head = f"tone {drawn.tone}, {view.shot}"
    if labels["applicability"] in ("not_skin", "normal_skin"):
        return f"{head}\n{labels['applicability']}"
    if view.shot == "overview":
        where = drawn.representation
        return f"{head}\n{_ids(where['distribution'])}, {where['symmetry']}\n{_ids(labels['colour'])}, {where['stage']}"
    family = labels["family"] if labels["family"] != "cannot_tell" else labels["applicability"]
    grades = f"erythema {_ids(labels['erythema'])}, induration {_ids(labels['induration'])}"
    return "\n".join(
        (
            head,
            f"{family}, {_ids(labels['primary_lesion'])}",
            _ids(labels["colour"]),
            grades,
            f"{labels['scale_type']} {_ids(labels['scale_amount'])}",
            _ids(labels["secondary_change"]),
            f"{labels['border']}, {_ids(labels['shape'])}, {labels['arrangement']}",
            f"{labels['count_in_view']}, {labels['surface_share']}",
            f"{_ids(labels['special'])}; {drawn.representation['stage']}",
        )
    )


def _ids(value: Any) -> str:
    """Write a value or a list of ids."""
    return "+".join(str(item) for item in items(value))


if __name__ == "__main__":
    main()
