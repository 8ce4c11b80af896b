import math

import numpy as np
import pytest

from stages.text.rules.measures import MEASURES, measure
from stages.text.rules.rule import UNMEASURED, Rule, all_broken, first_broken, group, groups, to_counts

FEW = Rule("few", "words", None, "least", 3, 10)
MANY = Rule("many", "word_chars", "words", "most", 4)


def rows(*values: dict[str, object]) -> np.ndarray:
    found = np.zeros(len(values), dtype=MEASURES)
    for place, value in enumerate(values):
        for name, number in value.items():
            found[name][place] = number
    return found


@pytest.mark.parametrize(
    ("counts", "is_broken"),
    [
        ({"words": 3, "word_chars": 12}, (False, False)),
        ({"words": 2, "word_chars": 9}, (True, True)),
        ({"words": 0, "word_chars": 0}, (True, False)),
        ({"words": UNMEASURED, "word_chars": UNMEASURED}, (False, False)),
    ],
)
def test_a_limit_itself_is_allowed_and_what_is_unknown_breaks_nothing(
    counts: dict[str, int], is_broken: tuple[bool, bool]
) -> None:
    assert (FEW.is_broken(counts), MANY.is_broken(counts)) == is_broken
    array = rows(counts)
    assert (FEW.breaks(array)[0], MANY.breaks(array)[0]) == is_broken


def test_strain_runs_from_the_best_value_to_the_limit() -> None:
    assert [FEW.used_margin({"words": words}) for words in (10, 20, 3, 2)] == [0, 0, 1, 8 / 7]
    assert [MANY.used_margin({"words": 2, "word_chars": chars}) for chars in (0, 4, 8, 12)] == [0, 0.5, 1, 1.5]
    middle = Rule("middle", "words", None, "least", 4, 8, "log")
    assert [round(middle.used_margin({"words": words}), 9) for words in (8, 4, 2, 100)] == [0, 1, 2, 0]
    assert MANY.used_margin({"words": 1, "word_chars": UNMEASURED}) == 0
    nothing = Rule("nothing", "words", None, "most", 0)
    assert [nothing.used_margin({"words": words}) for words in (0, 5)] == [0, math.inf]


def test_the_first_rule_in_order_names_the_reason() -> None:
    broken = {"language": b"en", "characters": 0, "words": 2, "word_chars": 9}
    assert first_broken(broken, lambda *key: (FEW, MANY)) == "few"
    assert first_broken(broken, lambda *key: (MANY, FEW)) == "many"
    assert first_broken(broken, lambda *key: ()) is None
    assert all_broken(rows(broken, {}), lambda *key: (MANY, FEW)).tolist() == ["many", "few"]


def test_rows_are_grouped_by_language_and_script() -> None:
    pages = [("one two", "en"), ("手机", "zh"), ("手机", "en"), ("", ""), ("three", "en")]
    array = np.array([measure(text, language) for text, language in pages], dtype=MEASURES)
    found = {key: places.tolist() for key, places in groups(array)}
    assert found == {("", False): [3], ("en", False): [0, 4], ("en", True): [2], ("zh", True): [1]}
    for key, places in found.items():
        assert all(group(to_counts(array[place])) == key for place in places)


def test_no_rows_are_no_trouble() -> None:
    assert all_broken(rows(), lambda *key: (FEW,)).tolist() == []
