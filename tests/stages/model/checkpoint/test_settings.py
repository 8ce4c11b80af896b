"""What a checkpoint says of its model; a training's own checks of it are in tests/stages/train/test_stage.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.model.checkpoint.names import COMPLETE, STATE
from stages.model.checkpoint.settings import PlannedModel, read_sealed, require_tokenizer
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
    checkpoint, outside = InputFile(tmp_path, "mine"), InputFile(tmp_path / "x.model", "")
    require_tokenizer(checkpoint, [outside])
    write_state(tmp_path, "other")
    require_tokenizer(checkpoint, [InputFile(Path("not made"), "", section="tokenizer")])
    with pytest.raises(DataError, match=r"trained with another tokenizer\. Set `tokenizer`"):
        require_tokenizer(checkpoint, [outside])


def to_be_made(section: str, unit: str) -> InputFile:
    """Return the tokenizer that a section of a run will make."""
    return InputFile(Path(f"/runs/x/steps/{section}/0123/units/{unit}/tokenizer.model"), "", section=section)


def test_what_the_run_makes_is_compared_by_the_units_that_make_it(tmp_path: Path) -> None:
    def trained_with(tokenizer: InputFile) -> InputFile:
        planned = PlannedModel(model=ModelConfig(), dtype="bf16", tokenizer=tokenizer.where)
        checkpoint = InputFile(Path("not made"), "final", section="first", about=planned.text())
        assert PlannedModel.of(checkpoint) == planned
        return checkpoint

    one = trained_with(to_be_made("tokenizer", "all.1"))
    require_tokenizer(one, [to_be_made("tokenizer", "all.1"), to_be_made("of-the-same-settings", "all.1")])
    with pytest.raises(DataError, match=r"^first/final: trained with another tokenizer\."):
        require_tokenizer(one, [to_be_made("tokenizer", "all.2")])
    for name, pieces in (("one", b"1"), ("same", b"1"), ("other", b"2")):
        (tmp_path / name).write_bytes(pieces)
    here = trained_with(InputFile(tmp_path / "one", ""))
    require_tokenizer(here, [InputFile(tmp_path / "same", ""), to_be_made("tokenizer", "all.1")])
    with pytest.raises(DataError, match="trained with another tokenizer"):
        require_tokenizer(here, [InputFile(tmp_path / "other", "")])
