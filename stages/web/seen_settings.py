"""Settings of the signatures in an index of earlier runs: only signatures of equal settings can be compared.

Light: imports no NumPy. `plan` compares them before anything is extracted, and each unit that opens an index again.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stages.formats.kinds import KINDS
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError, DataError
from stages.text.settings import DedupSettings

MADE = "made.json"
"""The member of `index.npz` that holds them."""
SIGNATURES_VERSION = 2
"""Raised when the same settings give other signatures, or the same URL another hash, than before."""


def check_seen(files: Sequence[InputFile], settings: DedupSettings) -> None:
    """Raise ConfigError if signatures of these settings cannot be compared with an index.

    Raises DataError for a file that is no index.
    """
    wanted = made_by(settings)
    for file in files:
        made = _read(file.path)
        is_equal = made == wanted if settings.enabled else made.get("version") == SIGNATURES_VERSION
        if not is_equal:  # without deduplication only URLs are compared
            raise ConfigError("seen", str(file.path), f"an index made with {_shown(wanted)}, not with {_shown(made)}")


def made_by(settings: DedupSettings) -> dict[str, Any]:
    """Return the settings that must be equal for two signatures to be comparable."""
    if not settings.enabled:
        return {"method": "none", "version": SIGNATURES_VERSION}
    made = {"method": settings.method, "seed": settings.seed, "version": SIGNATURES_VERSION}
    if settings.method == "simhash":
        return {**made, "ngram": settings.simhash_ngram}
    buckets, hashes_per_bucket = settings.shape
    return {**made, "ngram": settings.ngram, "buckets": buckets, "hashes_per_bucket": hashes_per_bucket}


def not_an_index(path: Path, error: Exception) -> DataError:
    """Return the error about another kind of file."""
    remedy = f"Set seen to the {KINDS.index.file} of a finished run of the web stage"
    return DataError(path, f"not an index of earlier documents ({error})", remedy)


def _read(path: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as archive:
            made = json.loads(archive.read(MADE))
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise not_an_index(path, error) from error
    return made if isinstance(made, dict) else {}


def _shown(made: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in sorted(made.items()))
