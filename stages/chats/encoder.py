"""The encoder of conversations for a model of alignment."""

from __future__ import annotations

from stages.formats.chat.templates import ChatEncoder, load_template
from stages.formats.tokenizer import Tokenizer
from stages.model.config import ModelConfig


def chat_encoder(template: str, model: ModelConfig, tokenizer: Tokenizer) -> ChatEncoder:
    """Return the encoder by a template's name or path, with the model's ids of the template's control tokens.

    Raises ConfigError for a template that does not fit the tokenizer.
    """
    found = load_template(template)
    controls = {name: model.token_id(name, tokenizer.vocab_size) for name in found.controls}
    return ChatEncoder(found, tokenizer, controls, first_id=tokenizer.eos_id)
