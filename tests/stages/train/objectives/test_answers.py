"""The loss of packed chats: that of the examples alone, and of no other."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from stages.align.sft.config import AlignConfig
from stages.formats.chat.packed import Row
from stages.model import parallel
from stages.model.decoder import Decoder, build_model, initialise, take_documents
from stages.shared.task import Ranks
from stages.train.data.batches import microbatches
from stages.train.data.packed import sample_of
from stages.train.objectives.answers import LearnAnswers
from stages.train.objectives.base import Batch, LossOutputs
from tests.stages.align.sft.world import settings

VOCAB, LENGTH = 300, 64
LENGTHS = [(20, 31, 13), (64,), (7, 8, 9, 10, 11, 12), (3, 50)]
"""Tokens of the examples of four rows, of which one is not full."""


@cache
def decoder(position: str) -> Decoder:
    parallel.start(Ranks())
    model = settings(model={"position": position}).model
    core = build_model(model, VOCAB)
    initialise(core, model, seed=3)
    take_documents(core)
    return core


def rows() -> list[Row]:
    """Return rows of drawn tokens; the second half of each example is learned."""
    draw = np.random.RandomState(5)
    found = []
    for lengths in LENGTHS:
        masks = [np.arange(length) >= max(1, length // 2) for length in lengths]
        tokens = draw.randint(VOCAB, size=sum(lengths))
        found.append(Row(tokens, np.concatenate(masks), np.array(lengths, np.int32)))
    return found


def alone(row: Row) -> list[Row]:
    """Return each example of a row as a row of its own."""
    ends = np.cumsum(row.lengths)
    return [
        Row(row.tokens[end - size : end], row.is_learned[end - size : end], np.array([size], np.int32))
        for end, size in zip(ends, row.lengths, strict=True)
    ]


def all_learned(row: Row) -> Row:
    return Row(row.tokens, np.ones_like(row.is_learned), row.lengths)


def losses(samples: list[Batch], config: AlignConfig, position: str = "rope") -> list[LossOutputs]:
    objective = LearnAnswers(config)
    found = []
    for batch in microbatches(samples, objective.columns, config.microbatch, 1):
        output, loss_of = objective.forward("model", decoder(position), batch)
        found.append(loss_of(output))
    return found


def mean(found: list[LossOutputs]) -> Tensor:
    return sum(each.total for each in found) / sum(each.count for each in found)  # type: ignore[return-value]


@pytest.mark.parametrize("position", ["rope", "alibi"])
def test_the_loss_of_packed_examples_is_that_of_the_examples_alone(position: str) -> None:
    config = settings(model={"position": position}, microbatch=1)
    packed = [sample_of(row, LENGTH) for row in rows()]
    single = [sample_of(each, LENGTH) for row in rows() for each in alone(row)]
    one, other = losses(packed, config, position), losses(single, config, position)
    assert sum(int(each.count) for each in one) == sum(int(each.count) for each in other) == 122
    assert float(mean(one)) == pytest.approx(float(mean(other)), abs=1e-6)


def test_the_loss_of_a_step_does_not_depend_on_the_microbatch() -> None:
    samples = [sample_of(row, LENGTH) for row in rows()]
    one, *others = (float(mean(losses(samples, settings(microbatch=size)))) for size in (1, 2, 4))
    assert others == pytest.approx([one, one], abs=1e-6)


@pytest.mark.parametrize("position", ["rope", "alibi"])
def test_what_one_example_holds_changes_no_bit_of_another(position: str) -> None:
    def logits(row: Row) -> Tensor:
        batch = next(microbatches([sample_of(row, LENGTH)], LearnAnswers(config).columns, 1, 1))
        output, _ = LearnAnswers(config).forward("model", decoder(position), batch)
        return output[0]

    config = settings(model={"position": position}, microbatch=1)
    row = all_learned(rows()[0])
    scored = np.flatnonzero(sample_of(row, LENGTH)["is_learned"].numpy())
    assert len(scored) == LENGTH - 3
    for changed in range(3):
        ends = np.cumsum(row.lengths)
        own = slice(int(ends[changed] - row.lengths[changed]), int(ends[changed]))
        tokens = row.tokens.copy()
        tokens[own] = (tokens[own] + 1) % VOCAB
        before, after = logits(row), logits(Row(tokens, row.is_learned, row.lengths))
        same = (before == after).all(dim=-1).numpy()
        is_own = (scored >= own.start) & (scored < own.stop)
        assert same[~is_own].all()
        assert not same[is_own].any()


def test_positions_of_an_example_start_from_0_wherever_it_lies() -> None:
    def hidden(row: Row, place: slice) -> Tensor:
        batch: dict[str, Any] = next(microbatches([sample_of(row, LENGTH)], LearnAnswers(config).columns, 1, 1))
        output, _ = LearnAnswers(config).forward("model", decoder("rope"), batch)
        return output[0, place]

    config = settings(microbatch=1)
    row = all_learned(rows()[0])
    first, second, _ = alone(row)
    swapped = Row(
        np.concatenate([second.tokens, first.tokens, row.tokens[51:]]),
        row.is_learned,
        np.array([31, 20, 13], np.int32),
    )
    # The last token of each example predicts nothing.
    assert torch.equal(hidden(row, slice(19, 49)), hidden(swapped, slice(0, 30)))


@pytest.mark.parametrize("changes", [{}, {"position": "alibi"}, {"tied_embeddings": True, "norm": "layernorm"}])
def test_the_head_at_learned_tokens_alone_has_the_loss_and_gradients_of_the_whole_head(changes: dict[str, Any]) -> None:
    config = settings(model=changes, z_loss=1e-3)
    parallel.start(Ranks())
    model = build_model(config.model, VOCAB)
    initialise(model, config.model, seed=3)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    objective, whole = LearnAnswers(config), LearnAnswers(config)
    whole.scores_all = True
    for batch in microbatches([sample_of(row, LENGTH) for row in rows()], objective.columns, config.microbatch, 1):
        output, loss_of = objective.forward("model", model, batch)
        everything, whole_loss_of = whole.forward("model", model, batch)
        assert output.shape == (1, int(batch["loss_mask"].sum()), everything.size(2))
        one, other = loss_of(output), whole_loss_of(everything)
        assert int(one.count) == int(other.count)
        assert float(one.total) == pytest.approx(float(other.total), rel=1e-6)
        found, wanted = (torch.autograd.grad(each.total, weights) for each in (one, other))
        for own, gradient in zip(found, wanted, strict=True):
            assert (own - gradient).abs().max() <= 1e-5 * gradient.abs().max()


def test_experts_and_ranks_that_split_a_sequence_take_all_tokens_through_the_head() -> None:
    parallel.start(Ranks())
    experts = settings(model={"moe": {"num_experts": 2}})
    for config in (experts, settings(layout={"tp": 2, "sp": True})):
        model = build_model(config.model, VOCAB)
        initialise(model, config.model, seed=3)
        objective = LearnAnswers(config)
        batch = next(microbatches([sample_of(row, LENGTH) for row in rows()], objective.columns, 2, 1))
        assert objective.forward("model", model, batch)[0].shape[:2] == (2, LENGTH)


def test_a_microbatch_without_labels_has_a_loss_of_0() -> None:
    row = rows()[0]
    empty = Row(row.tokens, np.zeros_like(row.is_learned), row.lengths)
    (found,) = losses([sample_of(empty, LENGTH)], settings(microbatch=1))
    assert (float(found.total.detach()), int(found.count)) == (0.0, 0)
    found.total.backward()
    assert all(bool((weight.grad == 0).all()) for weight in decoder("rope").parameters())
    decoder("rope").zero_grad()
