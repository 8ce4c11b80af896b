"""The checkpoint format: equal weights, equal bytes; what is damaged or hostile is refused by name."""

from __future__ import annotations

import hashlib
import pickle
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch.distributed.checkpoint.metadata import _MEM_FORMAT_ENCODING

from stages.model.checkpoint.load import load_model
from stages.model.checkpoint.reading import _check_index, _read_ahead, read_slice, read_weights, weights_digest
from stages.shared.errors import DataError
from stages.shared.files import sha256_file
from tests.stages.model.saved import SMALL, cut, flip, save_untrained, seal


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


@pytest.mark.parametrize("damage", [cut, flip])
def test_a_changed_file_is_named(checkpoint: Path, damage: Callable[[Path], None]) -> None:
    for path in [path for path in checkpoint.iterdir() if path.name != "complete.json"]:
        content = path.read_bytes()
        damage(path)
        with pytest.raises(DataError, match=rf"{re.escape(path.name)} is not what was written"):
            load_model(checkpoint)
        path.write_bytes(content)
    damage(checkpoint / "complete.json")
    with pytest.raises(DataError, match="incomplete or damaged"):
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


class _Got:
    """Pickles as a call of getattr, as Python 3.11.2 does with a member of an enumeration."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __reduce__(self) -> tuple[object, tuple[object, str]]:
        return getattr, (_MEM_FORMAT_ENCODING, self.name)


def test_an_enumeration_pickled_by_another_python_is_read(tmp_path: Path) -> None:
    (tmp_path / "index").write_bytes(pickle.dumps(_Got("TORCH_CONTIGUOUS_FORMAT")))
    _check_index(tmp_path / "index")


@pytest.mark.parametrize("name", ["__init__", "__subclasses__", "mro", "nothing"])
def test_no_other_attribute_is_reached_that_way(tmp_path: Path, name: str) -> None:
    (tmp_path / "index").write_bytes(pickle.dumps(_Got(name)))
    with pytest.raises(DataError, match="no member"):
        _check_index(tmp_path / "index")


def test_weights_come_back_in_order_of_name_and_whole(saved: Path, tmp_path: Path) -> None:
    model = save_untrained(tmp_path / "checkpoint")
    weights = dict(read_weights(saved))
    assert list(weights) == sorted(weights)
    assert sum(weight.numel() for weight in weights.values()) == SMALL.num_parameters(384)
    stacked = weights["model.decoder.layers.self_attention.linear_qkv.weight"]
    for layer in range(SMALL.num_layers):
        assert torch.equal(stacked[layer], model.decoder.layers[layer].self_attention.linear_qkv.weight)


def test_the_digest_is_of_names_shapes_and_bytes_in_order_without_padded_rows(saved: Path) -> None:
    digest = hashlib.sha256()
    for name, weight in read_weights(saved):
        used = weight[:300] if name.endswith(("word_embeddings.weight", "output_layer.weight")) else weight
        digest.update(f"{name} {[*used.shape]} {used.dtype}\n".encode() + used.numpy().tobytes())
    assert weights_digest(saved, 300) == digest.hexdigest() != weights_digest(saved, 299)


def test_what_is_read_ahead_is_one_item_and_errors_come_in_their_place() -> None:
    made = []

    def items() -> Iterator[int]:
        for number in range(1, 9):
            if number == 4:
                raise DataError("weights", "unreadable", "Fetch them again")
            made.append(number)
            yield number

    seen = []
    with pytest.raises(DataError, match="unreadable"):
        for item in _read_ahead(items()):
            seen.append(item)
            assert len(made) <= item + 1
    assert seen == [1, 2, 3]


def test_one_layer_is_read_without_the_others(saved: Path) -> None:
    whole = dict(read_weights(saved))
    name = "model.decoder.layers.mlp.linear_fc2.weight"
    for layer in range(SMALL.num_layers):
        assert torch.equal(read_slice(saved, name, (layer,)), whole[name][layer])
    assert torch.equal(read_slice(saved, "model.output_layer.weight", ()), whole["model.output_layer.weight"])
    with pytest.raises(DataError, match=r"lacks model\.decoder\.layers\.mlp\.linear_fc2\.weight \[3\]"):
        read_slice(saved, name, (3,))
    with pytest.raises(DataError, match=r"lacks model\.nothing \[\]"):
        read_slice(saved, "model.nothing", ())
