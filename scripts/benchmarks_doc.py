"""Write docs/benchmarks.md from measured figures. A pure function of them: measures nothing, reads nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from calibration.reference.floors import AGENTS, CHANCE_Z, floors
from scripts.benchmarks_table import share_of, table
from scripts.benchmarks_trust import confidence, scope, verifiability
from scripts.recipes_doc import recipes
from scripts.scale_doc import scale
from scripts.speed.doc import engine_section

Data = Mapping[str, Any]
NAMES = {"fp32": "FP32", "int8": "INT8", "int4": "INT4"}
PARTS = ("language_model", "text_embeddings", "vision", "three adapters", "tokenizer", "canary", "golden")
INTRODUCTION = """# Benchmarks

The reference model on **drawn** cases. **Not for clinical use: no figure on this page says anything about people.** The
model has seen only drawings made by this project; it exists so that the rest of the program runs on a real architecture.

Made by `scripts/benchmarks` on {date}, {cpu_count} CPU cores ({flags}), model `{model}`. Everything ran on the device's own
engine in production settings.
"""
COLUMNS = """## Accuracy

What the columns mean:

- **own**: share of right answers over all test cases, each agent with its own adapter. The test split shares no case
  with training or calibration.
- **95 %**: Wilson interval of that share.
- **1 … 5**: the same share on each skin tone, light to dark.
- **bare**: the same backbone without adapters. **swapped**: every agent with another agent's adapter. Both must be
  clearly worse, else the adapters would do nothing.
- **constant**: the best answer that never looks: the most frequent true value, always.
- **ceiling**: a plain CNN trained on drawn pictures only to name this field. It says what the drawings show at least; where
  the model lies above it, the CNN has seen too few pictures to be a ceiling.

A field that is a list is right when it names the same ids as the truth, in any order, none more and none less; its ceiling
is that of the leading id alone. Rec's fields are counted on near views, applicability and colour on overviews too; Rep's
distribution and symmetry where there is an overview. Reason gets the record of faultless answers (`reasoning`) or the
record that the device makes of the answers of Rec and Rep, without what it withholds (`cascade`). Rep and Reason are
measured on the psoriasis-like visits only, whether or not the scope decision found them. The reasoning steps stand under
*Verifiability*.
"""
FLOORS = """## Floors

What the reference model must reach, on the shipped INT4 bundle. Where the constant answer alone is right more than 80 %
of the time (nine of ten cases show a lesion), no accuracy can be clearly better; there *balanced* accuracy is compared:
the mean over the true values, of which a constant answer gets one over their number.
"""
TONES = """## Tone and syndrome

How often each syndrome was answered at the end of the cascade, by skin tone. The cases are drawn so that tone says
nothing about the syndrome. A chi-square test asks whether the answers depend on it; without any dependence its normal
score z stays below {bound} in 19 of 20 test sets. Measured: chi-square {chi2}, {dof} degrees of freedom, **z = {z}**: {verdict}.
"""
SIZES = """## Size

Bytes of the bundle's files by part. *rest*: recipe, model card, SBOM, change plan and licence texts.
"""
SPEED = """## Speed

