"""CLIP ViT-L/14-336 at full size with random weights beside transformers', from folders of both styles of names.

    python -m tests.bench.eyes --check

Prints the largest difference of a feature, on which scale, and the time of a picture. With --check it fails above 1e-4.
Takes 5 GB of memory and 2.5 GB of disk.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPVisionConfig, CLIPVisionModel

from stages.model import parallel
from stages.model.huggingface.vision.folder import import_encoder
from stages.model.vision.config import VisionConfig
from stages.model.vision.encoder import build_encoder
from stages.shared.task import Ranks

OURS = VisionConfig(picture_size=336)
THEIRS = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 336,
    "patch_size": 14,
}
LIMIT = 1e-4


@torch.no_grad()
def main() -> int:
    """Compare both styles; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    is_checked = parser.parse_args().check
    torch.manual_seed(0)
    parallel.start(Ranks())
    theirs = CLIPVisionModel(CLIPVisionConfig(**THEIRS)).eval()
    pixels = torch.randn(1, 3, 336, 336)
    expected = theirs(pixels, output_hidden_states=True).hidden_states[-2][:, 1:]
    print(f"{sum(weight.numel() for weight in theirs.parameters()):,} parameters, scale {expected.abs().max():.1f}")
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        theirs.save_pretrained(folder)
        del theirs
        for style in ("transformers 5", "older"):
            if style == "older":
                path = Path(folder, "model.safetensors")
                whole = load_file(path)
                save_file({f"vision_model.{name.removeprefix('vision_model.')}": whole[name] for name in whole}, path)
                del whole
            encoder = build_encoder(OURS).eval()
            import_encoder(encoder, Path(folder))
            began = time.perf_counter()
            found = encoder(pixels)
            took, gap = time.perf_counter() - began, float((found - expected).abs().max())
            print(f"{style}: {[*found.shape]}, largest difference {gap:.1e}, {took:.2f} s a picture")
            worst = max(worst, gap)
            del encoder
    return int(is_checked and not worst < LIMIT)


if __name__ == "__main__":
    sys.exit(main())
