"""Prompts: which chats are some, and which come in a round."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stages.align.prompts import Prompt, of_round, permutation, read_prompts
from stages.chats.encoder import chat_encoder
from stages.formats.kinds import KINDS
from stages.formats.tokenizer import Tokenizer
from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from tests.stages.align.ppo.world import settings


def test_prompts_are_chats_without_their_last_answer_and_what_is_none_is_counted(prompts: Path, tmp_path: Path) -> None:
    user, answer = {"role": "user", "content": "What is it?"}, {"role": "assistant", "content": "Bread."}
    records = [
        {"id": "one", "messages": [user]},
        {"id": "one", "messages": [user, answer]},
        {"messages": [answer]},
        {"messages": [{"role": "user", "content": "What is the price of bread? " * 20}]},
        {"messages": []},
    ]
    path = tmp_path / "prompts.jsonl"
    path.write_text("\n".join([*map(json.dumps, records), "no json"]), "utf-8")
    tokenizer = Tokenizer(prompts / KINDS.tokenizer.file)
    encoder = chat_encoder("stagecoach", settings().model, tokenizer)
    found = read_prompts([InputFile(path, "own")], encoder, 40)
    assert [prompt.id for prompt in found.all] == ["own/one", "own/one~2"]
    assert found.all[0].context == found.all[1].context
    assert [message.text for message in found.all[0].messages] == ["What is it?"]
    assert found.left_out == {"no prompt": 1, "too long": 1, "unreadable or not in the template": 2}
    assert found.end_id == tokenizer.vocab_size + 4
    path.write_text(json.dumps(records[2]), "utf-8")
    with pytest.raises(DataError, match="no prompt of at most 40 tokens"):
        read_prompts([InputFile(path, "own")], encoder, 40)


def test_prompts_come_once_an_epoch_in_an_order_of_the_seed() -> None:
    prompts = [Prompt(str(number), (1,)) for number in range(23)]
    ids = [prompt.id for number in range(23) for prompt in of_round(prompts, 4, number, seed=1)]
    for epoch in range(4):
        assert len({*ids[epoch * 23 : (epoch + 1) * 23]}) == 23
    assert ids[:23] != ids[23:46]
    assert ids != [prompt.id for number in range(23) for prompt in of_round(prompts, 4, number, seed=2)]
    assert permutation(5, "a").tolist() == permutation(5, "a").tolist()
