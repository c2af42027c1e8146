"""A small signed bundle whose files hold no models: for everything that happens before a model is loaded."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from edge_agent.contracts.bundle import ENVELOPE_NAME, IR_ROLES, SINGLE_ROLES
from edge_agent.contracts.dsse import seal
from edge_agent.contracts.keys import TrustedKey, load_keys
from edge_agent.contracts.manifest import AGENTS, PAYLOAD_TYPE

BACKBONE_DIGEST = "a" * 64


@dataclass(frozen=True)
class SignedFolder:
    """A bundle folder and the key that signs it; tests change ``document`` or files and may sign again."""

    path: Path
    document: dict[str, Any]
    private_key: Path
    keys: tuple[TrustedKey, ...]

    def sign(self, *, payload: bytes | None = None, payload_type: str = PAYLOAD_TYPE) -> None:
        """Sign the document, or other bytes, as they are."""
        data = json.dumps(self.document).encode() if payload is None else payload
        sealed = seal(data, payload_type=payload_type, private_key=self.private_key)
        (self.path / ENVELOPE_NAME).write_bytes(sealed)

    def entry(self, role: str) -> dict[str, Any]:
        """Return the file entry with this role, to be changed in place."""
        found: dict[str, Any] = next(entry for entry in self.document["files"] if entry["role"] == role)
        return found


def write_key(folder: Path, name: str) -> Path:
    """Write a fresh pair into the folder and return the private half; does not use ``calibration.sign``."""
    folder.mkdir(parents=True, exist_ok=True)
    key = Ed25519PrivateKey.generate()
    private = folder / f"{name}.pem"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / f"{name}.pub.pem").write_bytes(public)
    return private


def signed_folder(folder: Path) -> SignedFolder:
    """Write a complete, valid, signed bundle below ``folder``."""
    private = write_key(folder / "keys", "clinic")
    path = folder / "bundle"
    path.mkdir()
    roles = [f"{part}.{kind}" for part in IR_ROLES for kind in ("xml", "bin")] + list(SINGLE_ROLES)
    roles += [f"adapter.{name}.{kind}" for name in AGENTS for kind in ("xml", "bin")]
    files = []
    for role in roles:
        data = f"content of {role}\n".encode() * 3
        (path / role).write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        files.append({"path": role, "role": role, "size_bytes": len(data), "sha256": digest})
    bundle = SignedFolder(path, _document(files), private, load_keys(folder / "keys"))
    bundle.sign()
    return bundle


def _document(files: list[dict[str, Any]]) -> dict[str, Any]:
    vision: dict[str, Any] = {"hidden_size": 64, "num_heads": 2, "patch_size": 14, "temporal_patch_size": 2}
    vision |= {"spatial_merge_size": 2, "window_size": 56, "fullatt_block_indexes": [1]}
    backbone: dict[str, Any] = {"architecture": "qwen2_5_vl", "content_digest": BACKBONE_DIGEST, "hidden_size": 128}
    backbone |= {"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    backbone |= {"vocab_size": 700, "mrope_section": [4, 6, 6], "image_token_id": 5}
    backbone |= {"vision_start_token_id": 3, "eos_token_ids": [2], "pad_token_id": 0, "vision": vision}
    step = {"name": "one", "prompt": "{images}", "contract": "text", "generation": {"max_tokens": 8}}
    adapters = [
        {
            "name": name,
            "r": 4,
            "alpha": 8.0,
            "precision": "int8",
            "target_modules": ["q_proj"],
            "base_digest": BACKBONE_DIGEST,
            "activation": {"kind": "always"},
            "files": [f"adapter.{name}.xml", f"adapter.{name}.bin"],
        }
        for name in AGENTS
    ]
    agent = {"inputs": {"images": "one"}, "steps": [step], "rendered_prompt": {"text": "a", "token_ids": [1]}}
    return {
        "schema_version": 1,
        "name": "paper",
        "version": "1.0.0",
        "lineage": "paper",
        "clinical_use": False,
        "notice": "Not for clinical use.",
        "licences": {"weights": "Apache-2.0"},
        "files": files,
        "backbone": backbone,
        "preprocessing": {
            "min_pixels": 3136,
            "max_pixels": 19600,
            "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.25, 0.25, 0.25],
        },
        "adapters": adapters,
        "agents": {name: {"adapter": name, **agent} for name in AGENTS},
        "vocabulary_version": "0.1",
        "vocabulary_sha256": "b" * 64,
        "languages": ["en"],
        "thresholds": {"lesion_visible": 0.5, "in_scope_family": 0.5, "danger_family": 0.5, "not_skin": 0.5},
        "canary": {"file": "canary", "bounds": {"strict_max_abs": 0.1, "strict_min_argmax": 0.9}},
        "golden": {"file": "golden", "count": 1},
        "recipe": {},
        "census": [],
        "metrics": {},
    }
