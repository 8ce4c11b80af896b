"""Tables of settings: those in READMEs are current, and a table says all of a config."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.web.config import Config as WebConfig
from tests import settings

READMES = sorted((settings.ROOT / "stages").rglob("README.md"))


@pytest.mark.parametrize("path", READMES, ids=lambda path: path.parent.name)
def test_the_tables_of_a_readme_are_current(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text == settings.updated(text), "run `python -m tests.settings`"


def test_a_table_has_every_setting_of_nested_sections_with_its_note() -> None:
    lines = {line.split("`")[1]: line for line in settings.rows(WebConfig, "")}
    assert lines.keys() > set(WebConfig.model_fields)
    assert "| section |" in lines["quality"]
    name, value, default, note = lines["quality.min_words"].strip("| ").split(" | ")
    assert (name, value, default) == ("`quality.min_words`", "int from 1", "`50`")
    assert note
