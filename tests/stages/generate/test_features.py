"""Rows of features in prompts against the forward pass over embeddings in which they stand."""

from __future__ import annotations

import pytest
import torch

from stages.generate.features import Features, feature_ids
from stages.generate.generation import Generator
from stages.generate.memory import scoring_slots
from stages.generate.passes import Passes
from stages.generate.requests import Request
from stages.generate.sampling import Sampling
from stages.generate.scoring import Window, inputs_of, score
from tests.stages.generate.tiny import SHAPE, USUAL_STD, Names, model_of, seen_pass

POSITIONS = 6
KINDS = ["RoPE, grouped", "ALiBi", "experts"]


def seen(*keys: str) -> Features:
    found = Features()
    for key in keys:
        draw = torch.Generator().manual_seed(len(key))
        found.add(key, torch.randn(POSITIONS, SHAPE["dim"], generator=draw) * 0.1)
    return found


def prompts(*keys: str) -> list[list[int]]:
    """Return prompts with a picture in the middle, two pictures, one at the very end, and none; many begin alike."""
    one, two = (list(feature_ids(key, POSITIONS)) for key in keys)
    return [[2, 7, *one, 9, 10], [2, 7, *two, 9, 10], [2, 7, *one, 9, 11], [2, *one, *two, 5], [2, 8, *two], [2, 7, 9]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch", [5, 768])
def test_tokens_behind_pictures_are_scored_as_by_the_whole_forward_pass(kind: str, batch: int) -> None:
    model, features = model_of(kind, init_std=USUAL_STD), seen("one", "another")
    windows: list[Window] = [(prompt, [3, 4]) for prompt in prompts("one", "another")]
    passes = Passes(model, scoring_slots(model.config, batch), features)
    found = score(passes, windows, batch)
    for window, each in zip(windows, found, strict=True):
        logprobs = torch.log_softmax(seen_pass(model, [*inputs_of(window)], features)[-2:].double(), -1)
        assert each.logprob == pytest.approx(float(logprobs[0, 3] + logprobs[1, 4]), abs=2e-6)
    starts = {inputs_of(window)[:at] for window in windows for at in range(1, len(inputs_of(window)) + 1)}
    assert passes.tokens == len(starts)  # a picture that two prompts begin with is computed once


@pytest.mark.parametrize("kind", KINDS)
def test_text_behind_pictures_is_that_of_the_whole_forward_pass_alone_and_in_a_batch(kind: str) -> None:
    model, features = model_of(kind), seen("one", "another")
    asked = [
        Request(prompt=tuple(prompt), sampling=Sampling(max_tokens=6, ignore_eos=True))
        for prompt in prompts("one", "another")
    ]

    def answers(rows: int, batch: int) -> list[tuple[int, ...]]:
        passes = Passes(model, 600, features)
        generator = Generator(passes, Names(), max_rows=rows, batch=batch)
        return [each.tokens for each in generator.generate(asked)]

    expected = []
    for request in asked:
        tokens = list(request.prompt)
        for _ in range(6):
            tokens.append(int(seen_pass(model, tokens, features)[-1].argmax()))
        expected.append(tuple(tokens[-6:]))
    assert answers(1, 768) == answers(4, 16) == answers(64, 768) == expected


def test_another_picture_in_the_same_place_is_another_prefix() -> None:
    model = model_of("RoPE")
    one, two = (Request(prompt=tuple(prompt), sampling=Sampling(max_tokens=5)) for prompt in prompts("a", "bb")[:2])
    generator = Generator(Passes(model, 400, seen("a", "bb")), Names(), max_rows=4, batch=64)
    alone = [
        Generator(Passes(model, 400, seen("a", "bb")), Names(), max_rows=4, batch=64).generate([each])[0]
        for each in (one, two)
    ]
    assert generator.generate([one]) == alone[:1]
    assert generator.generate([two, one]) == alone[::-1]


def test_positions_without_features_are_named() -> None:
    passes = Passes(model_of("RoPE"), 400, seen("a"))
    with pytest.raises(ValueError, match="6 of 6 positions have no features"):
        score(passes, [([2, *feature_ids("b", POSITIONS)], [3])], 768)


def test_ids_follow_from_the_name_and_features_are_forgotten_when_they_are_no_longer_used() -> None:
    assert feature_ids("a", 4) == feature_ids("a", 9)[:4]
    assert max(feature_ids("a", 9)) < 0
    assert not set(feature_ids("a", 900)) & set(feature_ids("b", 900))
    features = seen("a", "bb")
    features.keep(["bb", "never seen"])
    assert "a" not in features
    assert features.spliced([5, *feature_ids("bb", 1)]) is not None
    assert features.spliced([5, 6]) is None
    with pytest.raises(ValueError, match="1 of 1 positions"):
        features.spliced(feature_ids("a", 1))
