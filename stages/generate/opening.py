"""Opens a model with all that it takes to ask it: a checkpoint of ours, or a folder as transformers saves it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import tokenizers

from stages.formats.kinds import KINDS
from stages.formats.pieces import TOKENIZER_JSON
from stages.formats.tokenizer import Tokenizer
from stages.generate.text import Codec
from stages.model.checkpoint.load import LoadedModel, load_model
from stages.model.checkpoint.names import COMPLETE
from stages.model.checkpoint.settings import read_settings
from stages.model.huggingface.config import CONFIG_JSON, read_config
from stages.model.huggingface.importing import Release, load_release
from stages.shared.errors import DataError
from stages.shared.files import sha256_file

_SETTINGS = "tokenizer_config.json"


@dataclass(frozen=True, kw_only=True)
class Description:
    """What answers depend on, without the model itself."""

    codec: Codec
    first_id: int
    """The token that the training's sequences begin with."""
    identity: str
    """Digest of the weights, the shape, and the tokenizer of a folder."""
    dtype: str
    """Type of the weights: fp32, bf16 or fp16."""
    seq_len: int
    """Longest sequence that the model takes, in tokens."""


@dataclass(frozen=True, kw_only=True)
class FolderCodec:
    """The tokenizer of a folder of transformers'."""

    codec: Codec
    first_id: int
    """The token that its model's sequences begin with."""
    digest: str
    """Of its files."""


@dataclass(frozen=True, kw_only=True)
class Opened(Description):
    """A model with its tokenizer."""

    model: LoadedModel


def is_release(folder: Path) -> bool:
    """Return whether a folder is one of transformers', and no checkpoint of ours."""
    return (folder / CONFIG_JSON).is_file() and not (folder / COMPLETE).exists()


@lru_cache(maxsize=1)  # a release's digest reads all its weights
def describe(folder: Path, tokenizer: Path) -> Description:
    """Return what a folder's answers depend on. `tokenizer` is that of a checkpoint of ours; a release has its own.

    Raises DataError for a damaged folder, or for another tokenizer than the training's.
    """
    return _release(folder) if is_release(folder) else _checkpoint(folder, tokenizer)


def _checkpoint(folder: Path, tokenizer: Path) -> Description:
    settings, codec = read_settings(folder), Tokenizer(tokenizer)
    if settings.tokenizer_sha256 != codec.sha256:
        remedy = "Set `tokenizer` to the tokenizer of the same run"
        raise DataError(folder, "trained with another tokenizer than the one of this section", remedy)
    # Its documents begin behind the end-of-sequence token.
    identity = sha256_file(folder / COMPLETE)
    return Description(
        codec=codec,
        first_id=codec.eos_id,
        identity=identity,
        dtype=settings.dtype,
        seq_len=settings.config.text_len,
    )


def _release(folder: Path) -> Description:
    codec, first_id = _tokenizer_of(folder)
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.iterdir() if path.suffix in (".json", ".model", ".safetensors")):
        digest.update(f"{path.name} {sha256_file(path)}\n".encode())
    release = Release(folder)
    return Description(
        codec=codec,
        first_id=first_id,
        identity=digest.hexdigest(),
        dtype=release.dtype,
        seq_len=release.config.text_len,
    )


def open_checkpoint(folder: Path, tokenizer: Path) -> Opened:
    """Return a checkpoint of ours. Collective. Raises DataError as `describe` does, and for damaged weights."""
    model = load_model(folder)
    model.model.pack()
    return Opened(**vars(_checkpoint(folder, tokenizer)), model=model)


def open_release(folder: Path) -> Opened:
    """Return a folder's model, with its own tokenizer and first token. Collective.

    The first token is the one that the tokenizer puts before a text; where it puts none, its BOS, or else its EOS.
    Raises DataError for a damaged folder, or one without a tokenizer.
    """
    model = load_release(folder)
    model.model.pack()
    return Opened(**vars(_release(folder)), model=model)


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


def open_tokenizer(folder: Path) -> FolderCodec:
    """Return a folder's tokenizer; the folder need not have a model. Raises DataError for one without a tokenizer."""
    codec, first_id = _tokenizer_of(folder)
    files = (folder / name for name in (TOKENIZER_JSON, KINDS.tokenizer.file, _SETTINGS))
    digests = [f"{path.name} {sha256_file(path)}\n" for path in files if path.exists()]
    return FolderCodec(codec=codec, first_id=first_id, digest=hashlib.sha256("".join(digests).encode()).hexdigest())


def _name(token: Any) -> str | None:
    """Return a token's text: settings give it as it is, or as an object."""
    name = token.get("content") if isinstance(token, dict) else token
    return name if isinstance(name, str) else None
