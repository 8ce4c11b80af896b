"""The one checkpoint of a section that another one reads. Light."""

from __future__ import annotations

from collections.abc import Sequence

from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError
from stages.train.state.names import FINAL


def final_checkpoint(field: str, files: Sequence[InputFile]) -> InputFile:
    """Return the checkpoint to take: a section's final one, or the folder that is named.

    Raises ConfigError if there is not exactly one.
    """
    if files[0].section:
        files = [file for file in files if file.path.name == FINAL]
    if len(files) != 1:
        raise ConfigError(field, [file.where for file in files], "one folder")
    return files[0]
