"""Training of a Q-Former on pictures and their captions: BLIP-2's three losses, summed (arXiv:2301.12597, section
3.2; salesforce/LAVIS, blip2_qformer.py).

Image-text contrastive (ITC): the picture's caption among those of the step, and the caption's picture; the similarity
is the best one of the queries'. Image-text matching (ITM): whether a text belongs to a picture, for each pair and its
two hard negatives. Image-grounded generation (ITG): the caption, token by token.

Departures from LAVIS: gradients pass from rank to rank in ITC, an equal caption is no negative, and each loss is the
mean over all ranks' pairs or tokens, so that every layout trains the same.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from stages.model.vision.reader import PictureReader
from stages.train.data.gallery import Gallery
from stages.train.objectives.base import Batch, Column, LossOf, LossOutputs, Objective, Role
from stages.train.objectives.companions import Companions, gathered, gathered_to_learn

# Shape suffixes: B = pairs of this rank's microbatch, A = pairs of all data parallel ranks' microbatches, N = three
# times B, T = tokens of a text, Q = queries, E = width of the common space, V = rows of the vocabulary.

_MOST = math.log(100.0)
"""The similarities are scaled by at most 100."""
_METRICS = ("contrast", "match", "caption", "accuracy", "control", "match_accuracy", "scale")


class LearnToAsk(Objective):
    """Trains a Q-Former with its text side; the encoder is frozen.

    A batch holds `tokens` [B, T], whose first one is replaced, `last` [B], the place of the end of text, `squares`, the
    pictures' numbers in the gallery, on the host, and the numbers `caption` and `picture` [B], equal for equal ones,
    and `number` [B], of the pair in the order of the data. Metrics: the three losses in nats; `accuracy`, the share of
    pictures that find their caption among those of the step; `control`, the share that find the next pair's, which is
    what a model finds that does not see; `match_accuracy`, that of ITM.
    """

    def __init__(self, role: Role, vocab_size: int, gallery: Gallery, smoothing: float, seed: int) -> None:
        """`smoothing` is that of ITC's and ITG's labels, `vocab_size` are the tokenizer's pieces."""
        whole, one = Column((role.config.text_len,)), Column()
        columns = {"tokens": whole, "last": one, "caption": one, "picture": one, "number": one}
        super().__init__({**columns, "squares": Column(None)}, {"model": role}, metrics=_METRICS)
        # Tokens that begin a text that is read, and one that is written.
        self._cls, self._dec = (role.config.token_id(token, vocab_size) for token in role.config.extra_tokens)
        self._gallery, self._smoothing, self._seed = gallery, smoothing, seed

    def forward(self, role: str, model: Any, batch: Batch) -> tuple[Tensor, LossOf]:
        """Return the losses and metrics, each a sum over pairs or tokens and their count, [7, 2]."""
        sums_72 = model(partial(self._sums, batch))
        return sums_72, partial(_outputs, pairs=len(batch["last"]))

    def _sums(self, batch: Batch, model: PictureReader) -> Tensor:
        text, former, last_B = model.text, model.join, batch["last"]
        pairs = Companions.of(batch["caption"], batch["picture"])
        features_BPW = self._gallery.features(batch["squares"].tolist(), model.encoder)
        states = former.states(features_BPW)

        read_BT = _begun(batch["tokens"], self._cls)
        scale = text.log_scale.float().clamp(max=_MOST).exp()
        found = similarities(text.pictures(states[-1]), text.texts(former, read_BT, last_B + 1))
        both = [scale * similar_BA for similar_BA in found]
        contrast_B = sum(found_losses(logits_BA, pairs, self._smoothing) for logits_BA in both) / 2

        matches_N2, is_right_N = self._matches(batch["number"], model, (read_BT, last_B, features_BPW), both, pairs)
        match_N = F.cross_entropy(matches_N2, is_right_N.long(), reduction="none")

        written_BTV = text.written(former, _begun(batch["tokens"], self._dec), states)
        caption, tokens = caption_loss(written_BTV, batch["tokens"], last_B, self._smoothing)

        counts_B = pairs.has_negative_B
        counts_N = counts_B.repeat(3)
        best_B = both[0].masked_fill(pairs.is_hidden_BA, -torch.inf).argmax(1)
        next_B = (pairs.own_B + 1) % both[0].size(1)
        sums = [
            (torch.where(counts_B, contrast_B, 0.0).sum(), counts_B.sum()),
            (torch.where(counts_N, match_N, 0.0).sum(), counts_N.sum()),
            (caption, tokens),
            ((best_B == pairs.own_B)[counts_B].sum(), counts_B.sum()),
            ((best_B == next_B)[counts_B].sum(), counts_B.sum()),
            ((matches_N2.argmax(1) == is_right_N)[counts_N].sum(), counts_N.sum()),
            (scale.sum(), scale.new_ones(())),
        ]
        return torch.stack([torch.stack([value.float(), count.float()]) for value, count in sums])

    def _matches(
        self,
        number_B: Tensor,
        model: PictureReader,
        own: tuple[Tensor, Tensor, Tensor],
        both: Sequence[Tensor],
        pairs: Companions,
    ) -> tuple[Tensor, Tensor]:
        """Return ITM's logits [N, 2] of the pairs, their texts with other pictures, and their pictures with other
        texts; and whether each belongs together, [N]. `own` are texts, the places of their ends, and features.
        """
        text_BT, last_B, features_BPW = own
        with torch.no_grad():
            draws = (_draws(f"{self._seed}/{kind}", number_B) for kind in ("text", "picture"))
            text_B, picture_B = (drawn_negatives(*each, pairs) for each in zip(both, draws, strict=True))
            other_BPW = gathered(features_BPW)[picture_B]
            other_BT, other_last_B = gathered(text_BT)[text_B], gathered(last_B)[text_B]
        matches_N2 = model.text.matches(
            model.join,
            torch.cat([text_BT, text_BT, other_BT]),
            torch.cat([last_B, last_B, other_last_B]) + 1,
            torch.cat([features_BPW, other_BPW, features_BPW]),
        )
        return matches_N2, torch.arange(len(matches_N2), device=last_B.device) < len(last_B)


