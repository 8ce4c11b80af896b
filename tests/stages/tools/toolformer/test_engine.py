from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch

from stages.generate.opening import Opened
from stages.generate.requests import Growth, Stop
from stages.tools.toolformer.annotating import Annotated, Annotator, Tool
from stages.tools.toolformer.engine import EngineModel, _at_end
from tests.stages.generate.tiny import EOS, model_of, whole_pass


@dataclass
class Letters:
    """Decodes token 10 + n as the n-th character of a small alphabet."""

    eos_id: int = EOS
    names: str = "abcdefghijklmnopqrstuvwxyzABC 0123456789[]()->."

    def encode(self, text: str) -> list[int]:
        return [10 + self.names.index(each) for each in text]

    def decode(self, ids: Any) -> str:
        return "".join(self.names[(token - 10) % len(self.names)] for token in ids if token != EOS)


@pytest.fixture(scope="module")
def model() -> EngineModel:
    loaded = model_of("RoPE")
    described = {"codec": Letters(), "first_id": EOS, "identity": "", "dtype": "fp32", "seq_len": loaded.seq_len}
    return EngineModel(Opened(**described, model=loaded), seed=1)


def test_scores_are_those_of_a_whole_pass(model: EngineModel) -> None:
    tokens = (EOS, *model.encode("abc 12"))
    logits = whole_pass(model_of("RoPE"), tokens).double().log_softmax(-1)
    found = model.score([(tokens[:at], (tokens[at],)) for at in range(1, len(tokens))])
    wanted = [float(logits[at - 1, tokens[at]]) for at in range(1, len(tokens))]
    assert torch.allclose(torch.tensor(found), torch.tensor(wanted), atol=1e-5)
    assert model.start == model.encode(" [")


def test_a_text_is_annotated_the_same_beside_any_other(model: EngineModel) -> None:
    tool = Tool(
        name="C",
        execute=lambda given, document, place: given,
        prompt=lambda text: "a",
        tau_s=0.0,
        tau_f=-9.0,
        top_k=3,
        samples=3,
    )
    texts = [("one", "ab cd 1"), ("two", "xyz 7")]
    together = Annotator(model, tool).annotate(texts)
    alone = [each for text in texts for each in Annotator(model, tool).annotate([text])]
    for one, other in zip(together, alone, strict=True):
        assert isinstance(one, Annotated)
        assert isinstance(other, Annotated)
        assert (one.document, one.text, len(one.candidates)) == (other.document, other.text, 9)
        for mine, theirs in zip(one.candidates, other.candidates, strict=True):
            assert (mine.place, mine.written, mine.reason) == (theirs.place, theirs.written, theirs.reason)
            assert (mine.probability, mine.gain or 0.0) == pytest.approx((theirs.probability, theirs.gain or 0.0), 1e-4)


@pytest.mark.parametrize(
    ("text", "ends"), [("C(1)]", True), ("C(1) -> 2]", True), ('C("]', False), ("C([1]", False), ("C(1", False)]
)
def test_a_row_ends_with_its_call(text: str, ends: bool) -> None:
    assert (_at_end(Growth((), text)) == Stop("call")) == ends
