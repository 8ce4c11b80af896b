"""The agreement format: how far labellers agree. `align.label` writes it; the report reads it.

`agreement.json`: {"labellers": {name: labels}, "items", "shared", "pairs", "same", "nominal", "ordinal", "ties",
"reasons": {reason: labels}}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from stages.shared.errors import DataError
from stages.shared.files import read_json, write_json


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Labels of all labellers, and Krippendorff's alpha over pairs of responses."""

    labellers: Mapping[str, int]
    """Labelled prompts by labeller."""
    items: int
    """Prompts with a label."""
    shared: int
    """Prompts with labels of at least two labellers."""
    pairs: int
    """Pairs of responses that at least two labellers compared."""
    same: float | None
    """Share of two labellers' judgements of a pair that are equal, from 0 to 1; None without such pairs."""
    nominal: float | None
    """Alpha of better, tie and worse as names: 1 full agreement, 0 chance; None where all judgements are equal."""
    ordinal: float | None
    """Alpha of better, tie and worse as an order: a tie is nearer to both."""
    ties: int
    """Judgements of pairs that are ties, of all labellers."""
    reasons: Mapping[str, int]


def write_agreement(path: Path, agreement: Agreement) -> None:
    """Write an agreement, atomically."""
    write_json(path, asdict(agreement))


def read_agreement(path: Path) -> Agreement:
    """Return the agreement of a file. Raises DataError if it holds none."""
    try:
        return Agreement(**read_json(path))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(path, f"not an agreement ({error!r})", "Run the unit that wrote it again") from error
