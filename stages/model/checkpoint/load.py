"""A trained model in any layout, from a checkpoint that any layout wrote: what evaluation and release read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from stages.model import device, parallel
from stages.model.checkpoint.reading import WEIGHTS, read_tensors, tensors_of, verify
from stages.model.checkpoint.settings import RewardScale, read_settings
from stages.model.config import ModelConfig
from stages.model.decoder import Decoder, build_model
from stages.model.layers.glm import as_generation
from stages.model.listening import Listener
from stages.model.senses import PARTS
from stages.model.sight import Sight
from stages.shared.errors import DataError
from stages.shared.task import Ranks

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class LoadedModel:
    """A decoder ready to score tokens."""

    model: Decoder
    config: ModelConfig
    vocab_size: int
    """Pieces of the tokenizer it was trained with."""
    tokenizer_sha256: str
    """Digest of the `.model` it was trained with."""
    step: int
    """Steps trained; 0 is untrained."""
    reward: RewardScale | None = None
    """Scale of a reward model's scores."""

    @property
    def sense(self) -> Sight | Listener | None:
        """The model's eyes or ears; None: it reads text alone."""
        parts = [getattr(self.model, part, None) for part in PARTS]
        if self.config.eyes:
            return Sight(self.config.eyes, *parts)
        return Listener(self.config.ears, *parts) if self.config.ears else None

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights, and of what is cached."""
        dtype: torch.dtype = self.model.config.params_dtype
        return dtype

    @property
    def num_outputs(self) -> int:
        """Tokens that may follow, the columns of logits: pieces and extra tokens, such as the end of an answer.

        GLM's extra tokens mark what it reads, and never follow.
        """
        return self.vocab_size if self.config.position == "glm" else self.config.used_rows(self.vocab_size)

    @property
    def lead(self) -> tuple[int, ...]:
        """Tokens that `advance` wants before every sequence: GLM continues a text as the one blank behind a [gMASK]."""
        if self.config.position != "glm":
            return ()
        return tuple(self.config.token_id(token, self.vocab_size) for token in ("[gMASK]", "[sop]"))

    @property
    def seq_len(self) -> int:
        """Longest sequence the model was trained for, in tokens."""
        return self.config.text_len

    @torch.inference_mode()
    def logits(self, tokens_BT: Tensor) -> Tensor:
        """Return float32 logits [B, T, V] for int64 tokens [B, T]; row t scores the token at t + 1.

        Causal: what follows a token never changes its row, so sequences of unequal length are padded on the right and
        the padding's rows ignored. Raises ValueError for more than `seq_len` tokens, and for a model with another head.
        """
        tokens_BT = self._taken(tokens_BT, "lm", "logits")
        if self.config.position == "glm":
            return self._continued(tokens_BT)[..., : self.num_outputs].float()
        positions_BT = torch.arange(tokens_BT.size(1), device=tokens_BT.device).expand_as(tokens_BT)
        logits_BTV: Tensor = self.model(tokens_BT, positions_BT)
        return logits_BTV[..., : self.num_outputs].float()

    @torch.inference_mode()
    def scores(self, tokens_BT: Tensor, last_B: Tensor) -> Tensor:
        """Return the float32 score [B] of each sequence, read at its token number `last_B`.

        Padding on the right changes nothing, whatever tokens it has. Raises ValueError as `logits` does.
        """
        tokens_BT = self._taken(tokens_BT, "scalar", "scores")
        positions_BT = torch.arange(tokens_BT.size(1), device=tokens_BT.device).expand_as(tokens_BT)
        scores_BT1: Tensor = self.model(tokens_BT, positions_BT)
        return scores_BT1[..., 0].gather(1, last_B.to(tokens_BT.device)[:, None])[:, 0]

    def _taken(self, tokens_BT: Tensor, head: str, outputs: str) -> Tensor:
        """Return the tokens on the device. Raises ValueError if the model has another head, takes fewer tokens, or is
        packed.
        """
        if self.config.head != head:
            raise ValueError(f"a model with head {self.config.head} has no {outputs}")
        if self.model.is_packed:
            raise ValueError("a packed model advances only: load it again")
        if tokens_BT.size(1) > self.seq_len:
            raise ValueError(f"{tokens_BT.size(1)} tokens: the model takes at most {self.seq_len}")
        return tokens_BT.to(device.device())

    def _continued(self, tokens_BT: Tensor) -> Tensor:
        """Return GLM's logits for a text that it continues from nothing: the two tokens before it have no row."""
        tokens_BT, positions_B2T = as_generation(tokens_BT, *self.lead)
        logits_BTV: Tensor = self.model(tokens_BT, positions_B2T)
        return logits_BTV[:, 2:]


def load_model(checkpoint: Path) -> LoadedModel:
    """Return the model in a checkpoint folder (`final`, `untrained`, or one of training's own): this rank's part in the
    layout of its group, whatever layout wrote it. Collective.

    Safe to call more than once in a process. Raises DataError, naming the file, for a folder that is no checkpoint or
    is damaged.

    Side effect: see `join_group`.
    """
    join_group()
    verify(checkpoint)
    settings = read_settings(checkpoint)
    model = build_for_reading(settings.config, settings.vocab_size, DTYPES[settings.dtype])
    sharded = tensors_of(model.sharded_state_dict(prefix=WEIGHTS))
    loaded = read_tensors(sharded, checkpoint)
    names = {name.removeprefix(WEIGHTS): value for name, value in loaded.items() if name.startswith(WEIGHTS)}
    absent = model.load_state_dict(names, strict=False).missing_keys
    if any(not name.endswith("_extra_state") for name in absent):  # Megatron's empty objects are not saved
        raise DataError(checkpoint, f"lacks the weights {absent}", "Train it again")
    about = (settings.config, settings.vocab_size, settings.tokenizer_sha256, settings.step, settings.reward)
    return LoadedModel(model, *about)


def join_group() -> None:
    """Make this process a group of one, if it is in no group yet (see stages.model.parallel).

    Side effect: on CPUs the shim of stages.model.device. Opens no port.
    """
    if not dist.is_initialized():
        parallel.start(Ranks())


def build_for_reading(config: ModelConfig, vocab_size: int, dtype: torch.dtype) -> Decoder:
    """Return this rank's part of a decoder that learns nothing, on the device; its weights are unset."""
    model = build_model(config, vocab_size, dtype, cached=True)
    model.to(device=device.device(), dtype=dtype).eval().requires_grad_(False)
    return model
