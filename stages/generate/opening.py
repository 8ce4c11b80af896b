"""Opens a model with all that it takes to ask it: a checkpoint of ours, or a folder as transformers saves it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tokenizers

from stages.formats.kinds import KINDS
from stages.formats.pieces import TOKENIZER_JSON
from stages.formats.tokenizer import Tokenizer
from stages.generate.text import Codec
from stages.model.checkpoint.load import LoadedModel, load_model
from stages.model.checkpoint.names import COMPLETE
from stages.model.huggingface.config import CONFIG_JSON, read_config
from stages.model.huggingface.importing import load_release
from stages.shared.errors import DataError
from stages.shared.files import sha256_file

_SETTINGS = "tokenizer_config.json"


@dataclass(frozen=True)
class Opened:
    """A model, its tokenizer, and the token that its training's sequences begin with."""

    model: LoadedModel
    codec: Codec
    first_id: int
    identity: str
    """Digest of all that the answers depend on: the weights, the shape, the tokenizer of a folder."""


def is_release(folder: Path) -> bool:
    """Return whether a folder is one of transformers', and no checkpoint of ours."""
    return (folder / CONFIG_JSON).is_file() and not (folder / COMPLETE).exists()


def open_checkpoint(folder: Path, tokenizer: Path) -> Opened:
    """Return a checkpoint of ours. Its documents begin behind the end-of-sequence token. Collective.

    Raises DataError for a damaged one, or for another tokenizer than its training's.
    """
    codec = Tokenizer(tokenizer)
    model = load_model(folder)
    if model.tokenizer_sha256 != codec.sha256:
        remedy = "Set `tokenizer` to the tokenizer of the same run"
        raise DataError(folder, "trained with another tokenizer than the one of this section", remedy)
    return Opened(model, codec, codec.eos_id, sha256_file(folder / COMPLETE))


def open_release(folder: Path) -> Opened:
    """Return a folder's model, with its own tokenizer and first token. Collective.

    The first token is the one that the tokenizer puts before a text; where it puts none, its BOS, or else its EOS.
    Raises DataError for a damaged folder, or one without a tokenizer.
    """
    codec, first_id = _tokenizer_of(folder)
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.iterdir() if path.suffix in (".json", ".model", ".safetensors")):
        digest.update(f"{path.name} {sha256_file(path)}\n".encode())
    return Opened(load_release(folder), codec, first_id, digest.hexdigest())


class FolderTokenizer:
    """A folder's tokenizer.json."""

    def __init__(self, path: Path, eos: str | None) -> None:
        """Raises DataError, naming the file, if it cannot be used."""
        try:
            self._inner = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # tokenizers raises no class of its own
            raise DataError(path, f"no tokenizer ({error})", "Fetch it again") from error
        eos_id = self._inner.token_to_id(eos) if eos else None
        if eos_id is None:
            raise DataError(path, f"no token {eos!r}", f"Set eos_token in {_SETTINGS} to one of its tokens")
        self.eos_id: int = eos_id

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, without special tokens."""
        ids: list[int] = self._inner.encode(text, add_special_tokens=False).ids
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids; special tokens give no text."""
        return str(self._inner.decode(list(ids), skip_special_tokens=True))

    def first_ids(self) -> list[int]:
        """Return what it puts before a text."""
        plain, whole = (self._inner.encode("a", add_special_tokens=added).ids for added in (False, True))
        return list(whole[: next((at for at in range(len(whole)) if whole[at : at + len(plain)] == plain), 0)])

    def id_of(self, token: str | None) -> int | None:
        """Return the id of a token; None: there is none."""
        return self._inner.token_to_id(token) if token else None


def _tokenizer_of(folder: Path) -> tuple[Codec, int]:
    settings = read_config(folder / _SETTINGS) if (folder / _SETTINGS).exists() else {}
    if (folder / TOKENIZER_JSON).exists():
        codec = FolderTokenizer(folder / TOKENIZER_JSON, _name(settings.get("eos_token", "</s>")))
        first = codec.first_ids()
        if len(first) > 1:
            raise DataError(folder / TOKENIZER_JSON, f"puts {len(first)} tokens before a text", "Use one that puts one")
        bos = codec.id_of(_name(settings.get("bos_token")))
        return codec, first[0] if first else codec.eos_id if bos is None else bos
    if not (folder / KINDS.tokenizer.file).exists():
        raise DataError(folder, f"neither {TOKENIZER_JSON} nor {KINDS.tokenizer.file}", "Put its tokenizer there")
    pieces = Tokenizer(folder / KINDS.tokenizer.file)
    # LLaMA's own tokenizer puts <s> before a text if its settings do not say otherwise.
    return pieces, pieces.bos_id if settings.get("add_bos_token", True) and pieces.bos_id >= 0 else pieces.eos_id


def _name(token: Any) -> str | None:
    """Return a token's text: settings give it as it is, or as an object."""
    name = token.get("content") if isinstance(token, dict) else token
    return name if isinstance(name, str) else None
