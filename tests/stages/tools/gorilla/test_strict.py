from __future__ import annotations

from pathlib import Path

import pytest

from stages.tools.gorilla.strict import Strict, StrictMatcher

CALLS = [
    "load(repo_or_dir='a/vision', model='net')",
    "load(repo_or_dir='a/vision', model='net_large')",
    "pipe('text', size=3, on=True)",
]


def answer(code: str) -> str:
    return f"api_call: {code}\napi_provider: x"


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("m = load('a/vision', 'net')", Strict((0,))),
        ("load(model='net_large', repo_or_dir='a/vision', extra=1)", Strict((1,))),
        (r"load(\'a/vision\', \"NET \")", Strict((0,))),
        ("x = other(1); load('a/vision', 'net')", Strict((0,))),
        ("hub.load('a/vision', 'net')", Strict((), "unknown_name")),
        ("load('a/vision', 'ne')", Strict((), "other_value")),
        ("load('a/vision', name)", Strict((), "not_a_literal")),
        ("load('a/vision', 3)", Strict((), "other_type")),
        ("load('a/vision')", Strict((), "missing_argument")),
        ("load('a/vision", Strict((), "unparsed")),
        ("no call at all", Strict((), "unparsed")),
    ],
)
def test_name_and_required_values_must_be_equal(code: str, found: Strict) -> None:
    assert StrictMatcher(CALLS, "torchhub").match(answer(code)) == found


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("pipe('text', size=3, on=True)", ""),
        ("pipe('text', 3, True)", ""),
        ("pipe('text', size='3', on=True)", "other_type"),
        ("pipe('text', size=3.14, on=True)", "other_type"),
        ("pipe('text', size=-3, on=True)", "other_value"),
        ("pipe('text', size=3, on=1)", "other_type"),
        ("pipe('text', size=1+2, on=True)", "not_a_literal"),
    ],
)
def test_values_have_types_and_signs(code: str, problem: str) -> None:
    assert StrictMatcher(CALLS, "huggingface").match(answer(code)).problem == problem


def test_a_call_that_would_write_a_file_is_not_a_literal_and_writes_none(tmp_path: Path) -> None:
    path = tmp_path / "written"
    code = f"load('a/vision', open('{path}', 'w').name)"
    assert StrictMatcher(CALLS, "torchhub").match(answer(code)).problem == "not_a_literal"
    assert not path.exists()


def test_equal_calls_of_a_file_all_match() -> None:
    assert StrictMatcher(["f(x='a')", "f(x='A')"], "huggingface").match(answer("f('a')")) == Strict((0, 1))
