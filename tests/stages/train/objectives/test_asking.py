"""BLIP-2's three losses beside their formulas written out as in LAVIS, and how negatives are drawn."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from stages.model import parallel
from stages.model.decoder import initialise
from stages.model.joins.qformer import QFormer
from stages.model.joins.text import QFormerText
from stages.model.vision.encoder import build_encoder
from stages.model.vision.reader import PictureReader
from stages.shared.task import Ranks
from stages.train.objectives.asking import LearnToAsk, caption_loss, drawn_negatives, found_losses
from stages.train.objectives.base import Role
from stages.train.objectives.companions import Companions
from stages.vision.qformer.config import ReaderConfig

PIECES, PAIRS = 30, 5
CLS, DEC = PIECES, PIECES + 1
MODEL = ReaderConfig.model_validate(
    {
        "seq_len": 12,
        "eyes": {
            "encoder": {"picture_size": 8, "patch_size": 4, "num_layers": 1, "dim": 16, "num_heads": 2, "layer": -1},
            "join": {"kind": "qformer", "queries": 4, "num_layers": 3, "dim": 24, "num_heads": 4, "ffn_dim": 40},
        },
    }
)


class Squares:
    """A gallery of random features, which no encoder has made."""

    def __init__(self) -> None:
        self.made = torch.randn(PAIRS, 4, 16)

    def features(self, numbers: list[int], _encode: Callable[[Tensor], Tensor]) -> Tensor:
        return self.made[numbers]


@pytest.fixture
def model() -> PictureReader:
    parallel.start(Ranks())
    torch.manual_seed(0)
    join = MODEL.eyes.join
    text = QFormerText(join, MODEL.used_rows(PIECES), MODEL.text_len, 6)
    reader = PictureReader(build_encoder(MODEL.eyes.encoder), QFormer(join, 16), text)
    initialise(reader, MODEL, seed=3)
    with torch.no_grad():
        for name, weight in reader.named_parameters():
            if weight.dim() > 1:
                weight.mul_(8)
            elif name.endswith("bias"):
                weight.normal_(std=0.2)
        text.log_scale.fill_(math.log(5.0))
    return reader


def batch(**changes: Any) -> dict[str, Tensor]:
    torch.manual_seed(1)
    given = {"tokens": torch.randint(1, PIECES, (PAIRS, MODEL.text_len)), "last": torch.tensor([7, 5, 4, 6, 2])}
    numbers = torch.arange(PAIRS)
    return {**given, "squares": numbers, "caption": numbers, "picture": numbers, "number": numbers + 40, **changes}


def objective(gallery: Any, smoothing: float = 0.1) -> LearnToAsk:
    return LearnToAsk(Role(config=MODEL), PIECES, gallery, smoothing, seed=1)


def begun(tokens: Tensor, first: int) -> Tensor:
    tokens = tokens.clone()
    tokens[:, 0] = first
    return tokens


def written_out(model: PictureReader, given: dict[str, Tensor], features: Tensor, negatives: list[list[int]]) -> Any:
    """LAVIS' forward, with the negatives that were drawn: text of each picture, picture of each text."""
    former, text = model.join, model.text
    tokens, lengths = begun(given["tokens"], CLS), given["last"] + 1
    pictures, texts = text.pictures(former.asked(features)), text.texts(former, tokens, lengths)
    similar = torch.stack([torch.stack([(p @ t).max() for t in texts]) for p in pictures]) * 5.0
    targets = torch.arange(PAIRS)
    itc = sum(F.cross_entropy(each, targets, label_smoothing=0.1) for each in (similar, similar.t())) / 2
    of_text, of_picture = negatives
    logits = text.matches(
        former,
        torch.cat([tokens, tokens, tokens[of_text]]),
        torch.cat([lengths, lengths, lengths[of_text]]),
        torch.cat([features, features[of_picture], features]),
    )
    itm = F.cross_entropy(logits, torch.tensor([1] * PAIRS + [0] * 2 * PAIRS))
    words = text.written(former, begun(given["tokens"], DEC), former.states(features))[:, :-1]
    labels = given["tokens"][:, 1:].clone()
    for row, last in enumerate(given["last"].tolist()):
        labels[row, last:] = -100
    return itc, itm, F.cross_entropy(words.flatten(0, 1), labels.flatten(), label_smoothing=0.1), similar


