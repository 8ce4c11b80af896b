"""Our front end and speech encoder beside NeMo's own classes with the same weights: differences, and processor time.

    python -m tests.bench.conformer [--check]

Needs nemo_toolkit (3.0.0), which does not install beside the project's pins: use an environment of its own. Prints the
largest difference of a frame and of a feature for both stems, and the processor time of a forward and a backward pass
as a ratio to NeMo's. `--check` fails above 2e-5 (frames), above 1e-4 (features), or for a ratio above 1.1.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from nemo.collections.asr.modules.conformer_encoder import ConformerEncoder
from nemo.collections.asr.parts.preprocessing.features import FilterbankFeatures
from torch import Tensor

from stages.model.speech.config import SpeechEncoderConfig
from stages.model.speech.conformer import SpeechEncoder
from stages.model.speech.mel import frames

SIZES = (48_000, 40_000, 31_999, 16_000, 8_000, 399)
"""Samples of the sounds."""
ROUNDS = 5
SHAPE = {"num_layers": 4, "dim": 144, "channels": 64}
STEMS = (("striding", 2, True), ("dw_striding", 3, False))


def main() -> int:
    """Print the table; return 1 if `--check` finds a number that is not reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    is_checked = parser.parse_args().check
    torch.manual_seed(0)
    front = FilterbankFeatures(n_window_size=400, n_window_stride=160, n_fft=512, nfilt=80, pad_to=0, dither=0.0).eval()
    noises = [np.random.RandomState(size).randn(size).astype(np.float32) / 10 for size in SIZES]
    sounds = [frames(noise, 80) for noise in noises]
    gap = max(map(_frame_gap, [front] * len(noises), noises, sounds))
    print(f"frames: largest difference {gap:.1e}")
    failed = gap > 2e-5
    for stem, halvings, scaled in STEMS:
        theirs = _theirs(stem, halvings, scaled)
        ours = SpeechEncoder(SpeechEncoderConfig(stem=stem, halvings=halvings, scaled=scaled, **SHAPE))  # type: ignore[arg-type]
        print(stem, ours.load_state_dict(theirs.state_dict(), strict=True))
        padded = torch.nn.utils.rnn.pad_sequence(sounds, batch_first=True).transpose(1, 2)
        lengths = torch.tensor([len(sound) for sound in sounds])

        def run_theirs(model: Any = theirs, padded: Tensor = padded, lengths: Tensor = lengths) -> list[Tensor]:
            features, found = model(audio_signal=padded, length=lengths)
            return [each.T[:length] for each, length in zip(features, found.tolist(), strict=True)]

        def run_ours(model: SpeechEncoder = ours) -> list[Tensor]:
            return model(sounds)

        pairs = zip(run_ours(), run_theirs(), strict=True)
        worst = max(float((one - other).abs().max().detach()) for one, other in pairs)
        times: dict[str, float] = {"ours": 0.0, "theirs": 0.0}
        for _ in range(ROUNDS):
            for name, run in (("ours", run_ours), ("theirs", run_theirs)):
                times[name] += _spent(run)
        ratio = times["ours"] / times["theirs"]
        print(f"{stem}: largest difference {worst:.1e}; {ratio:.2f} of NeMo's processor time")
        failed |= worst > 1e-4 or ratio > 1.1
    return int(is_checked and failed)


def _theirs(stem: str, halvings: int, scaled: bool) -> Any:
    none = dict.fromkeys(("dropout", "dropout_pre_encoder", "dropout_emb", "dropout_att"), 0.0)
    return ConformerEncoder(
        feat_in=80,
        n_layers=SHAPE["num_layers"],
        d_model=SHAPE["dim"],
        subsampling=stem,
        subsampling_factor=2**halvings,
        subsampling_conv_channels=SHAPE["channels"],
        conv_kernel_size=9,
        conv_norm_type="layer_norm",
        xscaling=scaled,
        sync_max_audio_length=False,
        **none,
    )


def _frame_gap(front: Any, noise: np.ndarray[Any, Any], ours: Tensor) -> float:
    theirs, length = front(torch.from_numpy(noise)[None], torch.tensor([len(noise)]))
    return float((theirs[0, :, : int(length)].T - ours).abs().max())


def _spent(run: Callable[[], list[Tensor]]) -> float:
    began = time.process_time()
    torch.cat(run()).sum().backward()
    return time.process_time() - began


if __name__ == "__main__":
    sys.exit(main())
