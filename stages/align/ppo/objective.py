"""The objective of a step: the policy's clipped loss with text of the pretraining, and the value network's loss.

Shape suffixes: B, T = rows and positions of an output, which are 1 and all read positions of a microbatch, or its rows
and their positions (stages/align/ppo/reading.py). V = this rank's part of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from megatron.core import parallel_state
from torch import Tensor

from stages.align.ppo.config import PpoConfig
from stages.align.ppo.losses import entropy, policy_loss, value_loss, without_padding
from stages.align.ppo.reading import READ, Reading
from stages.model.layers.cross_entropy import cross_entropy
from stages.train.objectives.base import Batch, Column, ColumnsOf, LossOf, LossOutputs, Model, Objective, Role
from stages.train.objectives.next_token import label_columns

POLICY, VALUE, REFERENCE, REWARD = "policy", "value", "reference", "reward"
"""Roles."""
EPISODE = ("old", "advantages", "values", "returns", "ptx")
"""Columns of a row, one number a position, beside those of NextToken. `ptx` weighs the pretraining's tokens."""
LOSS = ("labels", "loss_mask", *EPISODE)
"""Columns that losses read."""


class LearnFromScores(Objective):
    """Trains a policy on the advantages of its own responses, and a value network on their returns."""

    def __init__(self, config: PpoConfig, roles: Mapping[str, Role], vocab_size: int, shift: float = 0.0) -> None:
        """`shift` is what a reward model's output and a value are above the score."""
        length = config.model.seq_len
        columns = label_columns(length) | {name: Column((length,), torch.float32) for name in EPISODE}
        columns[READ] = Column(None)
        metrics = ["policy_loss", "clip_share", "approx_kl", "ratio", *(["ptx_loss"] if config.ptx else [])]
        super().__init__(columns=columns, roles=roles, metrics=metrics)
        self._config, self._shift = config, shift
        self._used = config.model.used_rows(vocab_size)

    def part(self, role: str, samples: Sequence[Batch]) -> Sequence[Batch]:
        """Return the samples of a role: the value network reads episodes alone, which come first."""
        return [samples[number] for number in range(self._config.global_batch)] if role == VALUE else samples

    def forward(self, role: str, model: Model, batch: Batch) -> tuple[Tensor, LossOf]:
        """Return the policy's logits or the values, and the function for the loss."""
        loss, reading = self._value_loss if role == VALUE else self._policy_loss, Reading.of(batch, self._config)
        return reading.output(model), partial(loss, reading.columns(LOSS))

    def annotate(self, role: str, model: Model, batch: Batch) -> tuple[Tensor, ColumnsOf]:
        """Return the output, and the function for `logprobs` and the policy's `entropy`, or for `scores`: one number
        at each position that is read, of the text up to there.
        """
        numbers = {POLICY: self._choices, REFERENCE: self._logprobs_alone}.get(role, self._scores)
        reading, length = Reading.of(batch, self._config), batch["tokens"].size(1)
        own = reading.columns(LOSS)

        def columns_of(output: Tensor) -> Batch:
            return {name: reading.whole(found, length) for name, found in numbers(own, output).items()}

        return reading.output(model), columns_of

    def _policy_loss(self, batch: Batch, logits_BTV: Tensor) -> LossOutputs:
        """Return the loss, summed over response tokens. With text of the pretraining, its tokens' losses are weighed
        such that the sum over response tokens' count is their mean, gamma times (stages/align/ppo/rounds.py).
        """
        mask_BT, new_BT = batch["loss_mask"], self._logprobs(batch, logits_BTV)
        losses_BT, is_clipped_BT = policy_loss(new_BT, batch["old"], batch["advantages"], self._config.clip)
        total, count = (losses_BT * mask_BT).sum(), mask_BT.sum()
        gaps_BT = (new_BT.detach() - batch["old"]) * mask_BT
        numbers = {
            "policy_loss": total.detach(),
            "clip_share": (is_clipped_BT * mask_BT).sum(),
            "approx_kl": 0.5 * gaps_BT.square().sum(),
            "ratio": (gaps_BT.exp() * mask_BT).sum(),
        }
        metrics = {name: torch.stack([number, count]) for name, number in numbers.items()}
        if self._config.ptx:
            text_BT = (batch["ptx"] > 0).float()
            metrics["ptx_loss"] = torch.stack([-(new_BT.detach() * text_BT).sum(), text_BT.sum()])
            total = total - (new_BT * batch["ptx"]).sum()
        return LossOutputs(total, count, metrics)

    def _value_loss(self, batch: Batch, output_BT1: Tensor) -> LossOutputs:
        values_BT, mask_BT = output_BT1[..., 0] - self._shift, batch["loss_mask"]
        losses_BT = value_loss(values_BT, batch["values"], batch["returns"], self._config.value_clip)
        return LossOutputs((losses_BT * mask_BT).sum(), mask_BT.sum())

    def _logprobs(self, batch: Batch, logits_BTV: Tensor) -> Tensor:
        group = parallel_state.get_tensor_model_parallel_group()
        logits_BTV = without_padding(logits_BTV, self._used, group)
        return -cross_entropy(logits_BTV.transpose(0, 1), batch["labels"].t(), group).t().float()

    def _logprobs_alone(self, batch: Batch, logits_BTV: Tensor) -> Batch:
        return {"logprobs": self._logprobs(batch, logits_BTV)}

    def _choices(self, batch: Batch, logits_BTV: Tensor) -> Batch:
        group = parallel_state.get_tensor_model_parallel_group()
        return {"logprobs": self._logprobs(batch, logits_BTV), "entropy": entropy(logits_BTV, group)}

    def _scores(self, _batch: Batch, output_BT1: Tensor) -> Batch:
        return {"scores": output_BT1[..., 0] - self._shift}
