from __future__ import annotations

import pytest

from stages.tools.gorilla.published import Match, PublishedMatcher, answered_code

CALLS = [
    "torch.hub.load(repo_or_dir='a/vision', model='net', pretrained=True)",
    "torch.hub.load(repo_or_dir='a/vision', model='net_large', pretrained=True)",
    "other.load(model='x')",
    "no_call",
]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{'api_call': 'f(1)', 'api_provider': 'x(2)'}", "'f(1)"),
        ("api_call: f(1) and g(2) then", "f(1) and g(2)"),
        ("api_call f(1)", "(1)"),  # without a colon two characters are skipped from the start
        ("api_call: f", ""),
        ("f(1)", None),
    ],
)
def test_the_code_of_an_answer_is_cut_as_the_published_scorer_cuts_it(text: str, code: str | None) -> None:
    assert answered_code(text, "torchhub") == code
    assert answered_code(text, "huggingface") == (text if code is None else code)


@pytest.mark.parametrize(
    ("code", "match"),
    [
        ("m = torch.hub.load('a/vision', 'net')", Match(0, True)),
        ("m = torch.hub.load('a/vision', 'net_large')", Match(0, True)),  # `net` is part of it
        ("torch.hub.load('b/vision', 'net')", Match(-1)),
        ("'m = torch.hub.load(\\'a/vision\\', \\'net\\')", Match(0, False)),  # no sub-tree has the name
        ("other.load('x')", Match(2, True)),
        ("", Match(-1)),
        ("torch.hub.load('a/vision', 'net'", Match(0, True)),  # broken code has a tree, too
    ],
)
def test_quirks_of_the_published_matching_are_kept(code: str, match: Match) -> None:
    assert PublishedMatcher(CALLS, "torchhub").match(code) == match


def test_each_hub_has_its_required_arguments() -> None:
    call = "load('first', model='second', size=3)"
    for hub, wanted in (
        ("torchhub", "'second'"),
        ("tensorflow", "'first' 'second' size=3"),
        ("huggingface", "'first' 'second' 3"),
    ):
        matcher = PublishedMatcher([call], hub)  # type: ignore[arg-type]
        assert matcher.match(f"load({wanted})").api == 0
        for each in wanted.split():
            assert matcher.match(f"load({wanted.replace(each, '')})").api == -1, (hub, each)
