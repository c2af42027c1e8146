"""Print a checkpoint for a person: what it is, what it would cost, what is wrong. Decides nothing."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from calibration.checkpoint.inspection import Checkpoint
from device_profiles.cost import sized


def print_checkpoint(checkpoint: Checkpoint, *, console: Console) -> None:
    """Print all tables, then notes and faults, one line each."""
    _print_model(checkpoint, console)
    _print_files(checkpoint, console)
    if checkpoint.adapters:
        _print_adapters(checkpoint, console)
    _print_estimates(checkpoint, console)
    for note in checkpoint.notes:
        console.print(f"note: {escape(note)}", highlight=False, soft_wrap=True)
    for fault in checkpoint.faults:
        console.print(f"[bold red]fault:[/] {escape(fault)}", highlight=False, soft_wrap=True)
    if not checkpoint.faults:
        console.print("no faults found; weights were not loaded, so their values are not judged", highlight=False)


def _print_model(checkpoint: Checkpoint, console: Console) -> None:
    arch = checkpoint.architecture
    heads = f"{arch.num_attention_heads} heads / {arch.num_key_value_heads} KV"
    tie = "lm_head tied to the embeddings" if arch.is_tied else "lm_head of its own"
    console.print(f"[bold]{escape(checkpoint.folder)}[/]  {arch.class_name}", highlight=False)
    console.print(
        f"text {arch.num_hidden_layers} x {arch.hidden_size}, {heads}, intermediate {arch.intermediate_size}, vocabulary "
        f"{arch.vocab_size}, {tie}; vision {arch.vision_depth} x {arch.vision_hidden_size}, patch {arch.patch_size}, merge "
        f"{arch.spatial_merge_size}, temporal {arch.temporal_patch_size}, window {arch.window_size}",
        highlight=False,
    )
    if checkpoint.content_digest is not None:
        console.print(f"content digest {checkpoint.content_digest}", highlight=False)
    parts = Table("part", "parameters", box=None)
    for part, count in checkpoint.parameters.items():
        parts.add_row(part, f"{count:,}")
    parts.add_row("all", f"{sum(checkpoint.parameters.values()):,}")
    console.print(parts)
    types = ", ".join(f"{count} x {name}" for name, count in sorted(checkpoint.dtypes.items()))
    names = "transformers 4.52 and later" if checkpoint.newer_names else "published files"
    console.print(
        f"{len(checkpoint.shards)} files of weights, {sized(checkpoint.weights_bytes)}, {types}, names as in {names}",
        highlight=False,
    )
    if checkpoint.tokenizer is not None:
        special = ", ".join(f"{name} {number}" for name, number in checkpoint.tokenizer.special.items())
        console.print(escape(f"tokenizer of {checkpoint.tokenizer.tokens:,} tokens; {special}"), highlight=False)
        template = (checkpoint.tokenizer.chat_template or "none")[:16]
        stops = list(checkpoint.tokenizer.eos_token_ids)
        console.print(escape(f"stops at {stops}; chat template {template}"), highlight=False)
    if checkpoint.preprocessor is not None:
        low, high = checkpoint.preprocessor.min_pixels, checkpoint.preprocessor.max_pixels
        console.print(f"pictures of {low:,} to {high:,} px", highlight=False)
    for licence in checkpoint.licences.found:
        console.print(escape(f"licence of {licence.owner}: {licence.name} ({licence.source})"), highlight=False)


def _print_files(checkpoint: Checkpoint, console: Console) -> None:
    table = Table("file", "bytes", "sha256", box=None)
    for file in checkpoint.files:
        table.add_row(escape(file.name), f"{file.size_bytes:,}", file.sha256 or "not read")
    console.print(table)


def _print_adapters(checkpoint: Checkpoint, console: Console) -> None:
    table = Table("adapter", "kind", "r", "alpha", "targets", "type", "parameters", "trained on", box=None)
    for one in checkpoint.adapters:
        base = (one.base_digest or "not written down")[:16]
        targets, types = " ".join(one.targets), " ".join(one.dtypes)
        table.add_row(one.agent, one.kind, str(one.r), f"{one.alpha:g}", targets, types, f"{one.parameters:,}", base)
    console.print(table)


def _print_estimates(checkpoint: Checkpoint, console: Console) -> None:
    there = checkpoint.workstation
    console.print(
        f"estimates, from shapes alone; here {sized(there.memory_available_bytes)} of memory and "
        f"{sized(there.disk_free_bytes)} of disk are free",
        highlight=False,
    )
    table = Table("recipe", "where", "memory", "disk", "time", "fits", box=None)
    for one in checkpoint.estimates:
        build = one.build
        fits = build.memory_bytes <= there.memory_available_bytes and build.disk_bytes <= there.disk_free_bytes
        table.add_row(
            one.recipe,
            "this computer, build",
            f"{sized(build.memory_bytes)} ({build.memory_stage})",
            sized(build.disk_bytes),
            duration(build.seconds),
            "yes" if fits else "no",
        )
        for device in one.devices:
            table.add_row(
                "",
                f"{device.profile}, a case",
                sized(device.memory_bytes),
                sized(device.disk_bytes),
                duration(device.seconds),
                device.shortfall or "yes",
            )
    console.print(table)


def duration(seconds: float) -> str:
    """Return a span for a person: seconds below two minutes, else minutes, from two hours on hours."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