Whole cases one after the other, {cases} of them, {threads} threads; medians, in milliseconds. *Skipping on* is what
devices run: tokens that the grammar leaves no choice about are appended, not generated. *off* generates each of them. The
two were run in turns on the same cases. *ms per decision*: time of an agent's call divided by the tokens that the model
chose in it: one per field, and in the lists one per item and one for whether the list goes on. *case*: encoding, Rec, Rep
and Reason together, without loading.
"""


def document(figures: Data) -> str:
    """Return the whole Markdown document.

    Args:
        figures: what ``benchmarks_main.Benchmarks.measure`` returned.
    """
    intro = INTRODUCTION.format(**{**figures, "flags": ", ".join(figures["cpu_flags"]) or "unknown features"})
    ceiling = {row["field"]: row["ceiling"] for row in figures["ceiling"]}
    parts = [intro, COLUMNS]
    parts += [_accuracy(name, figures["accuracy"][name], ceiling=ceiling) for name in reversed(list(NAMES))]
    parts += [_tones_of_variants(figures["accuracy"]), confidence(figures["accuracy"])]
    parts += [verifiability(figures["accuracy"]), scope(figures["scope"]), _floors(figures["accuracy"]["int4"])]
    parts += [_tones(figures["accuracy"]["int4"]["own"]["tone_to_syndrome"])]
    parts += [_sizes(figures["sizes"]), _speed(figures["speed"]), recipes(figures.get("recipes"))]
    parts += [scale(figures.get("scale", [])), engine_section()]
    return "\n".join(parts)


def _accuracy(precision: str, modes: Data, *, ceiling: Mapping[str, float]) -> str:
    own, bare, swapped = modes["own"], modes["bare"], modes["swapped"]
    counts = (
        f"Cases per tone: {own['per_tone']} with own adapters, {bare['per_tone']} bare, {swapped['per_tone']} swapped."
    )
    tones = sorted(own["means_per_tone"]["recognition"])
    rows = []
    for name, row in own["fields"].items():
        low, high = row["interval"]
        others = [share_of(modes[mode]["fields"].get(name, {}).get("accuracy")) for mode in ("bare", "swapped")]
        read = ceiling.get(name.partition(".")[2]) if not name.startswith(("reasoning", "cascade")) else None
        by_tone = [share_of(row["per_tone"].get(tone)) for tone in tones]
        figures = [share_of(row["accuracy"]), f"{low:.3f}–{high:.3f}", *by_tone, *others]
        rows.append([name, *figures, share_of(row["constant"]), share_of(read)])
    for agent, mean in own["means"].items():
        by_tone = [share_of(own["means_per_tone"][agent].get(tone)) for tone in tones]
        others = [share_of(modes[mode]["means"][agent]) for mode in ("bare", "swapped")]
        rows.append([f"**mean {agent}**", f"**{share_of(mean)}**", "", *by_tone, *others, "", ""])
    head = ["field", "own", "95 %", *tones, "bare", "swapped", "constant", "ceiling"]
    return f"### {NAMES[precision]}\n\n{counts}\n\n{table(head, rows)}"


def _tones_of_variants(accuracy: Data) -> str:
    """Show the agents' means by tone for every precision and every choice of adapters."""
    tones = sorted(accuracy["int4"]["own"]["means_per_tone"]["recognition"])
    rows = []
    for precision, modes in accuracy.items():
        for mode, figures in modes.items():
            for agent in (*AGENTS, "cascade"):
                by_tone = figures["means_per_tone"][agent]
                shares = [share_of(by_tone.get(tone)) for tone in tones]
                rows.append([f"{NAMES[precision]}, {mode}, {agent}", share_of(figures["means"][agent]), *shares])
    return f"### Means by tone, all variants\n\n{table(['variant', 'mean', *tones], rows)}"


def _floors(modes: Data) -> str:
    judged = floors(modes["own"], others={mode: figures for mode, figures in modes.items() if mode != "own"})
    rows = [["met" if floor.is_met else "**not met**", floor.name, floor.figures] for floor in judged]
    head = f"{FLOORS}\n{sum(floor.is_met for floor in judged)} of {len(judged)} are met.\n\n"
    lines = ["| | floor | measured |", "|---|---|---|", *("| " + " | ".join(row) + " |" for row in rows)]
    return head + "\n".join(lines) + "\n"


def _tones(test: Data) -> str:
    verdict = "at chance" if test["z"] < CHANCE_Z else "not at chance"
    text = TONES.format(bound=CHANCE_Z, chi2=test["chi2"], dof=test["dof"], z=test["z"], verdict=verdict)
    answers = list(next(iter(test["answers"].values())))
    rows = []
    for tone, counts in test["answers"].items():
        total = max(1, sum(counts.values()))
        rows.append([tone, str(total), *(f"{counts[answer] / total:.3f}" for answer in answers)])
    return f"{text}\n{table(['tone', 'cases', *answers], rows)}"


def _sizes(by_precision: Data) -> str:
    def row(name: str, values: Sequence[int]) -> list[str]:
        return [name, *(f"{value:,}" for value in values)]

    sizes = [by_precision[precision] for precision in NAMES]
    rows = [row(part, [size.get(part, 0) for size in sizes]) for part in PARTS]
    rows.append(row("rest", [sum(v for part, v in size.items() if part not in PARTS) for size in sizes]))
    rows.append([f"**{word}**" for word in row("bundle", [sum(size.values()) for size in sizes])])
    return f"{SIZES}\n{table(['part', *NAMES.values()], rows)}"


def _speed(by_precision: Data) -> str:
    first = next(iter(by_precision.values()))
    head = ["bundle, skipping", *(f"ms per decision, {agent}" for agent in AGENTS), "encode per view", "case"]
    head += ["tokens sampled", "tokens forced"]
    rows = [row for precision in NAMES for row in _speed_rows(precision, by_precision[precision])]
    return f"{SPEED.format(**first)}\n{table(head, rows)}"


def _speed_rows(precision: str, speed: Data) -> Iterator[list[str]]:
    for switch in ("on", "off"):
        row = speed[switch]
        decisions = [f"{row['decision_ms'][agent]:.2f}" for agent in AGENTS]
        tokens = [f"{row['tokens_sampled']:.1f}", f"{row['tokens_forced']:.1f}"]
        yield [
            f"{NAMES[precision]}, {switch}",
            *decisions,
            f"{row['encode_ms_per_view']:.2f}",
            f"{row['case_ms']:.1f}",
            *tokens,
        ]
