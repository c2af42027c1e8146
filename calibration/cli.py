"""Command line of the workstation: every command of ``derm-calibrate``.

Messages go to stderr, results to stdout. An error is one line and the exit code of its class.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from calibration.acceptance import cli as acceptance_cli
from calibration.checkpoint import cli as checkpoint_cli
from calibration.evaluation import cli as evaluation_cli
from calibration.reference import cli as reference_cli
from calibration.sweep import cli as sweep_cli
from calibration.trust import cli as trust_cli
from edge_agent.contracts.manifest import AGENTS, AgentName, Manifest
from edge_agent.errors import ConfigError, EdgeError

if TYPE_CHECKING:
    from edge_agent.contracts.bundle import Bundle


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code.

    Args:
        argv: arguments without the program's name; None takes the process's.
    """
    reference_cli.stay_offline()
    console = Console(stderr=True)
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        args = _parser().parse_args(arguments)
        return int(args.run(args) or 0)
    except EdgeError as exc:
        if "--debug" in arguments:
            raise
        console.print(f"[bold red]error:[/] {escape(str(exc))}", highlight=False, soft_wrap=True)
        return exc.exit_code
    except KeyboardInterrupt:
        console.print("interrupted; no bundle was changed, and a training goes on from its last checkpoint")
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="derm-calibrate", description="Make bundles for derm-edge devices.")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_build(commands)
    sign = commands.add_parser("sign", help="sign a built bundle")
    sign.add_argument("bundle", type=Path)
    sign.add_argument("--key", type=Path, help="PEM private key; default: the development key, for trials only")
    sign.add_argument("--replace", action="store_true", help="replace the signature of a signed bundle")
    sign.set_defaults(run=_sign)
    policy = commands.add_parser("sign-policy", help="sign a ministry's policy.toml for its devices")
    policy.add_argument("policy", type=Path, metavar="POLICY.toml")
    policy.add_argument("--key", type=Path, required=True, help="the policy authority's private key, PEM")
    policy.add_argument("--out", type=Path, help="default: policy.dsse.json beside the file")
    policy.set_defaults(run=_sign_policy)
    checkpoint_cli.add_parser(commands, inspect_bundle=_inspect)
    keygen = commands.add_parser("keygen", help="make an ed25519 key pair")
    keygen.add_argument("private", type=Path, metavar="NAME.pem")
    keygen.set_defaults(run=_keygen)
    reference_cli.add_parser(commands)
    evaluation_cli.add_parser(commands)
    trust_cli.add_parser(commands)
    sweep_cli.add_parser(commands)
    acceptance_cli.add_parser(commands)
    return parser