def similarities(pictures_BQE: Tensor, texts_BE: Tensor) -> tuple[Tensor, Tensor]:
    """Return those of own pictures with all texts and of own texts with all pictures, [B, A], each that of the best
    query. Collective.
    """
    every_AE, every_AQE = gathered_to_learn(texts_BE), gathered_to_learn(pictures_BQE)
    of_pictures_BA = torch.einsum("bqe,ae->baq", pictures_BQE, every_AE).amax(2)
    of_texts_BA = torch.einsum("be,aqe->baq", texts_BE, every_AQE).amax(2)
    return of_pictures_BA, of_texts_BA


def found_losses(logits_BA: Tensor, pairs: Companions, smoothing: float) -> Tensor:
    """Return the cross-entropy of each own pair among its negatives, in nats, [B]; `smoothing` of the label is spread
    over pair and negatives alike.
    """
    logs_BA = logits_BA.masked_fill(pairs.is_hidden_BA, -torch.inf).log_softmax(1)
    own_B = logs_BA.gather(1, pairs.own_B[:, None])[:, 0]
    mean_B = logs_BA.masked_fill(pairs.is_hidden_BA, 0.0).sum(1) / (~pairs.is_hidden_BA).sum(1)
    return -(1 - smoothing) * own_B - smoothing * mean_B


def drawn_negatives(logits_BA: Tensor, draws_B: Tensor, pairs: Companions) -> Tensor:
    """Return the place of a negative of each own pair, [B], drawn in proportion to exp(logit).

    `draws_B` are uniform from 0 to 1. A pair without a negative gets itself.
    """
    is_other_BA = ~pairs.is_hidden_BA.scatter(1, pairs.own_B[:, None], True)
    weights_BA = logits_BA.double().masked_fill(~is_other_BA, -torch.inf).softmax(1).nan_to_num(0.0)
    ends_BA = weights_BA.cumsum(1)
    place_B = torch.searchsorted(ends_BA, draws_B[:, None] * ends_BA[:, -1:], right=True)[:, 0]
    last_B = ends_BA.size(1) - 1 - (weights_BA > 0).flip(1).int().argmax(1)
    return torch.where(pairs.has_negative_B, torch.minimum(place_B, last_B), pairs.own_B)


def caption_loss(logits_BTV: Tensor, tokens_BT: Tensor, last_B: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
    """Return the cross-entropy of the tokens from the second to each text's end, in nats, summed, and their count."""
    places_T = torch.arange(1, tokens_BT.size(1), device=tokens_BT.device)
    is_label_BT = places_T <= last_B[:, None]
    labels_BT = tokens_BT[:, 1:].masked_fill(~is_label_BT, -100)
    logits = logits_BTV[:, :-1].flatten(0, 1).float()
    total = F.cross_entropy(logits, labels_BT.flatten(), reduction="sum", label_smoothing=smoothing)
    return total, is_label_BT.sum()


def _begun(tokens_BT: Tensor, first: int) -> Tensor:
    return torch.cat([torch.full_like(tokens_BT[:, :1], first), tokens_BT[:, 1:]], dim=1)


def _draws(stream: str, number_B: Tensor) -> Tensor:
    """Return a number from 0 to 1 for each pair, a function of the stream and the pair's number."""
    digests = (hashlib.sha256(f"{stream}/{number}".encode()).digest() for number in number_B.tolist())
    return torch.tensor([int.from_bytes(each[:6], "big") / 2**48 for each in digests], device=number_B.device).double()


def _outputs(sums_72: Tensor, pairs: int) -> LossOutputs:
    """Return the three losses' sum. Each is a mean over what all ranks have of it, and then weighs as all pairs do.

    Collective.
    """
    counts_3 = gathered(sums_72[:3, 1].detach()[None]).sum(0)
    every = gathered(sums_72.new_full((1,), pairs)).sum()
    total = (sums_72[:3, 0] * every / counts_3.clamp(min=1)).sum()
    metrics = {name: sums_72[place].detach() for place, name in enumerate(_METRICS)}
    return LossOutputs(total, sums_72.new_tensor(pairs, dtype=torch.int64), metrics)
