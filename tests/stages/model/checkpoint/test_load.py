"""Models from checkpoints."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import torch

from stages.model.checkpoint.load import load_model
from stages.model.config import ModelConfig
from stages.model.layers.glm import hidden_keys
from stages.shared.errors import DataError
from stages.shared.files import read_json, write_json
from tests.stages.model.saved import SMALL, VOCAB_SIZE, save_untrained, seal


def test_a_loaded_model_gives_the_logits_of_the_one_that_was_saved(tmp_path: Path) -> None:
    model = save_untrained(tmp_path / "checkpoint", seed=5)
    loaded = load_model(tmp_path / "checkpoint")
    tokens = torch.randint(VOCAB_SIZE, (2, 10), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = model(tokens, torch.arange(10).expand(2, 10), None)[..., :VOCAB_SIZE]
    assert torch.equal(loaded.logits(tokens), expected)
    assert (loaded.seq_len, loaded.vocab_size, loaded.step) == (24, VOCAB_SIZE, 0)


def test_logits_have_a_column_for_extra_tokens_that_may_follow(tmp_path: Path) -> None:
    extra = ("<|user|>", "<|end|>")
    save_untrained(tmp_path / "chat", SMALL.model_copy(update={"extra_tokens": extra}))
    loaded = load_model(tmp_path / "chat")
    assert loaded.logits(torch.zeros((1, 4), dtype=torch.int64)).shape == (1, 4, VOCAB_SIZE + 2)
    assert loaded.num_outputs == VOCAB_SIZE + 2


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


def test_a_state_without_a_model_is_a_clear_error(checkpoint: Path) -> None:
    state = read_json(checkpoint / "state.json")
    write_json(checkpoint / "state.json", {**state, "model": {"dim": "wide"}})
    seal(checkpoint)
    with pytest.raises(DataError, match=r"state\.json lacks or misstates"):
        load_model(checkpoint)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere"):
        load_model(tmp_path / "nowhere")


def test_a_model_with_another_head_has_no_logits(tmp_path: Path) -> None:
    config = ModelConfig(**SMALL.model_dump() | {"head": "scalar", "tied_embeddings": False})
    save_untrained(tmp_path / "checkpoint", config, seed=5)
    with pytest.raises(ValueError, match="a model with head scalar has no logits"):
        load_model(tmp_path / "checkpoint").logits(torch.zeros(1, 4, dtype=torch.int64))


def test_glm_is_asked_for_a_continuation(tmp_path: Path) -> None:
    model = save_untrained(
        tmp_path / "checkpoint", ModelConfig(**SMALL.model_dump(exclude={"extra_tokens"}) | {"position": "glm"}), seed=5
    )
    loaded = load_model(tmp_path / "checkpoint")
    ids = torch.randint(VOCAB_SIZE, (2, 6), generator=torch.Generator().manual_seed(1))
    gmask, sop = VOCAB_SIZE + 2, VOCAB_SIZE + 3
    with torch.no_grad():
        tokens = torch.cat([torch.tensor([[gmask, sop]] * 2), ids], dim=1)
        positions = torch.stack([torch.zeros(8, dtype=torch.int64), torch.arange(8)]).expand(2, 2, 8)
        expected = model(tokens, positions, hidden_keys(torch.tensor([1, 1]), 8))[:, 2:, :VOCAB_SIZE]
    assert (loaded.logits(ids) - expected).abs().max() < 1e-5
    assert loaded.seq_len == SMALL.seq_len - 2
