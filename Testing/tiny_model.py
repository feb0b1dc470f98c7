"""A tiny model folder for tests: real code paths, weights made of seeded random numbers."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

TINY_NETWORK = {"name": "rsanet", "in_channels": 3, "out_channels": 2, "base_width": 8, "attention": "111"}


def write_tiny_model(folder: Path, seed: int = 7) -> Path:
    """Write `card.json` and `weights.safetensors` (fp16) of a tiny network into `folder`."""
    import safetensors.torch
    import torch

    from LesionLensLib.inference.network import build_network

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network(TINY_NETWORK)
        for name, parameter in network.named_parameters():
            torch.nn.init.normal_(parameter, std=2.0 if name.startswith("classifier") else 0.1)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.half().contiguous() for name, tensor in network.state_dict().items()}
    safetensors.torch.save_file(tensors, folder / "weights.safetensors")
    content = (folder / "weights.safetensors").read_bytes()
    card = tiny_card(hashlib.sha256(content).hexdigest(), len(content))
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")
    return folder


def tiny_card(sha256: str = "0" * 64, size: int = 0) -> dict[str, Any]:
    """Return the card of the tiny model as a dictionary that tests may change."""
    return {
        "schema": 1,
        "id": "tiny-ms",
        "version": "0.0.1",
        "title": "Untrained network for tests",
        "task": "segmentation of multiple sclerosis lesions",
        "network": TINY_NETWORK,
        "channel_def": [
            {"role": "T1", "title": "T1-weighted", "modality": "MR", "hints": ["t1", "mprage"],
             "tissue_order": ["csf", "grey_matter", "white_matter"]},
            {"role": "T2", "title": "T2-weighted", "modality": "MR", "hints": ["t2"],
             "tissue_order": ["white_matter", "grey_matter", "csf"]},
            {"role": "FLAIR", "title": "T2-FLAIR", "modality": "MR", "hints": ["flair"],
             "tissue_order": ["csf", "white_matter", "grey_matter"]},
        ],
        "reference_role": "FLAIR",
        "spacing_mm": [2.0, 2.0, 2.0],
        "spacing_range_mm": [0.3, 6.0],
        "normalization": "zscore-brain",
        "expects_skull_stripped": False,
        "threshold": 0.5,
        "min_volume_ml": 0.0,
        "evidence": "untrained",
        "licence": "Apache-2.0",
        "citation": "none",
        "intended_use": "tests",
        "data_source": "random numbers",
        "weights": {"file": "weights.safetensors", "sha256": sha256, "bytes": size},
        "labels": [{"value": 1, "id": "lesion", "name": "MS lesion", "color": [0.9, 0.3, 0.2]}],
    }  # fmt: skip
