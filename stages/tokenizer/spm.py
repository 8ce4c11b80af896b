"""Trains SentencePiece so that equal lines give equal bytes. The fixed settings are those of LLaMA's tokenizer."""

from __future__ import annotations

import io
import re

import sentencepiece

from stages.shared.errors import ConfigError, DataError
from stages.tokenizer.config import TokenizerConfig
from stages.tokenizer.runs import with_runs

_TOO_LARGE = re.compile(r"Vocabulary size too high \(\d+\)\. Please set it to a value <= (\d+)")
_TOO_SMALL = re.compile(r"Vocabulary size is smaller than required_chars\.\s*(\d+) vs (\d+)")


def train(lines: list[str], config: TokenizerConfig) -> bytes:
    """Return the serialized model for a vocabulary of exactly `config.vocab_size` pieces.

    The settings are those in LLaMA's own model file. Lines come from memory, so the model holds no path. There is one
    thread, because the timing of threads must not choose between merges of equal count.

    Raises DataError if there is no text, and ConfigError, with the possible size, if the text cannot fill the
    vocabulary.
    """
    if not lines:
        raise DataError("documents", "no text to train on", "Give at least one document that is not empty")
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=model,
            model_type=config.model,
            vocab_size=config.vocab_size,
            character_coverage=config.character_coverage,
            byte_fallback=True,
            split_digits=config.split_digits,
            allow_whitespace_only_pieces=config.whitespace_only_pieces,
            normalization_rule_name=config.normalization,
            remove_extra_whitespaces=False,
            add_dummy_prefix=True,
            input_sentence_size=0,
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise _explained(str(error), config) from error
    return with_runs(model.getvalue(), config.whitespace_runs) if config.whitespace_runs else model.getvalue()


def _explained(message: str, config: TokenizerConfig) -> Exception:
    if found := _TOO_LARGE.search(message):
        return ConfigError("vocab_size", config.vocab_size, f"at most {found[1]}: this text has no more pieces")
    if found := _TOO_SMALL.search(message):
        wanted = f"at least {found[2]} for this text's characters, or lower `character_coverage`"
        return ConfigError("vocab_size", config.vocab_size, wanted)
    return DataError("documents", f"SentencePiece refused the text ({message})", "Read the documents")
