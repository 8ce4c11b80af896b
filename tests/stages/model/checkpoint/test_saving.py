"""Saving in three parts: what is copied may change, bytes follow from the tensors alone, a full disk is an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from megatron.core.models.gpt import GPTModel

from stages.model import parallel
from stages.model.checkpoint.reading import WEIGHTS, read_weights, tensors_of, verify
from stages.model.checkpoint.saving import HostCopy, Saver, mark, save
from stages.model.decoder import build_model, initialise
from stages.shared.files import sha256_file
from stages.shared.task import Ranks
from tests.stages.model.saved import SMALL, VOCAB_SIZE, files_up_to


@pytest.fixture
def model() -> GPTModel:
    parallel.start(Ranks())
    model = build_model(SMALL, VOCAB_SIZE)
    initialise(model, SMALL, seed=1)
    return model


def state_of(model: GPTModel) -> dict[str, Any]:
    return {**tensors_of(model.sharded_state_dict(prefix=WEIGHTS)), "lr": 0.5}


def digests(folder: Path) -> dict[str, str]:
    return {path.name: sha256_file(path) for path in folder.iterdir()}


def forget(model: GPTModel) -> None:
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()


def test_what_was_copied_may_change_before_it_is_written(model: GPTModel, tmp_path: Path) -> None:
    save(state_of(model), tmp_path / "at once", {"state.json": {"step": 1}})
    saver = Saver()
    for name in ("first", "second"):  # the second one's files are planned as the first one's were
        initialise(model, SMALL, seed=1)
        draft = saver.start(state_of(model), tmp_path / name, {"state.json": {"step": 1}}, copied=True)
        forget(model)
        draft.write()
        mark(tmp_path / name, draft.finish())
        assert digests(tmp_path / name) == digests(tmp_path / "at once")
    verify(tmp_path / "second")
    assert all(weight.any() for _, weight in read_weights(tmp_path / "second"))


def test_a_state_of_another_structure_wants_a_saver_of_its_own(model: GPTModel, tmp_path: Path) -> None:
    saver = Saver()
    saver.start(state_of(model), tmp_path, {}, copied=False)
    state = state_of(model)
    del state["model.output_layer.weight"]
    with pytest.raises(RuntimeError, match="structure changed"):
        saver.start(state, tmp_path, {}, copied=False)


def test_a_disk_that_takes_no_more_is_an_error(model: GPTModel, tmp_path: Path) -> None:
    draft = Saver().start(state_of(model), tmp_path, {}, copied=False)
    with files_up_to(100_000), pytest.raises(OSError, match="File too large"):
        draft.write()


def test_copies_have_the_kind_and_the_place_of_the_originals_and_no_more_memory() -> None:
    tensors = [
        torch.tensor(2.5),
        torch.arange(7, dtype=torch.int8),
        torch.empty(0, 3),
        torch.randn(5, 6).t()[1:4],
        torch.randn(3, 3, dtype=torch.bfloat16),
    ]
    held = HostCopy()
    copies = held.take(tensors)
    for copy, tensor in zip(copies, tensors, strict=True):
        assert (copy.dtype, copy.shape) == (tensor.dtype, tensor.shape)
        assert torch.equal(copy, tensor)
    (place,) = {copy.untyped_storage().data_ptr() for copy in copies}
    assert copies[0].untyped_storage().nbytes() <= sum(tensor.nbytes for tensor in tensors) + 5 * 64
    tensors[0].zero_()
    assert copies[0] == 2.5
    assert held.take(tensors)[0].untyped_storage().data_ptr() == place
