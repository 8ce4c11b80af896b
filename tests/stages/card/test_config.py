"""What a card is planned with."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.card.config import CardConfig
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError

FILES = {"documents": (InputFile(Path("a.zst"), "web"), InputFile(Path("b.zst"), "web"))}


def test_a_file_of_documents_is_a_unit_and_words_of_the_recipe_count_nothing_again() -> None:
    count, card = CardConfig(documents="x").plan(FILES).steps
    assert [len(count.units), len(card.units)] == [2, 1]
    assert count.uses == ()
    assert set(card.uses) == {"title", "about", "notes", "gaps"}


def test_notes_on_no_source_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"notes\.wbe = .*did you mean 'web'"):
        CardConfig.model_validate({"documents": "x", "notes": {"wbe": {"licence": "CC0"}}}).plan(FILES)
