"""A transformer layer that, as the last one of a model, goes on with scored tokens alone."""

from __future__ import annotations

from typing import Any

from megatron.core.transformer.transformer_layer import TransformerLayer
from torch import Tensor

from stages.model.layers.attention import Documents
from stages.model.layers.steps import Step


class ScoredLayer(TransformerLayer):
    """Megatron's layer. In the model's last one, tokens that are not scored end with their keys and values."""

    def _forward_attention(
        self, hidden_states: Tensor, *args: Any, packed_seq_params: Any = None, **rest: Any
    ) -> tuple[Tensor, Tensor | None]:
        """Return the hidden states behind attention: [T, B, D], of scored tokens [S, 1, D]."""
        is_last = self.layer_number == self.config.num_layers
        if is_last and isinstance(packed_seq_params, Step):
            return self._forward_step(hidden_states, packed_seq_params), None
        documents = packed_seq_params if isinstance(packed_seq_params, Documents) else None
        is_whole = documents is not None and not documents.lengths
        found: tuple[Tensor, Tensor | None] = super()._forward_attention(
            hidden_states, *args, packed_seq_params=None if is_whole else packed_seq_params, **rest
        )
        if is_last and documents is not None and documents.scored is not None:
            return found[0].flatten(0, 1).index_select(0, documents.scored)[:, None], found[1]
        return found

    def _forward_step(self, hidden_N1D: Tensor, step: Step) -> Tensor:
        mixed = self.self_attention(self.input_layernorm(hidden_N1D), attention_mask=None, packed_seq_params=step)
        add = self.self_attn_bda(self.training, self.config.bias_dropout_fusion)
        with self.bias_dropout_add_exec_handler():
            added_S1D: Tensor = add(mixed, hidden_N1D[step.scored], self.hidden_dropout)
        return added_S1D
