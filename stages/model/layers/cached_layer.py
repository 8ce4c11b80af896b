"""A transformer layer whose last one goes on with scored tokens alone, where keys are cached."""

from __future__ import annotations

from typing import Any

from megatron.core.transformer.transformer_layer import TransformerLayer
from torch import Tensor

from stages.model.layers.steps import Step


class CachedLayer(TransformerLayer):
    """Megatron's layer. In the model's last one, tokens that are not scored end with their keys and values."""

    def _forward_attention(
        self, hidden_states: Tensor, *args: Any, packed_seq_params: Any = None, **rest: Any
    ) -> tuple[Tensor, Tensor | None]:
        """Return the hidden states behind attention: [N, 1, D], of the last layer [S, 1, D]."""
        step = packed_seq_params
        if not isinstance(step, Step) or self.layer_number != self.config.num_layers:
            found: tuple[Tensor, Tensor | None] = super()._forward_attention(
                hidden_states, *args, packed_seq_params=step, **rest
            )
            return found
        mixed = self.self_attention(self.input_layernorm(hidden_states), attention_mask=None, packed_seq_params=step)
        add = self.self_attn_bda(self.training, self.config.bias_dropout_fusion)
        with self.bias_dropout_add_exec_handler():
            return add(mixed, hidden_states[step.scored], self.hidden_dropout), None
