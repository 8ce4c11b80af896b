"""The text side of a Q-Former while it learns from captions (arXiv:2301.12597, section 3.1): text tokens pass the
queries' self-attention, and feed-forward blocks of their own.

The three masks of figure 2: text alone sees text; matched text and queries see each other; written text sees the
queries and what it has before. Queries never see written text, so their states are computed once for both.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from stages.model.joins.config import JoinConfig
from stages.model.joins.qformer import EPS, PostNormFeedForward, QFormer

# Shape suffixes: N = pairs of picture and text, T = tokens of a text, P = features of a picture, W = width of a
# feature, Q = queries, S = queries and tokens, C = width of a query, E = width of the common space, V = rows of the
# vocabulary.


class QFormerText(nn.Module):
    """Tables, feed-forward blocks and heads of the text side. The Q-Former itself is lent to each method."""

    def __init__(self, config: JoinConfig, rows: int, text_len: int, width: int) -> None:
        """`rows` are those of the vocabulary, `width` is that of the space of pictures and texts."""
        super().__init__()
        self.words = nn.Parameter(torch.empty(rows, config.dim))
        self.positions = nn.Parameter(torch.empty(text_len, config.dim))
        self.layers = nn.ModuleList(PostNormFeedForward(config) for _ in range(config.num_layers))
        self.picture_head, self.text_head = nn.Linear(config.dim, width), nn.Linear(config.dim, width)
        self.match_head = nn.Linear(config.dim, 2)
        self.inner, self.norm = nn.Linear(config.dim, config.dim), nn.LayerNorm(config.dim, EPS)
        self.word_bias = nn.Parameter(torch.empty(rows))
        self.log_scale = nn.Parameter(torch.empty(1))

    def pictures(self, queries_NQC: Tensor) -> Tensor:
        """Return the queries' directions in the common space, [N, Q, E] float32."""
        return F.normalize(self.picture_head(queries_NQC).float(), dim=-1)

    def texts(self, former: QFormer, tokens_NT: Tensor, lengths_N: Tensor) -> Tensor:
        """Return the texts' directions, [N, E] float32. A text is read alone, at its first token."""
        visible = _before(lengths_N, tokens_NT.size(1))
        read_NTC = self._read(former, tokens_NT, visible)
        return F.normalize(self.text_head(read_NTC[:, 0]).float(), dim=-1)

    def matches(self, former: QFormer, tokens_NT: Tensor, lengths_N: Tensor, features_NPW: Tensor) -> Tensor:
        """Return the logits of "another's text" and "the picture's text", [N, 2] float32, the mean over the queries."""
        queries_NQC = former.norm(former.queries).expand(len(tokens_NT), -1, -1)
        count = queries_NQC.size(1)
        text_NTC = self._embedded(former, tokens_NT)
        visible = F.pad(_before(lengths_N, tokens_NT.size(1)), (count, 0), value=True)
        for layer, feed_forward in zip(former.blocks, self.layers, strict=True):
            whole_NSC = torch.cat([queries_NQC, text_NTC], dim=1)
            whole_NSC = layer.own(whole_NSC, whole_NSC, visible)
            queries_NQC = layer.looked(whole_NSC[:, :count], features_NPW)
            text_NTC = feed_forward(whole_NSC[:, count:])
        logits_NQ2: Tensor = self.match_head(queries_NQC)
        return logits_NQ2.float().mean(1)

    def written(self, former: QFormer, tokens_NT: Tensor, states: Sequence[Tensor]) -> Tensor:
        """Return the logits of the token after each one, [N, T, V], given QFormer.states of the pictures.

        What follows a token never changes its logits: padding at the end needs no mask.
        """
        count, length = states[0].size(1), tokens_NT.size(1)
        visible = tokens_NT.new_ones(length, count + length, dtype=torch.bool).tril(count)
        read_NTC = self._read(former, tokens_NT, visible, states)
        inner_NTC = self.norm(F.gelu(self.inner(read_NTC)))
        return F.linear(inner_NTC, self.words, self.word_bias)

    def _read(
        self, former: QFormer, tokens_NT: Tensor, visible: Tensor, states: Sequence[Tensor] | None = None
    ) -> Tensor:
        """Return the text after all layers, [N, T, C]; with `states` it sees the queries before it."""
        text_NTC = self._embedded(former, tokens_NT)
        for number, (layer, feed_forward) in enumerate(zip(former.blocks, self.layers, strict=True)):
            seen_NSC = text_NTC if states is None else torch.cat([states[number], text_NTC], dim=1)
            text_NTC = feed_forward(layer.own(text_NTC, seen_NSC, visible))
        return text_NTC

    def _embedded(self, former: QFormer, tokens_NT: Tensor) -> Tensor:
        embedded_NTC: Tensor = former.norm(F.embedding(tokens_NT, self.words) + self.positions[: tokens_NT.size(1)])
        return embedded_NTC


def _before(lengths_N: Tensor, length: int) -> Tensor:
    """Return whether a token is in front of its text's end, [N, 1, 1, T]."""
    return (torch.arange(length, device=lengths_N.device) < lengths_N[:, None])[:, None, None]
