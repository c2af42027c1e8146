"""Measure this machine's limits at one shape's products."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from edge_agent.contracts.manifest import Manifest
from edge_agent.inference.runtime import EngineSettings
from edge_agent.workload import model_facts
from scripts.speed.decode import CONTEXT
from scripts.speed.limits import Product, gemm_rate, read_rate

PATCHES = 1024  # of one view of 448 px


def machine_limits(manifest: Manifest) -> dict[str, float]:
    """Return FLOP/s at the decoder's and the vision tower's products, in the plugin's own precision, and bytes/s of memory."""
    facts = model_facts(manifest)
    threads = os.cpu_count() or 1
    properties = EngineSettings(threads=threads).properties()
    wide, inner, keys = facts.attention_width, facts.mlp_width, facts.kv_width
    language = [(wide, wide), (wide, keys), (wide, keys), (wide, wide), (wide, inner), (wide, inner), (inner, wide)]
    seen, seen_inner = facts.vision_width, facts.vision_mlp_width
    vision = [(seen, 3 * seen), (seen, seen), (seen, seen_inner), (seen, seen_inner), (seen_inner, seen)]
    return {
        "language_flops_per_s": gemm_rate([Product(CONTEXT, *one) for one in language], properties=properties),
        "vision_flops_per_s": gemm_rate([Product(PATCHES, *one) for one in vision], properties=properties),
        "read_bytes_per_s": read_rate(threads=threads),
    }


def machine_facts() -> dict[str, object]:
    """Return what a reader needs to know of this computer; nothing that names it."""
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    known = [flag for flag in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile") if f" {flag}" in flags]
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "flags": known,
        "isa_limit": os.environ.get("ONEDNN_MAX_CPU_ISA", ""),
        "system": platform.system(),
    }
