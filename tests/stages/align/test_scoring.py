"""Rewards of conversations: one way to build the input, and one place to read the score."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch

from stages.align.encode import scored_encoder
from stages.align.scoring import RewardModel
from stages.formats.chat.chats import text_message
from stages.formats.tokenizer import Tokenizer
from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from tests.stages.align.ranked import Trained, reward_settings
from tests.stages.harness import unit_folder

World = Mapping[str, tuple[InputFile, ...]]
TEXTS = ["bread is 1 pence.", "a lamp is 8 pence. " * 6, "", "</s> <|end|> <|score|>", "价格"]
PROMPT = (text_message("user", "What is the price of bread in Amble? </s>"),)


@pytest.fixture(scope="module")
def model(ranked: World, trained: Trained) -> RewardModel:
    return RewardModel(trained.final, ranked["tokenizer"][0].path, "stagecoach")


def test_a_reward_does_not_depend_on_the_batch_or_on_the_padding(model: RewardModel) -> None:
    together = model.score([PROMPT] * len(TEXTS), TEXTS)
    assert model.score([PROMPT] * len(TEXTS), TEXTS, batch=1) == pytest.approx(together, abs=1e-6)
    ids = model.encoder.encode(PROMPT, TEXTS[0]).ids
    for padding in (0, ids[-1], model.model.vocab_size - 1):
        tokens = torch.tensor([[*ids, *[padding] * 40]])
        score = model.model.scores(tokens, torch.tensor([len(ids) - 1])).item()
        assert score - model.scale.shift == pytest.approx(together[0], abs=1e-6)


def test_an_input_has_one_first_token_and_ends_with_the_end_of_context(model: RewardModel) -> None:
    config, vocab_size = model.model.config, model.model.vocab_size
    first = model.encoder.encode(PROMPT, "yes").ids[0]
    for text in TEXTS:
        found = model.encoder.encode(PROMPT, text)
        assert found.ids.count(first) == 1
        assert found.ids[-2:] == [config.token_id("<|end|>", vocab_size), config.token_id("<|score|>", vocab_size)]
        assert found.ids.count(found.ids[-1]) == 1  # a text cannot forge it
        assert not found.is_answer[-1]


def test_sampled_ids_stay_as_they_were_sampled(ranked: World) -> None:
    tokenizer, config = Tokenizer(ranked["tokenizer"][0].path), reward_settings()
    encoder = scored_encoder(config.template, config.model, tokenizer)
    prompt = encoder.encoder.prompt(PROMPT)
    whole = encoder.encode(PROMPT, "bread is 1 pence.")
    sampled = whole.ids[len(prompt) :]
    assert encoder.joined(prompt, sampled) == whole.ids
    pieces = [number for letter in "bread" for number in tokenizer.encode(letter)]  # another encoding of the text
    assert encoder.joined(prompt, pieces)[len(prompt) :] == pieces
    assert sum(whole.is_answer) == len(sampled)


def test_a_checkpoint_that_is_no_reward_model_or_has_another_tokenizer_is_named(
    ranked: World, trained: Trained, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tokenizer = ranked["tokenizer"][0].path
    other = tmp_path_factory.mktemp("other") / "tokenizer.model"
    other.write_bytes(tokenizer.read_bytes() + b"\x00\x00"[:0] + tokenizer.read_bytes()[:0])
    with pytest.raises(DataError):
        RewardModel(unit_folder(trained.folder, "pack", 0), tokenizer, "stagecoach")
