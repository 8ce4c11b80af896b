"""A Hugging Face folder as it lies there: its decoder, its tensors by their headers, its tokenizer's pieces.

Light: `plan` opens it on a login node. A safetensors file begins with the length of its header in 8 bytes, and the
header, JSON, has type, shape and place of each tensor (huggingface.co/docs/safetensors, "Format").
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from stages.formats.kinds import KINDS
from stages.formats.pieces import TOKENIZER_JSON, read_pieces
from stages.model.huggingface.config import CONFIG_JSON, from_config_json, read_config
from stages.model.huggingface.tensors import shapes, slices
from stages.model.huggingface.vision.llava import LANGUAGE, MODELS, read_eyes
from stages.shared.errors import DataError

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
ADDED_TOKENS = "added_tokens.json"
TYPES = {"F32": "fp32", "BF16": "bf16", "F16": "fp16", "F64": "fp32"}
"""Types of weights, and the types in which we hold them. Others are quantized: further tensors say what they mean."""
_DERIVED = "rotary_emb.inv_freq"
"""Ends the names of tensors that old folders hold and that follow from config.json."""
_LONGEST = 100_000_000
"""Bytes of a header, at most, as safetensors has it."""


@dataclass(frozen=True)
class Header:
    """A tensor of a safetensors file."""

    file: str
    dtype: str
    shape: tuple[int, ...]


class ReleaseFolder:
    """A folder as transformers' `save_pretrained` writes it: config.json and safetensors, in one file or sharded."""

    def __init__(self, folder: Path) -> None:
        """Read what is there, not the weights.

        Raises DataError, naming the file, if it is not of a decoder of ours, or if a tensor is missing, unknown, cut
        off, quantized or of another shape than config.json says.
        """
        self.folder = folder
        settings = read_config(folder / CONFIG_JSON)
        eyes = read_eyes(folder, settings)
        decoder = settings.get("text_config") if settings.get("model_type") in MODELS else settings
        self.prefix = "" if decoder is settings else LANGUAGE
        """Start of the names of the decoder's tensors in the files."""
        config, self.vocab_size = from_config_json(decoder or {}, folder / CONFIG_JSON)
        self.config = config.model_copy(update={"eyes": eyes})
        self.tensors = {
            name.removeprefix(self.prefix): header
            for name, header in read_folder_headers(folder).items()
            if name.startswith(self.prefix)
        }
        expected = {
            name: shape
            for part in slices(self.config)
            for name, shape in zip(part.names, shapes(self.config, part, self.vocab_size), strict=True)
        }
        known = {*expected, *(("lm_head.weight",) if self.config.tied_embeddings else ())}  # some hold it twice
        found = {name for name in self.tensors if not name.endswith(_DERIVED)}
        if odd := sorted((expected.keys() - found) | (found - known)):
            problem = f"{'lacks' if odd[0] in expected else 'has an unknown'} tensor {odd[0]} ({len(odd)} such)"
            raise DataError(folder, problem, "Use the safetensors of a LLaMA or Mixtral model")
        for name, shape in expected.items():
            self._check(name, shape)

    def _check(self, name: str, shape: tuple[int, ...]) -> None:
        header = self.tensors[name]
        if header.shape != shape:
            problem, remedy = f"shape {[*header.shape]}", f"{CONFIG_JSON} says {[*shape]}"
            raise DataError(self.folder / header.file, problem, remedy, record=name)
        if header.dtype not in TYPES:
            remedy = f"Use weights that are not quantized ({', '.join(TYPES)})"
            raise DataError(self.folder / header.file, f"type {header.dtype}", remedy, record=name)

    @property
    def dtype(self) -> str:
        """Type of the weights, by the name that checkpoints of ours have for it: that of its first tensor."""
        return TYPES[self.tensors[next(slices(self.config)).names[0]].dtype]

    def require_pieces(self, ours: Sequence[str]) -> None:
        """Raise DataError if the folder's tokenizer gives one of our ids another piece. A folder may have none."""
        for path, theirs in self._vocabularies():
            for number, piece in enumerate(ours):
                if theirs.get(number, piece) != piece:
                    problem = f"piece {number} is {theirs[number]!r}, and {piece!r} in the tokenizer of this training"
                    remedy = "Train with the folder's tokenizer, or one that adds pieces at its end"
                    raise DataError(path, problem, remedy)

    def added_tokens(self, first: int) -> list[str]:
        """Return the names of the tokens from id `first` on, as far as the folder's files name one after another."""
        fast, added = self.folder / TOKENIZER_JSON, self.folder / ADDED_TOKENS
        names = dict(_fast_pieces(fast)) if fast.exists() else {}
        names |= _added_pieces(added) if added.exists() else {}
        return [names[number] for number in takewhile(names.__contains__, range(first, self.vocab_size))]

    def _vocabularies(self) -> list[tuple[Path, Mapping[int, str]]]:
        """Return the pieces by id of each file that has some: of tokenizer.json only where there is no `.model`."""
        model, fast, added = (self.folder / name for name in (KINDS.tokenizer.file, TOKENIZER_JSON, ADDED_TOKENS))
        found: list[tuple[Path, Mapping[int, str]]] = []
        if model.exists():
            found.append((model, dict(enumerate(read_pieces(model)))))
        elif fast.exists():
            found.append((fast, _fast_pieces(fast)))
        if added.exists():
            found.append((added, _added_pieces(added)))
        return found


