"""Blanks: the sequence by hand, what may be blanked, and that a sample follows from seed and number alone."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from stages.formats.tokenizer import Tokenizer
from stages.train.data.blanks import (
    BlankedDataset,
    Pieces,
    blank_out,
    draw_ending,
    draw_sentences,
    draw_spans,
    lay_out,
    pieces_of,
    sentences_of,
)
from stages.train.sections import BlanksConfig

EOS, STOP = 2, 10
ENDS = np.arange(300) == STOP
PIECES = Pieces(300, 301, 302, 303, 304, 305, eos=EOS, ends_sentence=ENDS)


def make_text(size: int, seed: int = 0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    text = draw.integers(12, 300, size)
    text[draw.random(size) < 1 / 15] = STOP
    text[draw.random(size) < 1 / 100] = EOS
    return text


def test_the_papers_example_by_hand() -> None:
    # arXiv:2103.10360, figure 2: x3 and x5 x6 are blanked, the second one comes first.
    made = lay_out(np.arange(1, 7), [(4, 6), (2, 3)], PIECES.mask, PIECES, 12)
    assert made["tokens"].tolist() == [1, 2, 300, 4, 300, 303, 5, 6, 303, 3, EOS, EOS]
    assert made["labels"].tolist()[5:10] == [5, 6, 304, 3, 304]
    assert made["loss_mask"].tolist() == [0] * 5 + [1] * 5 + [0] * 2
    assert made["position_ids"].tolist() == [
        [0, 1, 2, 3, 4, 4, 4, 4, 2, 2, 0, 0],
        [0, 0, 0, 0, 0, 1, 2, 3, 1, 2, 0, 0],
    ]
    assert made["length_a"].item() == 5


def test_short_blanks_cover_their_share_and_stay_within_documents() -> None:
    config = BlanksConfig()
    lengths: list[int] = []
    for seed in range(30):
        text, spans = draw_spans(make_text(400, seed), config, PIECES, np.random.default_rng(seed))
        assert len(text) == 400 - 2 * len(spans)
        assert sum(end - start for start, end in spans) >= 0.15 * len(text)
        assert all(EOS not in text[start:end] for start, end in spans)
        assert all(after[0] > before[1] for before, after in pairwise(spans))
        lengths += [end - start for start, end in spans]
    assert min(lengths) == 1
    assert np.mean(lengths) == pytest.approx(3 / (1 - np.exp(-3)), rel=0.1)


def test_documents_too_short_for_blanks_get_none() -> None:
    text, spans = draw_spans(np.full(40, EOS), BlanksConfig(), PIECES, np.random.default_rng(1))
    assert not spans
    assert len(text) < 40


def test_sentences_end_with_a_mark_or_a_document() -> None:
    text = np.array([20, STOP, 21, 22, EOS, STOP, STOP, 23, 304])
    assert list(sentences_of(text, PIECES)) == [(0, 2), (2, 4), (5, 6), (6, 7), (7, 9)]


def test_whole_sentences_are_blanked_until_they_cover_their_share() -> None:
    for seed in range(10):
        text, spans = draw_sentences(make_text(400, seed), BlanksConfig(), PIECES, np.random.default_rng(seed))
        assert set(spans) <= set(sentences_of(text, PIECES))
        covered = sorted(end - start for start, end in spans)
        assert sum(covered) >= 0.15 * len(text) > sum(covered) - covered[-1]
        assert 0 <= 400 - len(text) - 2 * len(spans) <= 2


def test_a_blank_to_the_end_is_long_enough_and_leaves_a_beginning() -> None:
    lengths = []
    for seed in range(200):
        text, ((start, end),) = draw_ending(make_text(42), BlanksConfig(), np.random.default_rng(seed))
        assert (len(text), end) == (40, 40)
        lengths.append(end - start)
    assert (min(lengths), max(lengths)) == (10, 39)


@pytest.mark.parametrize("size", [16, 17, 64, 512])
def test_every_kind_fits_in_the_sequence_and_loses_nothing(size: int) -> None:
    for seed in range(40):
        text = make_text(size, seed)
        config = BlanksConfig(spans=0.4, sentences=0.3, block_mask=0)
        made = blank_out(text, config, PIECES, np.random.default_rng(seed))
        length_a = int(made["length_a"])
        used = length_a + int(made["loss_mask"].sum())
        assert made["tokens"].shape == made["labels"].shape == (size,)
        assert used <= size
        assert made["loss_mask"].tolist() == [0] * length_a + [1] * (used - length_a) + [0] * (size - used)
        ours = {*range(300, 305)}
        kept = [int(token) for token in made["tokens"][:used] if int(token) not in ours]
        assert sorted(kept) == sorted(text[: len(kept)].tolist())


def test_a_tenth_of_what_part_b_reads_in_short_blanks_is_hidden_and_no_label() -> None:
    hidden = read = 0
    for seed in range(30):
        text = make_text(400, seed)
        kinds = {"spans": 1.0, "sentences": 0.0} if seed < 20 else {"spans": 0.0}
        one, other = (
            blank_out(text, BlanksConfig(**kinds, block_mask=share), PIECES, np.random.default_rng(seed))
            for share in (0.1, 0.0)
        )
        assert all(torch.equal(one[name], other[name]) for name in other if name != "tokens")
        changed = one["tokens"] != other["tokens"]
        assert set(one["tokens"][changed].tolist()) <= {305}
        assert not changed[: int(one["length_a"])].any()
        assert not changed[other["tokens"] == PIECES.start].any()
        if seed < 20:
            hidden += int(changed.sum())
            read += int(((one["loss_mask"] == 1) & (other["tokens"] != PIECES.start)).sum())
        else:  # whole sentences and endings are read as they are
            assert not changed.any()
    assert hidden / read == pytest.approx(0.1, rel=0.2)


def test_a_sample_follows_from_seed_and_number(tmp_path: Path, corpus: str) -> None:
    tokenizer = Tokenizer(Path(corpus) / "tokenizer.model")
    texts = [{"tokens": torch.from_numpy(make_text(64, number) % tokenizer.vocab_size)} for number in range(6)]
    one, again, other = (BlankedDataset(texts, BlanksConfig(), seed, tokenizer) for seed in (1, 1, 2))
    for number in (5, 0, 3):
        assert all(torch.equal(value, again[number][name]) for name, value in one[number].items())
    assert any(not torch.equal(one[number]["tokens"], other[number]["tokens"]) for number in range(6))


def test_sentence_marks_and_glms_own_tokens_are_found_in_a_vocabulary(corpus: str) -> None:
    tokenizer = Tokenizer(Path(corpus) / "tokenizer.model")
    pieces = pieces_of(tokenizer)
    assert (pieces.mask, pieces.end) == (tokenizer.vocab_size, tokenizer.vocab_size + 4)
    assert pieces.block_mask == tokenizer.vocab_size + 5
    assert pieces.ends_sentence[tokenizer.encode("word.")[-1]]
    assert pieces.ends_sentence[tokenizer.pieces().index("<0x0A>")]
    assert not pieces.ends_sentence[tokenizer.encode("bace")].any()
