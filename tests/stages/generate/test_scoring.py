"""Scores over shared prefixes against the whole forward pass."""

from __future__ import annotations

import random

import pytest
import torch

from stages.generate.memory import scoring_slots
from stages.generate.passes import Passes
from stages.generate.scoring import Scored, Window, inputs_of, score
from stages.model.checkpoint.load import LoadedModel
from tests.stages.generate.tiny import KINDS, USUAL_STD, VOCAB, model_of, positions_of, ragged, whole_pass


def windows_of(seq_len: int) -> list[Window]:
    draw = random.Random(2)
    contexts = ragged(30)
    found: list[Window] = []
    for context in contexts:
        for _ in range(3):
            length = draw.randrange(1, seq_len + 2 - len(context))
            found.append((context, [draw.randrange(VOCAB) for _ in range(length)]))
    return [*found, found[0], (contexts[0], found[0][1][:1])]  # one asked twice, and a part of one


def uncached(model: LoadedModel, window: Window) -> Scored:
    given, wanted = window
    logprobs = torch.log_softmax(model.logits(torch.tensor([inputs_of(window)]))[0].double(), -1)[len(given) - 1 :]
    targets = torch.tensor(wanted)
    return Scored(float(logprobs.gather(1, targets[:, None]).sum()), bool((logprobs.argmax(-1) == targets).all()))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch", [7, 768])
def test_scores_over_shared_prefixes_are_those_of_the_whole_forward_pass(kind: str, batch: int) -> None:
    model = model_of(kind)
    windows = windows_of(model.seq_len)
    passes = Passes(model, scoring_slots(model.config, batch))
    found = score(passes, windows, batch)
    expected = [uncached(model, window) for window in windows]
    worst = max(abs(a.logprob - b.logprob) / len(w[1]) for a, b, w in zip(found, expected, windows, strict=True))
    assert worst < 2e-6  # a token; log probabilities of 5 to 10 nats in float32
    assert [each.is_greedy for each in found] == [each.is_greedy for each in expected]
    starts = {tuple(inputs_of(window)[:at]) for window in windows for at in range(1, len(inputs_of(window)) + 1)}
    assert passes.tokens == len(starts) + len(model.lead)


class InTheModelsType(Passes):
    """Passes whose logits are not rounded to float32."""

    @torch.inference_mode()
    def logits(self, hidden_SD: torch.Tensor) -> torch.Tensor:
        logits_SV: torch.Tensor = self.model.model.logits(hidden_SD)[:, :VOCAB]
        return logits_SV


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("dtype", "near"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
@pytest.mark.parametrize("packed", [False, True])
def test_every_position_is_scored_as_by_the_whole_forward_pass(
    kind: str, dtype: torch.dtype, near: float, *, packed: bool
) -> None:
    """In float64 the same arithmetic agrees to 1e-14, so the difference in float32 is rounding alone."""
    if kind == "experts" and dtype is torch.float64:
        near = 1e-8  # the router is in float32
    model = model_of(kind, dtype, USUAL_STD)
    windows = positions_of(model)
    asked = model_of(kind, dtype, USUAL_STD, packed=packed)
    found = score(InTheModelsType(asked, scoring_slots(model.config, 32)), windows, 32)
    logprobs = [torch.log_softmax(whole_pass(model, given)[-1].double(), -1)[wanted[0]] for given, wanted in windows]
    assert [each.logprob for each in found] == pytest.approx([float(each) for each in logprobs], abs=near)


def test_a_packed_model_has_no_whole_forward_pass() -> None:
    with pytest.raises(ValueError, match="a packed model advances only"):
        model_of("RoPE", packed=True).logits(torch.tensor([[1, 2]]))


def test_a_score_does_not_depend_on_what_it_is_asked_with() -> None:
    model = model_of("ALiBi, grouped", init_std=USUAL_STD)
    windows = positions_of(model)
    together = score(Passes(model, 200), windows, 64)
    for index in range(0, len(windows), 9):
        (alone,) = score(Passes(model, 200), [windows[index]], 64)
        assert alone.logprob == pytest.approx(together[index].logprob, abs=1e-6)


def test_a_model_of_16_bits_is_scored_in_16_bits() -> None:
    model = model_of("RoPE, grouped", torch.bfloat16)
    windows = windows_of(model.seq_len)
    found = score(Passes(model, 200), windows, 64)
    differences = [
        abs(each.logprob - uncached(model, window).logprob) / len(window[1])
        for each, window in zip(found, windows, strict=True)
    ]
    assert max(differences) < 0.1  # a token; bfloat16 has eight bits


def test_nothing_asked_is_answered() -> None:
    assert score(Passes(model_of("RoPE"), 100), [], 8) == []