def _added_pieces(path: Path) -> dict[int, str]:
    """Return the pieces of an added_tokens.json."""
    return {_number(path, number): piece for piece, number in read_config(path).items()}


def _fast_pieces(path: Path) -> dict[int, str]:
    """Return the pieces of a tokenizer.json: those of its model, and added ones."""
    content = read_config(path)
    try:
        vocab = content["model"]["vocab"]
        pieces = vocab if isinstance(vocab, dict) else {piece: number for number, (piece, _) in enumerate(vocab)}
        found = {_number(path, number): piece for piece, number in pieces.items()}
        return found | {_number(path, each["id"]): each["content"] for each in content.get("added_tokens") or ()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(path, f"no vocabulary ({error!r})", "Fetch it again") from error


def _number(path: Path, number: Any) -> int:
    if not isinstance(number, int):
        raise DataError(path, f"{number!r} is no id of a piece", "Fetch it again")
    return number


def read_folder_headers(folder: Path) -> dict[str, Header]:
    """Return the headers of a folder's tensors, by name."""
    if not (folder / INDEX).exists():
        if not (folder / WEIGHTS).is_file():
            remedy = "Use safetensors: pickled weights (pytorch_model.bin) are not read, convert them with transformers"
            raise DataError(folder, f"neither {WEIGHTS} nor {INDEX}", remedy)
        return read_headers(folder / WEIGHTS)
    places = read_config(folder / INDEX).get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(file, str) for file in places.values()):
        raise DataError(folder / INDEX, "no weight_map", "Fetch it again")
    headers: dict[str, Header] = {}
    for file in sorted(set(places.values())):
        if Path(file).name != file or not file.endswith(".safetensors"):
            raise DataError(folder / INDEX, f"names {file!r}", "Use safetensors files of the same folder")
        if not (folder / file).is_file():
            raise DataError(folder / file, "not there", f"{INDEX} names it: fetch it")
        headers |= {name: header for name, header in read_headers(folder / file).items() if places.get(name) == file}
    if absent := sorted(places.keys() - headers.keys()):
        raise DataError(folder / places[absent[0]], f"lacks tensor {absent[0]}", f"{INDEX} names it: fetch it again")
    return headers


def read_headers(path: Path) -> dict[str, Header]:
    """Return the tensors of a safetensors file by name. Raises DataError if it is none, or is cut off."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 0 < length <= _LONGEST:
                raise ValueError("no header")
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        end = max((each["data_offsets"][1] for each in header.values()), default=0)
        if path.stat().st_size != 8 + length + end:
            raise ValueError(f"{path.stat().st_size} bytes where its header says {8 + length + end}")
        return {name: Header(path.name, each["dtype"], tuple(each["shape"])) for name, each in header.items()}
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(path, f"unreadable ({error})", "Fetch it again") from error
