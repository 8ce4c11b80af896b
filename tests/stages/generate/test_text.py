"""Text that grows a token at a time."""

from __future__ import annotations

import pytest

from stages.formats.tokenizer import Tokenizer
from stages.generate.text import RowText
from tests.stages.evaluate.tiny import TEXT, train_tokenizer

HARD = [TEXT, "日本 unseen bytes \x00 ẞ", "  two  spaces ", "Élan 🙂🙂 x", "\n\nlines\n", "x"]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return Tokenizer(train_tokenizer(tmp_path_factory.mktemp("tokenizer")))


@pytest.mark.parametrize("text", HARD)
@pytest.mark.parametrize("prompt", ["", "The heron", "ends in a space "])
def test_text_is_what_decoding_all_at_once_gives(tokenizer: Tokenizer, text: str, prompt: str) -> None:
    ids = [tokenizer.eos_id, *tokenizer.encode(prompt)]
    row = RowText(tokenizer, ids, [])
    added = tokenizer.encode(text)
    for at, token in enumerate(added, start=1):
        row.add(token)
        whole = tokenizer.decode(ids + added[:at])[len(tokenizer.decode(ids)) :]
        assert whole.startswith(row.text)
    assert row.finish() == tokenizer.decode(ids + added)[len(tokenizer.decode(ids)) :]


def test_bytes_that_make_no_character_appear_at_the_end_alone(tokenizer: Tokenizer) -> None:
    row = RowText(tokenizer, tokenizer.encode("x"), [])
    for token in tokenizer.encode("日")[-3:-1]:
        row.add(token)
    assert row.text == ""
    assert set(row.finish()) == {"\ufffd"}


@pytest.mark.parametrize("at", range(7))
def test_a_stop_text_ends_the_text_wherever_tokens_cut_it(tokenizer: Tokenizer, at: int) -> None:
    stop = "\n\nQ:ABC"
    ids = [
        *tokenizer.encode("one two"),
        *(byte for part in (stop[:at], stop[at:]) for byte in encoded(tokenizer, part)),
    ]
    row = RowText(tokenizer, [tokenizer.eos_id], ["never", stop])
    for token in ids:
        row.add(token)
        if row.is_stopped:
            break
    assert row.is_stopped
    assert row.finish() == "one two"


def encoded(tokenizer: Tokenizer, text: str) -> list[int]:
    """Return the ids of a text inside a line: without the space that SentencePiece puts before a text."""
    return tokenizer.encode("x" + text)[len(tokenizer.encode("x")) :] if text else []


def test_the_first_of_two_stop_texts_ends_the_text(tokenizer: Tokenizer) -> None:
    row = RowText(tokenizer, [tokenizer.eos_id], ["market", "river"])
    for token in tokenizer.encode("in the river and the market"):
        row.add(token)
        if row.is_stopped:
            break
    assert row.finish() == "in the "


def test_an_empty_stop_text_stops_nothing(tokenizer: Tokenizer) -> None:
    row = RowText(tokenizer, [tokenizer.eos_id], [""])
    row.add(tokenizer.encode("river")[0])
    assert not row.is_stopped
