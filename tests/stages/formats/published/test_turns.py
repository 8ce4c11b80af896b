"""Roles and texts of published conversations."""

from __future__ import annotations

import pytest

from stages.formats.chat.rejects import Reject
from stages.formats.published.turns import role_of, text_of


def test_names_of_roles_are_known_in_any_case() -> None:
    assert [role_of(name) for name in ("human", "GPT", "bing", " Assistant", "System")] == [
        "user", "assistant", "assistant", "assistant", "system",
    ]  # fmt: skip
    for name in ("tool", "", None, 3):
        with pytest.raises(Reject, match="unknown_role"):
            role_of(name)


def test_a_text_is_a_text_or_null() -> None:
    assert (text_of(None, "value"), text_of("x", "value")) == ("", "x")
    with pytest.raises(Reject, match="not_a_text"):
        text_of(3, "value")
