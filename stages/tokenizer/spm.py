"""SentencePiece, set as LLaMA's tokenizer is, and made to give the same bytes every time."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import sentencepiece

from stages.shared.errors import ConfigError, DataError

if TYPE_CHECKING:
    from stages.tokenizer.config import TokenizerConfig

_TOO_LARGE = re.compile(r"Vocabulary size too high \(\d+\)\. Please set it to a value <= (\d+)")
_TOO_SMALL = re.compile(r"Vocabulary size is smaller than required_chars\.\s*(\d+) vs (\d+)")


def train(lines: list[str], config: TokenizerConfig) -> bytes:
    """Return the serialized model for a vocabulary of exactly `config.vocab_size` pieces.

    The settings were read from LLaMA's own model file. Lines come from memory, so the model carries no path; one
    thread, because thread timing must not choose between merges of equal count.

    Raises DataError if there is no text, ConfigError (with what is possible) if it cannot fill the vocabulary.
    """
    if not lines:
        raise DataError("tokenizer.documents", "no text to learn from", "Want at least one document that is not empty")
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=model,
            model_type="bpe",
            vocab_size=config.vocab_size,
            character_coverage=config.character_coverage,
            byte_fallback=True,
            split_digits=True,
            allow_whitespace_only_pieces=True,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            add_dummy_prefix=True,
            input_sentence_size=0,
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise _explained(str(error), config) from error
    return model.getvalue()


def _explained(words: str, config: TokenizerConfig) -> Exception:
    if found := _TOO_LARGE.search(words):
        return ConfigError(
            "tokenizer.vocab_size", config.vocab_size, f"at most {found[1]}: this text has no more pieces"
        )
    if found := _TOO_SMALL.search(words):
        wanted = f"at least {found[2]} for this text's characters, or a lower tokenizer.character_coverage"
        return ConfigError("vocab_size", config.vocab_size, wanted)
    return DataError("tokenizer.documents", f"SentencePiece refused ({words})", "Look at the text it was given")
