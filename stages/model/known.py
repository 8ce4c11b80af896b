"""The model behind an input file, as far as it is known before anything runs. Light: the login node plans with it."""

from __future__ import annotations

from dataclasses import dataclass

from stages.model.checkpoint.names import COMPLETE
from stages.model.checkpoint.settings import PlannedModel, read_settings
from stages.model.config import ModelConfig
from stages.model.huggingface.config import CONFIG_JSON
from stages.model.huggingface.folder import ReleaseFolder
from stages.shared.contract import InputFile


@dataclass(frozen=True, kw_only=True)
class KnownModel:
    """A model without its weights."""

    config: ModelConfig
    dtype: str
    """Type of the weights: fp32, bf16 or fp16."""
    vocab_size: int
    """Pieces of its tokenizer; 0 while the tokenizer is unknown."""


def known_model(file: InputFile, pieces: int = 0) -> KnownModel | None:
    """Return the model of a checkpoint or of a Hugging Face folder; None if nothing says yet what it will be.

    `pieces` is the size of the tokenizer that the run makes, for a checkpoint that the run makes. Reads headers alone.
    Raises DataError for a folder that is damaged, or that is no decoder of ours.
    """
    if planned := PlannedModel.of(file):
        return KnownModel(config=planned.model, dtype=planned.dtype, vocab_size=pieces)
    if file.section:
        return None
    if (file.path / COMPLETE).is_file():
        settings = read_settings(file.path)
        return KnownModel(config=settings.config, dtype=settings.dtype, vocab_size=settings.vocab_size)
    if (file.path / CONFIG_JSON).is_file():
        release = ReleaseFolder(file.path)
        return KnownModel(config=release.config, dtype=release.dtype, vocab_size=release.vocab_size)
    return None
