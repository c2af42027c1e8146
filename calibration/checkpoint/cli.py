"""``derm-calibrate inspect`` and ``derm-calibrate shape``: look before a build, and make something to try it on."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from calibration.checkpoint.shapes import SHAPES
from edge_agent.contracts.manifest import AGENTS
from edge_agent.errors import ConfigError

if TYPE_CHECKING:
    from calibration.checkpoint.inspection import Checkpoint

Run = Callable[[argparse.Namespace], int]


def add_parser(subparsers: Any, *, inspect_bundle: Run) -> None:
    """Add ``inspect`` and ``shape`` to the command line of ``derm-calibrate``.

    Args:
        subparsers: of the main parser.
        inspect_bundle: what ``inspect`` does with a folder that is no checkpoint.
    """
    inspect = subparsers.add_parser("inspect", help="check a checkpoint before a build, or verify and print a bundle")
    inspect.add_argument(
        "folder", type=Path, metavar="DIR", help="checkpoint in Hugging Face layout, or a bundle, signed or not"
    )
    inspect.add_argument("--keys", type=Path, help="bundle: folder of NAME.pub.pem; default: the development key")
    inspect.add_argument(
        "--adapter", action="append", default=[], metavar="AGENT=DIR", help=f"PEFT folder; AGENT: {', '.join(AGENTS)}"
    )
    inspect.add_argument(
        "--recipe", help="refuse what this recipe's build cannot finish here; default: print all recipes"
    )
    inspect.add_argument("--out", type=Path, default=Path(), help="where the build would write; default: this folder")
    inspect.add_argument("--json", action="store_true", help="print everything as JSON")
    inspect.set_defaults(run=lambda args: run_inspect(args, inspect_bundle=inspect_bundle))
    shape = subparsers.add_parser(
        "shape", help="write a checkpoint of a real shape with random weights and all that a build takes"
    )
    shape.add_argument("--like", required=True, choices=tuple(SHAPES))
    shape.add_argument("--out", type=Path, required=True, help="the checkpoint's folder; must not exist")
    shape.add_argument("--layers", type=int, help="at most this many decoder layers and vision blocks")
    shape.add_argument("--seed", type=int, default=0)
    shape.set_defaults(run=run_shape)


def run_inspect(args: argparse.Namespace, *, inspect_bundle: Run) -> int:
    """Print what a folder holds; a checkpoint with faults, or one that cannot be built here, ends with an error."""
    if not (args.folder / "config.json").exists():
        _require_bundle(args.folder)
        return inspect_bundle(args)
    from calibration.checkpoint.estimates import check_resources
    from calibration.checkpoint.inspection import InspectionRequest, inspect_checkpoint
    from calibration.checkpoint.preflight import device_profiles
    from calibration.checkpoint.workstation import detect_workstation
    from calibration.recipe import load_recipe, recipe_folder

    names = [args.recipe] if args.recipe else sorted(path.stem for path in recipe_folder().glob("*.toml"))
    request = InspectionRequest(
        folder=args.folder,
        adapters=adapter_folders(args.adapter),
        recipes=[load_recipe(name) for name in names],
        profiles=device_profiles(),
        workstation=detect_workstation(args.out),
    )
    with _bar() as bar:
        task = bar.add_task("headers", total=None)
        checkpoint = inspect_checkpoint(
            request,
            on_progress=lambda file, done, total: bar.update(task, description=file, completed=done, total=total),
        )
    _print(checkpoint, is_json=args.json)
    checkpoint.require()
    if args.recipe:
        check_resources(checkpoint.estimates[0], checkpoint.workstation)
    return 0


def _require_bundle(folder: Path) -> None:
    """Refuse what is no folder, and a folder that is neither of the two things that can be inspected.

    Raises:
        ConfigError: says what was looked for.
    """
    from calibration.package import UNSIGNED_NAME
    from edge_agent.contracts.bundle import ENVELOPE_NAME

    if not folder.is_dir():
        raise ConfigError(f"{folder} is no folder; give a checkpoint or a bundle")
    if not any((folder / name).is_symlink() or (folder / name).exists() for name in (ENVELOPE_NAME, UNSIGNED_NAME)):
        raise ConfigError(
            f"{folder} is neither a checkpoint (no config.json) nor a bundle (no {ENVELOPE_NAME}, no {UNSIGNED_NAME}); "
            "give the folder itself"
        )


def _print(checkpoint: Checkpoint, *, is_json: bool) -> None:
    if is_json:
        print(json.dumps(checkpoint.as_report(), indent=1, ensure_ascii=False))
        return
    from calibration.checkpoint.printout import print_checkpoint

    console = Console()
    print_checkpoint(checkpoint, console=console if console.is_terminal else Console(width=160))


def adapter_folders(items: list[str]) -> dict[str, Path]:
    """Read ``AGENT=DIR`` options.

    Raises:
        ConfigError: no agent of this name, no folder, or an agent twice.
    """
    found: dict[str, Path] = {}
    for item in items:
        name, separator, folder = item.partition("=")
        if name not in AGENTS or not separator or not folder or name in found:
            raise ConfigError(f"--adapter {item!r}: write AGENT=DIR once for each of {', '.join(AGENTS)}")
        found[name] = Path(folder)
    return found


def run_shape(args: argparse.Namespace) -> int:
    """Write a random checkpoint and print its folder, and on stderr how to build it."""
    if args.layers is not None and args.layers < 1:
        raise ConfigError(f"--layers {args.layers}: a model has at least one layer")
    from calibration.checkpoint.shape import write_shape

    shape = SHAPES[args.like] if args.layers is None else SHAPES[args.like].with_layers(args.layers)
    with _bar() as bar:
        task = bar.add_task("tokenizer", total=None)
        write_shape(
            shape,
            args.out,
            seed=args.seed,
            on_progress=lambda name, done, total: bar.update(task, description=name, completed=done, total=total),
        )
    adapters = " ".join(f"--adapter {agent}={args.out / 'adapters' / agent}" for agent in AGENTS)
    command = f"derm-calibrate build --base {args.out} {adapters} --recipe {args.out / 'recipe.toml'} --out DIR"
    Console(stderr=True).print(f"next: {command}", soft_wrap=True, highlight=False, markup=False)
    print(args.out)
    return 0


def _bar() -> Progress:
    """Return a progress bar on stderr that vanishes when it is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)
