"""Models from checkpoints, sound and not."""

from __future__ import annotations

import pickle
import shutil
import socket
from pathlib import Path

import pytest
import torch

from stages.model.checkpoint import seal
from stages.model.load import load_model
from stages.shared.errors import DataError
from stages.shared.files import read_json, sha256_file, write_json
from tests.stages.model.saved import VOCAB_SIZE, save_untrained


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "it's a $(checkpoint)"
    save_untrained(folder)
    return folder


@pytest.fixture
def checkpoint(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "checkpoint"))


def test_a_loaded_model_gives_the_logits_of_the_one_that_was_saved(tmp_path: Path) -> None:
    model = save_untrained(tmp_path / "checkpoint", seed=5)
    loaded = load_model(tmp_path / "checkpoint")
    tokens = torch.randint(VOCAB_SIZE, (2, 10), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = model(tokens, torch.arange(10).expand(2, 10), None)[..., :VOCAB_SIZE]
    assert torch.equal(loaded.logits(tokens), expected)
    assert (loaded.seq_len, loaded.vocab_size, loaded.step) == (24, VOCAB_SIZE, 0)


def test_two_models_can_be_loaded_in_one_process_and_no_port_is_opened(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object) -> None:
        raise AssertionError("a port was asked for")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    one, two = load_model(saved), load_model(saved)
    tokens = torch.zeros((1, 4), dtype=torch.int64)
    assert torch.equal(one.logits(tokens), two.logits(tokens))


def test_padding_on_the_right_leaves_the_rows_before_it_alone(saved: Path) -> None:
    loaded = load_model(saved)
    tokens = torch.randint(VOCAB_SIZE, (1, 20), generator=torch.Generator().manual_seed(1))
    padded = torch.cat([tokens[:, :9], torch.full((1, 11), 2)], dim=1)
    assert torch.equal(loaded.logits(tokens)[:, :9], loaded.logits(padded)[:, :9])


def test_more_tokens_than_the_model_was_made_for_are_refused(saved: Path) -> None:
    with pytest.raises(ValueError, match="25 tokens: the model takes at most 24"):
        load_model(saved).logits(torch.zeros((1, 25), dtype=torch.int64))


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


@pytest.mark.parametrize("mark", ["", "[]", '{"files": {}}', '{"files": ["x"]}', '{"files": {"x": null}}'])
def test_a_mark_that_is_none_is_no_mark(checkpoint: Path, mark: str) -> None:
    (checkpoint / "complete.json").write_text(mark)
    with pytest.raises(DataError, match="incomplete or damaged"):
        load_model(checkpoint)


def test_a_state_without_a_model_is_a_clear_error(checkpoint: Path) -> None:
    state = read_json(checkpoint / "state.json")
    write_json(checkpoint / "state.json", {**state, "model": {"dim": "wide"}})
    seal(checkpoint)
    with pytest.raises(DataError, match=r"state\.json lacks or misstates"):
        load_model(checkpoint)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere"):
        load_model(tmp_path / "nowhere")


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
