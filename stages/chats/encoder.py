"""The encoder of conversations for a model."""

from __future__ import annotations

from stages.formats.chat.templates import PICTURE, SOUND, ChatEncoder, PositionsOf, load_template
from stages.formats.tokenizer import Tokenizer
from stages.model.config import ModelConfig


def chat_encoder(
    template: str, model: ModelConfig, tokenizer: Tokenizer, positions_of: PositionsOf | None = None
) -> ChatEncoder:
    """Return the encoder by a template's name or path, with the model's ids of the template's control tokens.

    `positions_of` returns the positions of a picture or of a sound, by its key; None: chats have neither.

    Raises ConfigError for a template that does not fit the tokenizer.
    """
    found = load_template(template)
    perceived = () if positions_of is None else (SOUND if model.ears else PICTURE,)
    names = (*found.controls, *perceived)
    controls = {name: model.token_id(name, tokenizer.vocab_size) for name in names}
    return ChatEncoder(found, tokenizer, controls, tokenizer.eos_id, positions_of)
