"""Blank infilling, GLM's objective (arXiv:2103.10360): what becomes a blank, and the sequence made of it.

A sample is a function of the run's seed and its number in the data's order: a resumed run draws the same blanks.

    text     x1 x2 x3 x4 x5 x6         spans (2, 3) and (4, 6), shuffled: the second first
    tokens   x1 x2 [M] x4 [M]  [S] x5 x6   [S] x3       part A, then part B
    labels                     x5  x6 [E]  x3 [E]       loss on part B alone
    in text   0  1  2  3   4    4  4  4     2  2        where it stands in part A; in B, where its blank stands
    in span   0  0  0  0   0    1  2  3     1  2        counted from 1 in part B

A tenth of the tokens that part B reads in short blanks are replaced by one that says nothing; their labels stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray

from stages.formats.tokenizer import Tokenizer
from stages.model.config import GLM_TOKENS
from stages.train.objectives.base import Batch
from stages.train.sections import BlanksConfig

Tokens = NDArray[np.int64]
Span = tuple[int, int]
"""First token and the one after the last."""
_SENTENCE_ENDS = frozenset(".?!;:\n。？！；：…")
_LONGEST = 39
"""Tokens of the longest blank that is drawn by length (THUDM/GLM, blocklm_utils.py)."""


@dataclass(frozen=True)
class Pieces:
    """What blanks need to know of a vocabulary."""

    mask: int
    sentence_mask: int
    document_mask: int
    start: int
    end: int
    block_mask: int
    eos: int
    """Ends a document; no blank of a span or sentence holds it."""
    ends_sentence: NDArray[np.bool_]
    """By id: whether a piece ends a sentence."""


def pieces_of(tokenizer: Tokenizer) -> Pieces:
    """Return them for a tokenizer: GLM's own tokens have the ids after its pieces."""
    names = [piece.replace("<0x0A>", "\n") for piece in tokenizer.pieces()]
    ends = np.array([bool(_SENTENCE_ENDS.intersection(name)) for name in names])
    mask, sentence_mask, document_mask, start, end, block_mask = range(
        tokenizer.vocab_size, tokenizer.vocab_size + len(GLM_TOKENS)
    )
    return Pieces(mask, sentence_mask, document_mask, start, end, block_mask, eos=tokenizer.eos_id, ends_sentence=ends)


class BlankedDataset(torch.utils.data.Dataset[Batch]):
    """The sequences of another dataset with blanks to fill in."""

    def __init__(
        self, texts: torch.utils.data.Dataset[Batch], config: BlanksConfig, seed: int, tokenizer: Tokenizer
    ) -> None:
        self.texts, self.config, self.seed, self.pieces = texts, config, seed, pieces_of(tokenizer)

    def __getitem__(self, index: int) -> Batch:
        """Return sequence `index`: tokens, labels and loss_mask [T], position_ids [2, T], and part A's length_a."""
        tokens = np.asarray(self.texts[index]["tokens"], dtype=np.int64)
        return blank_out(tokens, self.config, self.pieces, np.random.default_rng([self.seed, index]))


def blank_out(tokens: Tokens, config: BlanksConfig, pieces: Pieces, draw: Generator) -> Batch:
    """Return a sequence of as many tokens, made of the head of the text: a blank adds two tokens of its own.

    All blanks of a sequence are of one kind: spans, whole sentences, or one to the end of the text (section 2.1,
    "multi-task pretraining").
    """
    kind = draw.random()
    if kind < config.spans:
        text, spans, mask = *draw_spans(tokens, config, pieces, draw), pieces.mask
    elif kind < config.spans + config.sentences:
        text, spans, mask = *draw_sentences(tokens, config, pieces, draw), pieces.sentence_mask
    else:
        text, spans, mask = *draw_ending(tokens, config, draw), pieces.document_mask
    shuffled = [spans[i] for i in draw.permutation(len(spans))]
    made = lay_out(text, shuffled, mask, pieces, len(tokens))
    if mask == pieces.mask:
        hide_read(made, config.block_mask, pieces, draw)
    return made


def hide_read(made: Batch, share: float, pieces: Pieces, draw: Generator) -> None:
    """Replace each token that part B reads, but for those that start a blank, with that probability; in place."""
    is_read = (made["loss_mask"] == 1) & (made["tokens"] != pieces.start)
    hidden = torch.from_numpy(draw.random(len(is_read)) < share)
    made["tokens"][is_read & hidden] = pieces.block_mask


