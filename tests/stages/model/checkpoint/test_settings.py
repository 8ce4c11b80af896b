"""What a checkpoint says of its model; a training's own checks of it are in tests/stages/train/test_stage.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.model.checkpoint.names import COMPLETE, STATE
from stages.model.checkpoint.settings import read_sealed, require_tokenizer
from stages.model.config import ModelConfig
from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from stages.shared.files import sha256_file, write_json


def write_state(folder: Path, tokenizer: str) -> None:
    model = ModelConfig(dim=64, num_heads=4).model_dump(mode="json")
    state = {"model": model, "vocab_size": 300, "dtype": "bf16", "tokenizer_sha256": tokenizer, "step": 7}
    write_json(folder / STATE, state)


def test_a_folder_without_its_seal_is_no_checkpoint(tmp_path: Path) -> None:
    write_state(tmp_path, "x")
    with pytest.raises(DataError, match=r"no complete checkpoint \(complete\.json is missing\)"):
        read_sealed(tmp_path)
    write_json(tmp_path / COMPLETE, {})
    found = read_sealed(tmp_path)
    assert (found.config.dim, found.vocab_size, found.dtype, found.step) == (64, 300, "bf16", 7)


def test_tokenizers_from_outside_are_compared_by_digest(tmp_path: Path) -> None:
    (tmp_path / "x.model").write_bytes(b"pieces")
    write_json(tmp_path / COMPLETE, {})
    write_state(tmp_path, sha256_file(tmp_path / "x.model"))
    outside = InputFile(tmp_path / "x.model", "")
    require_tokenizer(tmp_path, read_sealed(tmp_path), [outside, InputFile(Path("not made"), "", section="tokenizer")])
    write_state(tmp_path, "other")
    with pytest.raises(DataError, match=r"trained with another tokenizer\. Set `tokenizer`"):
        require_tokenizer(tmp_path, read_sealed(tmp_path), [outside])