def test_the_loss_is_the_sum_of_the_three_of_lavis(model: PictureReader, monkeypatch: pytest.MonkeyPatch) -> None:
    gallery, given, negatives = Squares(), batch(), []
    ask = objective(gallery)

    def seen(logits: Tensor, draws: Tensor, pairs: Companions) -> Tensor:
        negatives.append(drawn_negatives(logits, draws, pairs))
        return negatives[-1]

    monkeypatch.setattr("stages.train.objectives.asking.drawn_negatives", seen)
    output, loss_of = ask.forward("model", model, given)
    found = loss_of(output)
    of_text, of_picture = (each.tolist() for each in negatives)
    assert all(other != own for each in (of_text, of_picture) for own, other in enumerate(each))
    itc, itm, itg, similar = written_out(model, given, gallery.made, [of_text, of_picture])
    shown = {name: float(pair[0] / pair[1]) for name, pair in found.metrics.items()}
    assert [shown[name] for name in ("contrast", "match", "caption")] == pytest.approx(
        [each.item() for each in (itc, itm, itg)], abs=1e-5
    )
    assert (found.total / found.count).item() == pytest.approx((itc + itm + itg).item(), abs=1e-5)
    assert shown["accuracy"] == (similar.argmax(1) == torch.arange(PAIRS)).float().mean()
    assert shown["scale"] == pytest.approx(5.0)
    trained = {name: each for name, each in model.named_parameters() if not name.startswith("encoder.")}
    ours = torch.autograd.grad(found.total, trained.values(), retain_graph=True)
    theirs = torch.autograd.grad((itc + itm + itg) * PAIRS, trained.values(), allow_unused=True)
    for name, one, other in zip(trained, ours, theirs, strict=True):
        if name != "text.log_scale":  # written out as a number
            assert other is not None
            assert torch.allclose(one, other, atol=1e-4), name


def test_a_step_of_equal_captions_learns_to_write_alone(model: PictureReader) -> None:
    output, loss_of = objective(Squares()).forward("model", model, batch(caption=torch.zeros(PAIRS, dtype=torch.long)))
    found = loss_of(output)
    for name in ("contrast", "match"):
        assert found.metrics[name].tolist() == [0.0, 0.0]
    total, count = found.metrics["caption"]
    assert (found.total / found.count).item() == pytest.approx((total / count).item(), abs=1e-5)
    trained = {name: each for name, each in model.named_parameters() if not name.startswith("encoder.")}
    for name, gradient in zip(trained, torch.autograd.grad(found.total, trained.values()), strict=True):
        assert gradient.isfinite().all(), name


def test_smoothed_losses_leave_out_what_is_no_negative() -> None:
    parallel.start(Ranks())
    torch.manual_seed(0)
    logits, numbers = torch.randn(4, 4), torch.arange(4)
    whole = found_losses(logits, Companions.of(numbers, numbers), 0.1)
    assert torch.allclose(whole, F.cross_entropy(logits, numbers, label_smoothing=0.1, reduction="none"))
    some = found_losses(logits, Companions.of(torch.tensor([0, 1, 0, 3]), numbers), 0.1)
    kept = F.cross_entropy(logits[:1, [0, 1, 3]], torch.tensor([0]), label_smoothing=0.1)
    assert float(some[0]) == pytest.approx(float(kept), abs=1e-6)


def test_negatives_are_drawn_in_proportion_to_exp_similarity_and_never_the_pair_itself() -> None:
    parallel.start(Ranks())
    numbers, draws = torch.arange(4), (torch.arange(1000).double() + 0.5) / 1000
    pairs = Companions.of(torch.tensor([0, 1, 2, 1]), numbers)
    logits = torch.log(torch.tensor([[9.0, 1.0, 3.0, 4.0]])).expand(4, -1)
    drawn = torch.stack([drawn_negatives(logits, draw.expand(4), pairs) for draw in draws])
    assert [(drawn[:, 0] == place).float().mean().item() for place in range(4)] == pytest.approx(
        [0, 1 / 8, 3 / 8, 4 / 8], abs=2e-3
    )
    assert {*drawn[:, 1].tolist()} == {0, 2}, "place 3 has the same caption"
    ends = drawn_negatives(logits, torch.tensor([0.0, 0.0, 1 - 1e-16, 1 - 1e-16]).double(), pairs)
    assert ends.tolist() == [1, 0, 3, 2]
    alone = Companions.of(torch.zeros(2, dtype=torch.long), torch.arange(2))
    assert drawn_negatives(torch.zeros(2, 2), draws[:2], alone).tolist() == [0, 1]


def test_a_caption_is_learned_up_to_its_end_and_not_its_padding() -> None:
    tokens, last = torch.tensor([[9, 1, 2, 0, 0], [9, 3, 0, 0, 0]]), torch.tensor([3, 2])
    logits = torch.randn(2, 5, 10)
    total, count = caption_loss(logits, tokens, last, smoothing=0.0)
    places = [(0, 0, 1), (0, 1, 2), (0, 2, 0), (1, 0, 3), (1, 1, 0)]
    assert count == len(places)
    by_hand = -sum(logits.log_softmax(2)[row, place, token] for row, place, token in places)
    assert float(total) == pytest.approx(float(by_hand), abs=1e-5)
