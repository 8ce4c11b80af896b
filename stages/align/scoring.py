"""Rewards of conversations by a trained reward model, for whatever judges or trains a policy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import torch

from stages.align.encode import scored_encoder
from stages.formats.chat.chats import Message
from stages.formats.tokenizer import Tokenizer
from stages.model.checkpoint.load import LoadedModel, load_model
from stages.model.checkpoint.settings import RewardScale
from stages.shared.errors import DataError

PADDING = 0
"""Token on the right of shorter sequences. Any does: scores are read at recorded positions."""

STEP = 32
"""Step of padded widths, in tokens."""


class RewardModel:
    """A reward model that is ready to score."""

    def __init__(self, checkpoint: Path, tokenizer: Path, template: str) -> None:
        """Load the checkpoint `final` of `align.reward` with the tokenizer and chat template of its training.

        Raises DataError for a checkpoint that is damaged, no reward model, or trained with another tokenizer.
        """
        pieces, self.model = Tokenizer(tokenizer), load_model(checkpoint)
        if self.model.config.head != "scalar":
            remedy = "Name the checkpoint `final` of align.reward"
            raise DataError(checkpoint, f"no reward model (head {self.model.config.head})", remedy)
        if self.model.tokenizer_sha256 != pieces.sha256:
            raise DataError(checkpoint, "trained with another tokenizer", "Give the one that it was trained with")
        self.scale = self.model.reward or RewardScale(shift=0.0)
        appended = (self.scale.end_of_context,) if self.scale.end_of_context else ()
        self.encoder = scored_encoder(template, self.model.config, pieces, appended)

    def score(self, prompts: Sequence[Sequence[Message]], responses: Sequence[str], batch: int = 32) -> list[float]:
        """Return the reward of each response to its prompt. Raises ValueError for one longer than the model takes."""
        pairs = zip(prompts, responses, strict=True)
        return self.score_ids([self.encoder.encode(prompt, response).ids for prompt, response in pairs], batch)

    def score_ids(self, inputs: Sequence[Sequence[int]], batch: int = 32) -> list[float]:
        """Return the reward of each input, as stages.formats.chat.scored makes them. The longest are scored first.

        A batch has inputs of one padded width, so that the company of an input changes no bit of its reward.
        """
        by_width: dict[int, list[int]] = defaultdict(list)
        for number, ids in enumerate(inputs):
            by_width[_padded(self.model, len(ids))].append(number)
        rewards = [0.0] * len(inputs)
        for _, numbers in sorted(by_width.items(), reverse=True):
            for first in range(0, len(numbers), batch):
                chosen = numbers[first : first + batch]
                scores = score_batch(self.model, [inputs[number] for number in chosen])
                for number, score in zip(chosen, scores, strict=True):
                    rewards[number] = score - self.scale.shift
        return rewards


def _padded(model: LoadedModel, length: int) -> int:
    """Return the width of a batch whose longest input has this length."""
    return min(-(-length // STEP) * STEP, max(length, model.seq_len))


def score_batch(model: LoadedModel, inputs: Sequence[Sequence[int]]) -> list[float]:
    """Return the score of each input, read at its last token, without the shift."""
    width = _padded(model, max(map(len, inputs)))
    tokens_BT = torch.tensor([[*ids, *[PADDING] * (width - len(ids))] for ids in inputs])
    last_B = torch.tensor([len(ids) - 1 for ids in inputs])
    scores: list[float] = model.scores(tokens_BT, last_B).tolist()
    return scores
