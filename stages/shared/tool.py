"""The contract between the launcher and a stage: a tool of the stage, a verb that looks at a run without changing it.

`StageConfig.tools` names the function: `tune` of the web stage judges stored measures again. It is given a ToolCall
and gives tables, which the launcher prints as they come: `label` prints the address of its page, then serves it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.shared.contract import InputFile


@dataclass(frozen=True, kw_only=True)
class ToolCall:
    """One section of a run, as far as it has got."""

    run_dir: Path
    section: str
    config: Any
    """The section's StageConfig, as the run has it."""
    changed: Any
    """The same with the caller's `--set`."""
    changes: Sequence[str]
    """Dotted names, within the section, of the settings that differ."""
    inputs: Mapping[str, tuple[InputFile, ...]]
    """By input field: its files. Some may not exist yet."""
    done: Mapping[str, tuple[Path, ...]]
    """By step: the folders of finished units, in order."""
    num_units: Mapping[str, int]
    """By step: how many units it has."""
    command: str
    """The `run` command that made the run, with the caller's `--set`."""
    out: Path
    """The run's file that the tool may replace: its report."""


@dataclass(frozen=True, kw_only=True)
class ToolTable:
    """Rows for people."""

    title: str = ""
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    left: int = 1
    """Columns from the left that hold text; the others hold numbers."""
    notes: tuple[str, ...] = ()
    """Lines below the table."""
