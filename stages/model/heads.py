"""Heads that take the place of the output layer: one number a token, or the hidden states themselves."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from megatron.core.tensor_parallel import gather_from_sequence_parallel_region
from megatron.core.transformer import TransformerConfig
from torch import Tensor, nn

# Shape suffixes: T = tokens, B = sequences, D = width of the residual stream.


class HiddenHead(nn.Module):
    """Returns the final norm's output, [T, B, D], of the whole sequence on every tensor parallel rank."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.is_split = config.sequence_parallel

    def forward(self, hidden_TBD: Tensor, **_options: object) -> tuple[Tensor, None]:
        """Return the output and, as Megatron's output layer does, no bias."""
        return self._gathered(hidden_TBD), None

    def _gathered(self, hidden_TBD: Tensor) -> Tensor:
        # Every tensor parallel rank computes the same from here on: the gradient is split again, not summed.
        if not self.is_split:
            return hidden_TBD
        whole_TBD: Tensor = gather_from_sequence_parallel_region(hidden_TBD, tensor_parallel_output_grad=False)
        return whole_TBD


class ScalarHead(HiddenHead):
    """Returns one number a token, [T, B, 1] float32. Every tensor parallel rank has the whole weight."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        device = "cpu" if config.use_cpu_initialization else torch.cuda.current_device()
        self.weight = nn.Parameter(torch.empty(1, config.hidden_size, dtype=config.params_dtype, device=device))

    def forward(self, hidden_TBD: Tensor, **_options: object) -> tuple[Tensor, None]:
        """Return the output and, as Megatron's output layer does, no bias."""
        return F.linear(self._gathered(hidden_TBD).float(), self.weight.float()), None
