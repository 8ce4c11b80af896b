"""Calls of tools in growing rows, with a model whose next token is scripted by the choice that steers it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from stages.generate.calls import Calling
from stages.generate.requests import Growth, Insert, Request, Steer
from stages.generate.sampling import Sampling
from tests.stages.generate.tiny import EOS, generator_of

NAMES = "abcdefghijklmnopqrstuvwxyzABC 0123456789[]()->.+\\"
FIRST = 10


class Letters:
    """Token 10 + n is the n-th character of a small alphabet."""

    eos_id = EOS

    def encode(self, text: str) -> list[int]:
        return [FIRST + NAMES.index(each) for each in text]

    def decode(self, ids: Any) -> str:
        return "".join(NAMES[(token - FIRST) % len(NAMES)] for token in ids if token != EOS)


CODEC = Letters()
SPACE, OPEN, CLOSE = CODEC.encode(" []")


def calling(**given: Any) -> Calling:
    return Calling(**{"codec": CODEC, "run": lambda call: f"{call.tool} {call.input}", **given})


@pytest.mark.parametrize("text", ["a [C(1+2) ->", "a [C(1+2)->", "[C(1+2) ->"])
def test_a_result_and_the_bracket_come_behind_the_arrow(text: str) -> None:
    found = calling().hook(Growth((), text))
    assert isinstance(found, Insert)
    assert CODEC.decode(found.tokens) == " C 1+2]"


@pytest.mark.parametrize("text", ["a [C(1+2)", "a ->", "a [C(1+2) -> 3] b", "a [C((1) ->"])
def test_other_texts_go_on(text: str) -> None:
    assert calling().hook(Growth((), text)) is None


def test_a_result_cannot_end_its_call() -> None:
    found = calling(run=lambda call: "1] [C(2) ->").hook(Growth((), "[C(1) ->"))
    assert found is not None
    assert CODEC.decode(found.tokens).count("]") == 2


def test_a_call_is_wanted_behind_its_first_token_and_begun_once() -> None:
    wanted = Steer(wanted=OPEN, among=10)
    assert calling().start == (SPACE, OPEN)
    assert calling().steer(CODEC.encode("ab ")) == wanted
    assert calling().steer(CODEC.encode("ab")) is None
    assert calling().steer(CODEC.encode("ab [C(1 ")) == Steer(banned=(OPEN,))
    assert calling().steer(CODEC.encode("ab [C(1) -> 1] ")) == Steer(banned=(OPEN,))
    assert calling(most=2).steer(CODEC.encode("ab [C(1) -> 1] ")) == wanted
    assert calling(most=2).steer(CODEC.encode("ab [C(1 ")) is None


def test_withheld_tools_begin_no_call_and_run_none() -> None:
    without = calling(run=None)
    assert without.steer(CODEC.encode("ab ")) == Steer(banned=(OPEN,))
    assert without.hook(Growth((), "[C(1) ->")) is None


def test_a_row_takes_a_wanted_token_among_the_likeliest_and_never_a_banned_one() -> None:
    request = Request(prompt=(5, 6, 7), sampling=Sampling(max_tokens=3, ignore_eos=True, logprobs=4))
    (plain,) = generator_of("RoPE").generate([request])
    fourth = plain.logprobs[0].best[3][0]

    def first(steer: Steer) -> int:
        steered = replace(request, steer=lambda tokens: None if tokens else steer)
        found, beside = generator_of("RoPE").generate([steered, request])
        assert beside.tokens == plain.tokens, "a row beside it is as it was"
        return found.tokens[0]

    assert first(Steer(wanted=fourth, among=4)) == fourth
    assert first(Steer(wanted=fourth, among=3)) == plain.tokens[0]
    assert first(Steer(banned=plain.tokens[:1])) == plain.logprobs[0].best[1][0]
    assert first(Steer(wanted=fourth, among=4, banned=(fourth,))) == plain.tokens[0]
