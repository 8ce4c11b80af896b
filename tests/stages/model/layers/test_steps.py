"""Steps over cached keys: any cut of a sequence into steps and visits gives the whole forward pass."""

from __future__ import annotations

import pytest
import torch

from stages.model.layers.steps import Cache, Step
from stages.model.layers.visits import Seen, Visit
from tests.bench.memory import grown_mb
from tests.stages.generate.tiny import KINDS, VOCAB, model_of


def stepwise(kind: str, tokens: torch.Tensor, cuts: list[int], dtype: torch.dtype) -> torch.Tensor:
    """Return the hidden states of all tokens, computed from one cut to the next, the slots in reverse by halves."""
    model = model_of(kind, dtype)
    cache, found = Cache(64, positions=model.config.seq_len), []
    whole = torch.cat([torch.tensor(model.lead, dtype=torch.int64), tokens])
    for start, stop in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        count = stop - start
        seen = Seen(
            own=(Visit(0, count, 8 + start, 8 + stop, is_causal=True),),
            shared=tuple(
                Visit(0, count, first, last)
                for first, last in ((8, 8 + start // 2), (8 + start // 2, 8 + start))
                if first < last
            ),
        )
        step = Step(
            cache=cache,
            positions=torch.arange(start, stop),
            slots=torch.arange(start, stop) + 8,
            seen=seen,
            scored=torch.arange(count),
            seen_by_scored=seen,
        )
        with torch.inference_mode():
            found.append(model.model.logits(model.model.advance(whole[start:stop], step)))
    return torch.cat(found)[len(model.lead) :, :VOCAB]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cuts", [[], [1, 2, 3, 4, 20], [9], [13, 14]])
def test_any_steps_give_the_logits_of_the_whole_forward_pass(kind: str, cuts: list[int]) -> None:
    tokens = torch.randint(VOCAB, (30,), generator=torch.Generator().manual_seed(3))
    for dtype, limit in ((torch.float32, 5e-6), (torch.float64, 2e-7)):
        model = model_of(kind, dtype)
        expected = model.logits(tokens[None])[0]
        found = stepwise(kind, tokens, cuts, dtype)
        assert (found.to(expected) - expected).abs().max() < limit * float(expected.abs().max())


def test_slots_are_copied_in_all_layers() -> None:
    cache = Cache(10, positions=4)
    for layer in (1, 2):
        keys, values = cache.layer(layer, torch.zeros(2, 1, 3))
        keys[:], values[:] = torch.arange(10.0)[:, None], -torch.arange(10.0)[:, None]
    cache.copy(2, 6, 3)
    for layer in (1, 2):
        keys, values = cache.layer(layer, torch.zeros(2, 1, 3))
        assert keys[0, 6:9, 0].tolist() == [2.0, 3.0, 4.0]
        assert values[1, 6:9, 2].tolist() == [-2.0, -3.0, -4.0]
    assert cache.num_bytes() == 2 * 2 * 2 * 10 * 3 * 4


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_slots_that_are_not_written_hold_zeros_and_take_no_memory(dtype: torch.dtype) -> None:
    grown = grown_mb()
    keys_KCD, values_KCD = Cache(1 << 18, positions=4).layer(0, torch.ones(2, 3, 64, dtype=dtype))
    keys_KCD[:, 5] = 1
    assert (keys_KCD.shape, keys_KCD.dtype) == ((2, 1 << 18, 64), dtype)
    assert keys_KCD[:, 4:7].sum((0, 2)).tolist() == [0, 128, 0]
    assert not values_KCD[:, -9:].any()
    assert grown() < 8  # of 134 or more
