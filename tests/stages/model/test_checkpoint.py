"""The checkpoint format: equal weights, equal bytes; what is damaged or hostile is refused by name."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from stages.model.checkpoint import read_weights, seal
from stages.model.load import load_model
from stages.shared.errors import DataError
from stages.shared.files import sha256_file
from tests.stages.model.saved import SMALL, save_untrained


def test_equal_weights_are_equal_files(saved: Path, tmp_path: Path) -> None:
    save_untrained(tmp_path / "again")
    for path in saved.iterdir():
        assert sha256_file(path) == sha256_file(tmp_path / "again" / path.name), path.name


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("complete.json", r"no readable complete\.json"),
        ("state.json", r"state\.json is missing"),
        (".metadata", r"\.metadata is missing"),
        ("__0_0.distcp", r"__0_0\.distcp is missing"),
    ],
)
def test_a_missing_file_is_named(checkpoint: Path, name: str, problem: str) -> None:
    (checkpoint / name).unlink()
    with pytest.raises(DataError, match=problem):
        load_model(checkpoint)


def test_a_changed_file_is_named(checkpoint: Path) -> None:
    tensors = checkpoint / "__0_0.distcp"
    content = bytearray(tensors.read_bytes())
    content[len(content) // 3] ^= 1
    tensors.write_bytes(content)
    with pytest.raises(DataError, match=r"__0_0\.distcp is not what was written"):
        load_model(checkpoint)


@pytest.mark.parametrize("files", ["{}", '["x"]', "5", '{"x": null}', "", "{"])
def test_a_mark_that_is_none_is_no_mark(checkpoint: Path, files: str) -> None:
    (checkpoint / "complete.json").write_text(f'{{"files": {files}}}')
    with pytest.raises(DataError, match="incomplete or damaged"):
        load_model(checkpoint)


class _Hostile:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (self.target,))  # type: ignore[return-value]


@pytest.mark.parametrize("name", [".metadata", "common.pt"])
def test_a_pickle_that_would_run_code_runs_none(checkpoint: Path, tmp_path: Path, name: str) -> None:
    touched = tmp_path / "touched"
    with (checkpoint / name).open("wb") as file:
        if name == "common.pt":
            torch.save({"x": _Hostile(touched)}, file)
        else:
            pickle.dump(_Hostile(touched), file)
    seal(checkpoint)
    with pytest.raises((DataError, pickle.UnpicklingError)):
        load_model(checkpoint)
    assert not touched.exists()


def test_weights_come_back_in_order_of_name_and_whole(saved: Path, tmp_path: Path) -> None:
    model = save_untrained(tmp_path / "checkpoint")
    weights = dict(read_weights(saved))
    assert list(weights) == sorted(weights)
    assert sum(weight.numel() for weight in weights.values()) == SMALL.num_parameters(384)
    stacked = weights["model.decoder.layers.self_attention.linear_qkv.weight"]
    for layer in range(SMALL.num_layers):
        assert torch.equal(stacked[layer], model.decoder.layers[layer].self_attention.linear_qkv.weight)