def _add_build(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    build = commands.add_parser("build", help="export, compress, check and package a bundle")
    build.add_argument("--base", type=Path, required=True, help="checkpoint in Hugging Face layout with derm_edge.json")
    build.add_argument(
        "--adapter", action="append", default=[], metavar="AGENT=DIR", help=f"PEFT folder; AGENT: {', '.join(AGENTS)}"
    )
    build.add_argument("--recipe", required=True, help="a recipe's name (calibration/recipes) or a path to a TOML file")
    build.add_argument("--calibration-cases", type=Path, help="default: BASE/calibration, then BASE/golden")
    build.add_argument(
        "--later", action="append", default=[], metavar="AGENT=DIR", help="adapter that calibration shall not see"
    )
    build.add_argument("--out", type=Path, required=True, help="the bundle's folder")
    build.add_argument("--key", type=Path, help="PEM private key: sign at once; without it, run `sign` later")
    build.add_argument("--replace", action="store_true", help="replace an older bundle at --out")
    build.set_defaults(run=_build)


def _build(args: argparse.Namespace) -> int:
    from calibration.recipe import load_recipe

    recipe = load_recipe(args.recipe)
    adapters = _adapters(args.adapter)
    later = _adapters(args.later)
    console = Console(stderr=True)
    progress = _Progress(console)
    with console.status("load libraries") as status:
        progress.begin("load libraries", status.update)
        from calibration.build import BuildRequest, build

        request = BuildRequest(
            base=args.base,
            adapters=adapters,
            recipe=recipe,
            out=args.out,
            private_key=args.key,
            replace=args.replace,
            cases=args.calibration_cases,
            later=later,
        )
        manifest = build(request, announce=lambda line: progress.begin(line, status.update))
    progress.end()
    print_summary(manifest, signed_by=None, console=_output())
    measure = f"derm-calibrate evaluate {args.out} --cases DIR --against BUNDLE_FP32"
    if args.key is None:
        console.print(f"not measured and not signed: no device loads it; next: {measure}, then", soft_wrap=True)
        console.print(f"derm-calibrate sign {args.out} --key NAME.pem", soft_wrap=True)
    else:
        console.print(f"signed, but not measured on labelled cases: {measure}", soft_wrap=True)
    return 0


def _adapters(items: Sequence[str]) -> dict[AgentName, Path]:
    found: dict[AgentName, Path] = {}
    for item in items:
        name, separator, folder = item.partition("=")
        agent = next((one for one in AGENTS if one == name), None)
        if agent is None or not separator or not folder:
            raise ConfigError(f"--adapter {item!r}: write AGENT=DIR with AGENT one of {', '.join(AGENTS)}")
        if agent in found:
            raise ConfigError(f"--adapter {agent} is given twice; remove one")
        found[agent] = Path(folder)
    return found


def _sign(args: argparse.Namespace) -> int:
    from calibration.sign import development_key, sign_bundle

    if args.replace and args.key is None:
        raise ConfigError("--replace needs --key: a signature is never replaced with the development key by default")
    manifest = sign_bundle(args.bundle, private_key=args.key or development_key(), replace=args.replace)
    note = "" if args.key else " with the development key, which everybody has: for trials only"
    what = f"{manifest.name} {manifest.version}, backbone {manifest.backbone.content_digest[:16]}"
    Console(stderr=True).print(f"signed {args.bundle} ({what}){note}", soft_wrap=True, highlight=False)
    return 0


def _sign_policy(args: argparse.Namespace) -> int:
    from calibration.sign import sign_policy

    out = args.out or args.policy.with_name("policy.dsse.json")
    policy = sign_policy(args.policy, private_key=args.key, out=out)
    what = f"version {policy.version} of {policy.authority} for {policy.country}"
    Console(stderr=True).print(f"signed {out} ({what})", soft_wrap=True, highlight=False, markup=False)
    return 0


def _inspect(args: argparse.Namespace) -> int:
    from calibration.unsigned import is_unsigned, open_built

    bundle = open_built(args.folder, keys=args.keys)
    proof = _nothing_captured(bundle)
    if args.json:
        print(bundle.manifest.model_dump_json(indent=1))
        return 0
    console = _output()
    signed_by = None if is_unsigned(args.folder) else bundle.signed_by
    print_summary(bundle.manifest, signed_by=signed_by, console=console)
    console.print(f"nothing captured from cases: {proof}", highlight=False, soft_wrap=True)
    return 0


def _nothing_captured(bundle: Bundle) -> str:
    """Prove by positive contents that no calibration case or captured input travels inside; return the proof in words.

    Raises:
        RejectedError: a file holds more than its role says; names it.
    """
    from calibration.trust.contents import check_contents
    from calibration.trust.expected_values import check_canary, check_golden

    facts = []
    for check in (check_contents, check_canary, check_golden):
        found = check(bundle)
        if found.faults:
            raise found.faults[0]
        facts.append(found.facts)
    return "; ".join(facts)


def _keygen(args: argparse.Namespace) -> int:
    from calibration.sign import generate_key

    if args.private.suffix != ".pem" or args.private.name.endswith(".pub.pem"):
        raise ConfigError(f"{args.private}: a private key is called NAME.pem")
    public = generate_key(args.private)
    Console(stderr=True).print(f"keep {args.private} secret and offline; give {public} to the devices")
    return 0


def _output() -> Console:
    """Return the console of results: a file or a pipe gets whole tables, a terminal its own width."""
    console = Console()
    return console if console.is_terminal else Console(width=140)


class _Progress:
    """Print every finished step with its duration; the running one is the caller's status line."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._step: str | None = None
        self._since = 0.0

    def begin(self, step: str, show: object) -> None:
        """End the step before and show the next one."""
        self.end()
        self._step, self._since = step, time.monotonic()
        if callable(show):
            show(step)

    def end(self) -> None:
        """Print the running step as done."""
        if self._step is not None:
            seconds = time.monotonic() - self._since
            self._console.print(f"  {seconds:6.1f} s  {self._step}", highlight=False, soft_wrap=True)
        self._step = None


def print_summary(manifest: Manifest, *, signed_by: str | None, console: Console) -> None:
    """Print what a bundle is: name, signature, agents, sizes, precision census."""
    signature = f"signed by {signed_by}" if signed_by else "not signed"
    console.print(f"[bold]{manifest.name} {manifest.version}[/]  lineage {manifest.lineage}  {signature}")
    console.print(escape(manifest.notice))
    console.print(
        f"backbone {manifest.backbone.content_digest[:16]}  {manifest.backbone.num_hidden_layers} layers x "
        f"{manifest.backbone.hidden_size}  pixel budget {manifest.preprocessing.max_pixels} px  "
        f"vocabulary {manifest.vocabulary_version}  languages {', '.join(manifest.languages)}",
        highlight=False,
    )
    agents = Table("agent", "adapter", "activation", "images", "text", "steps", box=None)
    kinds: dict[str, str] = {
        adapter.name: f"r={adapter.r} {adapter.precision} {adapter.activation.kind}" for adapter in manifest.adapters
    }
    for name in AGENTS:
        agent = manifest.agents[name]
        steps = ", ".join(f"{step.name} ({step.contract})" for step in agent.steps)
        adapter = agent.adapter or "none"
        agents.add_row(name, adapter, kinds.get(adapter, ""), agent.inputs.images, ", ".join(agent.inputs.text), steps)
    console.print(agents)
    census = Table("part", "type", "tensors", "elements", "bytes", box=None)
    for row in manifest.census:
        census.add_row(row.part, row.element_type, f"{row.tensors:,}", f"{row.elements:,}", f"{row.bytes:,}")
    console.print(census)
    total = sum(entry.size_bytes for entry in manifest.files)
    console.print(f"{len(manifest.files)} files, {total / 1e6:.2f} MB, {manifest.golden.count} golden cases")