def draw_spans(tokens: Tokens, config: BlanksConfig, pieces: Pieces, draw: Generator) -> tuple[Tokens, list[Span]]:
    """Return the text that leaves room for its blanks, and short blanks, in order, that cover `ratio` of it.

    Lengths are Poisson's without 0. A blank lies within a document and touches no other; one that finds no such place
    is left out, so texts of documents of a few tokens get fewer.
    """
    lengths: list[int] = []
    longest = max(1, min(_LONGEST, len(tokens) // 4))
    while sum(lengths) < config.ratio * (len(tokens) - 2 * len(lengths)):
        if length := draw.poisson(config.mean_span):
            lengths.append(min(int(length), longest))
    text = tokens[: len(tokens) - 2 * len(lengths)]
    is_free = text != pieces.eos
    spans: list[Span] = []
    for length in sorted(lengths, reverse=True):
        taken = np.concatenate([[0], np.cumsum(~is_free)])
        starts = np.flatnonzero(taken[length:] == taken[: len(taken) - length])
        if len(starts):
            start = int(draw.choice(starts))
            spans.append((start, start + length))
            is_free[max(0, start - 1) : start + length + 1] = False
    return text, sorted(spans)


def draw_sentences(tokens: Tokens, config: BlanksConfig, pieces: Pieces, draw: Generator) -> tuple[Tokens, list[Span]]:
    """Return the text that leaves room for its blanks, and whole sentences, in order, that cover `ratio` of it."""
    rank = draw.permutation(len(tokens))  # of a sentence: that of its first token
    for count in range(1, len(tokens) // 2):
        text = tokens[: len(tokens) - 2 * count]
        spans: list[Span] = []
        missing = config.ratio * len(text)
        for start, end in sorted(sentences_of(text, pieces), key=lambda span: rank[span[0]]):
            if missing > 0:
                spans.append((start, end))
                missing -= end - start
        if len(spans) <= count:
            break
    return text, sorted(spans)


def draw_ending(tokens: Tokens, config: BlanksConfig, draw: Generator) -> tuple[Tokens, list[Span]]:
    """Return the text that leaves room for its blank, and the one blank to its end, at least `min_generated` of it."""
    text = tokens[:-2]
    length = draw.integers(max(1, int(config.min_generated * len(text))), len(text))
    return text, [(len(text) - int(length), len(text))]


def sentences_of(text: Tokens, pieces: Pieces) -> Iterator[Span]:
    """Yield the sentences of a text, without what ends a document; what no mark ends is one too."""
    start = 0
    for place, token in enumerate(text.tolist()):
        ends = token < len(pieces.ends_sentence) and pieces.ends_sentence[token]
        if (ends or token == pieces.eos) and place + bool(ends) > start:
            yield start, place + bool(ends)
        if ends or token == pieces.eos:
            start = place + 1
    if start < len(text):
        yield start, len(text)


def lay_out(text: Tokens, spans: Sequence[Span], mask: int, pieces: Pieces, size: int) -> Batch:
    """Return the sequence of `size` tokens with these blanks, which part B takes in the order given. Pure.

    The end is padded with end-of-document tokens that carry no loss.
    """
    length_a = len(text) - sum(end - start - 1 for start, end in spans)
    tokens, labels = np.full(size, pieces.eos), np.full(size, pieces.eos)
    loss_mask, positions = np.zeros(size, dtype=np.float32), np.zeros((2, size), dtype=np.int64)
    positions[0, :length_a] = np.arange(length_a)
    blank_of: dict[Span, int] = {}
    read = written = 0
    for start, end in sorted(spans):
        kept = text[read:start]
        tokens[written : written + len(kept)] = kept
        written += len(kept)
        tokens[written] = mask
        blank_of[start, end] = written
        read, written = end, written + 1
    tokens[written:length_a] = text[read:]
    at = length_a
    for start, end in spans:
        stop = at + end - start + 1
        tokens[at:stop] = [pieces.start, *text[start:end]]
        labels[at:stop] = [*text[start:end], pieces.end]
        loss_mask[at:stop] = 1
        positions[0, at:stop] = blank_of[start, end]
        positions[1, at:stop] = np.arange(1, stop - at + 1)
        at = stop
    arrays = {"tokens": tokens, "labels": labels, "loss_mask": loss_mask, "position_ids": positions}
    return {name: torch.from_numpy(array) for name, array in arrays.items()} | {"length_a": torch.tensor(length_a)}
