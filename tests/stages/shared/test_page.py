"""Who may open a page."""

from __future__ import annotations

import pytest

from stages.shared.page import LOCAL, is_known_host, is_token, new_token, page_address


@pytest.mark.parametrize(
    ("header", "known"),
    [
        ("127.0.0.1:80", True),
        ("LOCALHOST", True),
        ("[::1]:8080", True),
        ("10.0.0.7:1", True),
        ("node7:80", False),
        ("evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("x@localhost.evil", False),
        ("[::1", False),
        ("", False),
        (None, False),
    ],
)
def test_foreign_names_are_unknown_hosts_and_addresses_stand_for_themselves(header: str | None, known: bool) -> None:
    assert is_known_host(header, LOCAL) == known


def test_a_token_opens_its_page_alone() -> None:
    token = new_token()
    assert is_token(token, token)
    assert not any(is_token(given, token) for given in ("", "é", token[:-1], new_token()))
    assert page_address("127.0.0.1", 80, "a b") == "http://127.0.0.1:80/a%20b/"
