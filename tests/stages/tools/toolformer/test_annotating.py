from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pytest

from stages.formats.calls.inline import without_calls
from stages.formats.chat.rejects import Reject
from stages.toolbox.calculator import calculate
from stages.tools.toolformer.annotating import Annotated, Annotator, Tokens, Tool, Window

TEXT = "3 cats and 4 dogs are 7.00 animals"
PLACE = TEXT.index(" 7")


class Scripted:
    """A model whose tokens are characters. It expects a result that stands before the text, and else nothing."""

    first: Tokens = (0,)
    start: Tokens = (1,)
    max_tokens = 500

    def __init__(self, chances: Mapping[int, float], calls: Sequence[str]) -> None:
        self._chances, self._calls = chances, calls
        self.asked: list[str] = []

    def encode(self, text: str) -> Tokens:
        return tuple(map(ord, text))

    def decode(self, tokens: Tokens) -> str:
        return "".join(map(chr, tokens))

    def score(self, windows: Sequence[Window]) -> list[float]:
        return [math.log(self._chance(self.decode(given[1:]), wanted)) for given, wanted in windows]

    def _chance(self, given: str, wanted: Tokens) -> float:
        if wanted == self.start:
            return self._chances.get(len(given) - len("Add: \n") - len(TEXT), 1e-9)
        call, mark, text = given.rpartition("] ")
        if not mark:
            return 0.1
        _, arrow, result = call.rpartition("-> ")
        if not arrow:
            return 0.2
        said = text[PLACE + 1 :]
        return 0.9 if f" {result} "[len(said) + (len(text) > PLACE) :][:1] == chr(wanted[0]) else 0.1

    def sample(self, prompts: Sequence[tuple[Tokens, str]]) -> list[str]:
        self.asked += [key for _, key in prompts]
        return [self._calls[number % len(self._calls)] for number in range(len(prompts))]


def tool(**numbers: float) -> Tool:
    return Tool(
        name="Calculator",
        execute=lambda given, document, place: calculate(given),
        prompt=lambda text: f"Add: {text}\n",
        **numbers,
    )  # type: ignore[arg-type]


def annotated(model: Scripted, **numbers: float) -> Annotated:
    (found,) = Annotator(model, tool(**numbers)).annotate([("d", TEXT)])
    assert isinstance(found, Annotated)
    return found


def test_a_call_that_reveals_the_next_number_is_kept_with_its_result() -> None:
    found = annotated(Scripted({PLACE: 0.5}, ["Calculator(3+4)]"]), samples=1)
    assert found.text == "3 cats and 4 dogs are [Calculator(3+4) -> 7.00] 7.00 animals"
    assert without_calls(found.text) == TEXT
    (candidate,) = found.candidates
    assert (candidate.reason, candidate.place, candidate.result) == ("kept", PLACE, "7.00")
    assert candidate.losses is not None
    assert candidate.losses.plain == pytest.approx(-math.log(0.1))
    assert candidate.losses.bare == pytest.approx(-math.log(0.2))
    assert candidate.gain == pytest.approx(math.log(0.9) - math.log(0.2))


def test_every_candidate_has_its_reason() -> None:
    calls = [
        "Calculator(3+4)]",
        "Calculator(3+4)]",
        "Calculator(3*4)]",
        "Calculator(three)]",
        "Calendar()]",
        "Calculator(3+4",
        "nothing",
    ]
    found = annotated(Scripted({PLACE: 0.5}, calls), samples=7)
    reasons = [each.reason for each in found.candidates]
    assert reasons == ["kept", "not_best", "no_gain", "failed", "other_tool", "no_end", "no_end"]
    assert found.candidates[3].result.startswith("bad_expression: ")


def test_the_threshold_of_the_gain_decides() -> None:
    model = Scripted({PLACE: 0.5}, ["Calculator(3+4)]"])
    assert annotated(model, samples=1, tau_f=1.6).text == TEXT
    assert annotated(model, samples=1, tau_f=1.5).text != TEXT


def test_positions_are_the_likeliest_and_each_sample_has_draws_of_its_own() -> None:
    model = Scripted({0: 0.06, 5: 0.05, PLACE: 0.5, 9: 0.2}, ["x"])
    found = annotated(model, top_k=2, samples=2)
    assert [each.place for each in found.candidates] == [9, 9, PLACE, PLACE]
    assert len(set(model.asked)) == 4
    assert found.text == TEXT


def test_a_text_beyond_the_models_length_is_rejected_and_the_next_one_annotated() -> None:
    found = list(Annotator(Scripted({}, []), tool()).annotate([("long", "x" * 600), ("d", TEXT)]))
    assert isinstance(found[0], Reject)
    assert found[0].reason == "too_long"
    assert found[1] == Annotated("d", TEXT, ())
