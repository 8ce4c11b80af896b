"""Packed rows of a stage whose chats have pictures or sounds, with what a training of them reads beside."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from stages.chats.sensing import SensingStage
from stages.shared.contract import InputFile
from tests.stages.harness import run_unit


def packed_rows(config: SensingStage, inputs: Mapping[str, tuple[InputFile, ...]], folder: Path) -> str:
    """Encode and pack chats; return the folder of the rows, with the tokenizer and the pictures or sounds."""
    encode, pack, _ = config.plan(inputs).steps
    for place in range(len(encode.units)):
        run_unit(config, encode, place, inputs, folder)
    run_unit(config, pack, 0, inputs, folder)
    packed = folder / "steps" / "pack" / "00000"
    shutil.copy(inputs["tokenizer"][0].path, packed / "tokenizer.model")
    for name in config.looked_up:
        (packed / name).symlink_to(inputs[name][0].path)
    return str(packed)
