"""The tokenizer of a Hugging Face folder: ours, with the model's extra tokens and a chat template."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from stages.formats.chat.templates import ChatTemplate, to_jinja
from stages.formats.kinds import KINDS
from stages.formats.pieces import TOKENIZER_JSON
from stages.formats.tokenizer import Tokenizer
from stages.model.config import ModelConfig
from stages.shared.errors import DataError
from stages.shared.files import read_json, write_json


def write_tokenizer(tokenizer: Path, folder: Path, model: ModelConfig, template: ChatTemplate | None) -> None:
    """Write the tokenizer's files. Its texts begin with the end-of-sequence token, as every document of the training
    does, so that a reader of the folder needs no flag.

    Raises ValueError for a template whose control tokens are not among the model's extra tokens, and DataError if no
    tokenizer.json lies beside the tokenizer.
    """
    shutil.copyfile(tokenizer, folder / KINDS.tokenizer.file)
    pieces = Tokenizer(tokenizer)
    end, unknown = (pieces.pieces()[number] for number in (pieces.eos_id, pieces.unk_id))
    padding = unknown if model.head == "scalar" else end  # a score is read at the last token that is no padding
    fast = tokenizer.with_name(TOKENIZER_JSON)
    if not fast.is_file():
        raise DataError(tokenizer, f"no {TOKENIZER_JSON} beside it", "Merge vocabularies with `order: last`")
    write_json(folder / TOKENIZER_JSON, _tokenizer_json(fast, pieces, end, model))
    settings: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **{"bos_token": end, "eos_token": end, "unk_token": unknown, "pad_token": padding},
        "clean_up_tokenization_spaces": False,
        "model_max_length": model.seq_len,
        **({"chat_template": to_jinja(template, first=end, pictures=bool(model.eyes))} if template else {}),
    }
    if template and model.eyes:  # a processor has its own
        (folder / "chat_template.jinja").write_text(settings["chat_template"], encoding="utf-8")
    write_json(folder / "tokenizer_config.json", settings)
    if template and model.head == "lm":
        ids = {name: model.token_id(name, pieces.vocab_size) for name in template.controls}
        ends = dict.fromkeys((ids.get(template.assistant.answer[-1], pieces.eos_id), pieces.eos_id))
        ends_of = {"bos_token_id": pieces.eos_id, "eos_token_id": [*ends], "pad_token_id": pieces.eos_id}
        write_json(folder / "generation_config.json", ends_of)


def _tokenizer_json(path: Path, pieces: Tokenizer, end: str, model: ModelConfig) -> dict[str, Any]:
    first: list[dict[str, Any]] = [{"SpecialToken": {"id": end, "type_id": 0}}]
    texts: list[dict[str, Any]] = [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}]
    ours: dict[str, Any] = read_json(path)
    added = [
        {
            **{"id": model.token_id(name, pieces.vocab_size), "content": name, "special": True},
            **{"single_word": False, "lstrip": False, "rstrip": False, "normalized": False},
        }
        for name in model.extra_tokens
    ]
    return {
        **ours,
        "added_tokens": [*(ours.get("added_tokens") or ()), *added],
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [*first, texts[0]],
            "pair": [*first, *texts],
            "special_tokens": {end: {"id": end, "ids": [pieces.eos_id], "tokens": [end]}},
        },
    }
