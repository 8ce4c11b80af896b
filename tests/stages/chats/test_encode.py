"""Chats become examples: masks, lengths, and counted reasons."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from stages.chats.encode import EXAMPLES, HELDOUT, Examples
from stages.chats.encoded import COUNTS, REJECTS
from stages.formats.chat.chats import Chat, Message, text_message, to_record, write_chats
from stages.formats.chat.packed import Example, PackedRows, PackedWriter
from stages.formats.chat.templates import ChatEncoder, load_template
from stages.formats.heldout import is_prompt_heldout
from stages.shared.contract import InputFile
from stages.shared.files import read_json
from stages.train.data.packed import sample_of
from tests.stages.align.sft.world import chats, settings
from tests.stages.harness import run_unit

World = Mapping[str, tuple[InputFile, ...]]
GOLDEN = ("Hi", "Hello", "2+2?", "4", "Bye", "Bye!")
CHATML = {"<|im_start|>": 256, "<|im_end|>": 257}


class Bytes:
    """A tokenizer of bytes."""

    eos_id = 258

    def pieces(self) -> list[str]:
        return [f"<0x{number:02X}>" for number in range(256)]

    def encode(self, text: str) -> list[int]:
        return list(text.encode())


def chat(*texts: str) -> Chat:
    roles = ("user", "assistant")
    messages = [text_message(roles[number % 2], text) for number, text in enumerate(texts)]  # type: ignore[arg-type]
    return Chat(id="1", messages=tuple(messages))


def maker(seq_len: int = 128, **changes: str) -> Examples:
    encoder = ChatEncoder(load_template("chatml"), Bytes(), CHATML, first_id=258)
    codec = Bytes()
    return Examples(settings(model={"seq_len": seq_len}, **changes), encoder, lambda texts: map(codec.encode, texts))


def examples(made: Examples, *found: Chat) -> list[Example]:
    kept, heldout = made.examples((number, json.dumps(to_record(each))) for number, each in enumerate(found, start=1))
    assert not heldout
    return kept


def learned(examples: list[Example]) -> list[list[int]]:
    return [example.tokens[example.is_learned].tolist() for example in examples]


def test_the_golden_conversation_is_learned_at_its_answers_through_the_whole_data_path(tmp_path: Path) -> None:
    (example,) = examples(maker(), chat(*GOLDEN))
    with PackedWriter(tmp_path / "rows.bin", 259) as writer:
        writer.write([example, example])
    row = sample_of(PackedRows(tmp_path / "rows.bin").row(0), 200)
    inputs = np.flatnonzero(row["loss_mask"].numpy())
    once = [*range(20, 26), *range(50, 52), *range(75, 80)]
    assert inputs.tolist() == [*once, *(82 + place for place in once)]
    answers = [*b"Hello", 257, *b"4", 257, *b"Bye!", 257]
    assert row["labels"].numpy()[inputs].tolist() == answers * 2
    assert row["document_lengths"].tolist() == [82, 82, 36]
    assert row["position_ids"].tolist() == [*range(82), *range(82), *range(36)]


def test_with_last_answer_earlier_answers_and_their_ends_are_not_learned() -> None:
    assert learned(examples(maker(learn="last_answer"), chat(*GOLDEN))) == [[*b"Bye!", 257]]


@pytest.mark.parametrize(
    ("too_long", "seq_len", "lengths", "number_learned", "counts"),
    [
        ("refuse", 40, [], [], {"too_long": 1}),
        ("cut", 40, [40], [7], {"cut": 1}),
        ("split", 40, [40, 40], [6, 6], {"split": 1, "nothing_learned": 1}),
        ("split", 18, [18, 18, 10], [6, 2, 5], {"split": 1, "nothing_learned": 2}),
        ("cut", 4, [4], [2], {"cut": 1}),
    ],
)
def test_a_chat_that_is_too_long_is_refused_cut_or_split_and_counted(
    too_long: str, seq_len: int, lengths: list[int], number_learned: list[int], counts: dict[str, int]
) -> None:
    made = maker(seq_len, too_long=too_long)
    found = examples(made, chat(*GOLDEN))
    assert made.tokens == 82
    assert [len(each.tokens) for each in found] == lengths
    assert [int(each.is_learned.sum()) for each in found] == number_learned
    assert made.rejects.counts == counts


def test_a_chat_at_the_limit_is_whole() -> None:
    made = maker(82)
    assert len(examples(made, chat(*GOLDEN))) == 1
    assert not made.rejects.counts


def test_chats_that_are_encoded_together_are_those_that_are_encoded_alone() -> None:
    found = [chat(*GOLDEN), chat("x" * 90, "no"), chat("", "yes"), chat("Hi"), chat("again", " "), chat("one", "two")]
    together, alone = maker(60, too_long="split"), maker(60, too_long="split")
    one_by_one = [example for each in found for example in examples(alone, each)]
    for one, other in zip(examples(together, *found), one_by_one, strict=True):
        assert one.tokens.tolist() == other.tokens.tolist()
        assert one.is_learned.tolist() == other.is_learned.tolist()
    assert together.rejects.counts == alone.rejects.counts
    assert (together.chats, together.tokens) == (alone.chats, alone.tokens)
    assert together.rejects.counts == {"split": 2, "nothing_learned": 2, "blank_answer": 1}
    assert examples(together) == []


def test_chats_that_cannot_be_learned_are_counted_and_kept_to_read(world: World, tmp_path: Path) -> None:
    good = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    picture = {"messages": [{"role": "user", "parts": [{"type": "picture", "key": "a"}]}, good["messages"][1]]}
    lines = [
        json.dumps(good),
        "{not json",
        "",
        '{"messages": []}',
        json.dumps({"messages": [{"role": "narrator", "content": "x"}]}),
        json.dumps(picture),
        json.dumps({"messages": [good["messages"][0]]}),
        json.dumps({"messages": [{"role": "user", "content": "\ud800"}, {"role": "assistant", "content": " \n"}]}),
        json.dumps({"messages": [{"role": "user", "content": "word " * 400}, good["messages"][1]]}),
        json.dumps({"messages": [{"role": "user", "parts": [{"type": "text", "text": None}]}, good["messages"][1]]}),
    ]
    path = tmp_path / "chats.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    config, inputs = settings(), {**world, "chats": (InputFile(path, "own"),)}
    run_unit(config, config.plan(inputs).steps[0], 0, inputs, tmp_path / "run")
    folder = tmp_path / "run" / "steps" / "encode" / "00000"
    counts = read_json(folder / COUNTS)
    assert (counts["chats"], len(PackedRows(folder / EXAMPLES))) == (9, 1)
    wanted = {"unreadable": 4, "not_in_template": 1, "nothing_learned": 1, "blank_answer": 1, "too_long": 1}
    assert counts["counts"] == wanted
    samples = read_json(folder / REJECTS)
    assert [sample["record"] for sample in samples] == [2, 4, 5, 6, 7, 8, 9, 10]
    assert "narrator" in samples[2]["detail"]
    assert samples[5]["detail"].startswith("user: ? |")
    assert all(len(sample["detail"]) <= 500 for sample in samples)


def test_held_out_chats_are_those_of_a_share_of_the_prompts(world: World, tmp_path: Path) -> None:
    config = settings(heldout=0.3)
    run_unit(config, config.plan(world).steps[0], 0, world, tmp_path)
    folder = tmp_path / "steps" / "encode" / "00000"
    kept, heldout = len(PackedRows(folder / EXAMPLES)), len(PackedRows(folder / HELDOUT))
    assert kept + heldout + read_json(folder / COUNTS)["counts"]["too_long"] == 70
    assert 0 < heldout < kept


def test_chats_with_one_prompt_are_on_one_side_whatever_is_said_before_and_after() -> None:
    system = Message(role="system", parts=text_message("user", "Be kind").parts)
    for question in ("a", "b", "c", "d", "e"):
        one = chat(question, "yes")
        other = Chat(id="2", messages=(system, *chat(question, "no", "why?", "so").messages))
        assert is_prompt_heldout(one.messages, 0.5) == is_prompt_heldout(other.messages, 0.5)
    assert len({is_prompt_heldout(chat(str(number), "yes").messages, 0.5) for number in range(20)}) == 2
    assert not any(is_prompt_heldout(each.messages, 0.0) for each in chats(20))


def test_the_examples_of_a_file_are_the_same_in_any_division_into_files(world: World, tmp_path: Path) -> None:
    whole = tmp_path / "whole.jsonl"
    write_chats(whole, chats(120, seed=1))
    config = settings()
    parts = [(world["chats"][0],), (world["chats"][1],), (InputFile(whole, "large"),)]
    made = []
    for number, files in enumerate(parts):
        inputs = {**world, "chats": files}
        run_unit(config, config.plan(inputs).steps[0], 0, inputs, tmp_path / str(number))
        folder = tmp_path / str(number) / "steps" / "encode" / "00000"
        made.append([(folder / EXAMPLES).with_suffix(end).read_bytes() for end in (".bin", ".mask")])
    assert [one + other for one, other in zip(*made[:2], strict=True)] == made[2]
