"""Krippendorff's alpha against his published example, and the agreement of labels."""

from __future__ import annotations

import pytest

from stages.align.label.agreement import agreement, alpha, latest, nominal, ordinal
from stages.formats.chat.agreements import Agreement
from stages.formats.chat.chats import text_message
from stages.formats.preferences import Preference, Response

CODED = (
    (1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None),
    (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3),
    (None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None),
    (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None),
)
"""Four observers of twelve units: Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), section C."""


def label(who: str, *ranks: int, item: str = "q", reasons: tuple[str, ...] = ()) -> Preference:
    responses = tuple(Response(str(place)) for place in range(len(ranks)))
    prompt = (text_message("user", item),)
    return Preference(prompt=prompt, responses=responses, ranks=ranks, ranked_by=who, reasons=reasons)


def test_alpha_is_that_of_the_published_example() -> None:
    units = [[value for value in column if value is not None] for column in zip(*CODED, strict=True)]
    assert alpha(units, nominal) == pytest.approx(0.743, abs=5e-4)
    assert alpha(units, ordinal) == pytest.approx(0.815, abs=5e-4)


def test_alpha_is_one_for_full_agreement_and_none_where_nothing_differs() -> None:
    assert alpha([[1, 1], [0, 0, 0]], nominal) == alpha([[1, 1], [-1, -1]], ordinal) == 1.0
    assert alpha([[1, 1], [1, 1]], nominal) is None
    assert alpha([[1], []], ordinal) is None
    assert alpha([[0, 1], [1, 0]], nominal) == pytest.approx(-0.5)


def test_the_last_label_of_a_labeller_counts() -> None:
    labels = [label("ada", 1, 2), label("bob", 1, 2), label("ada", 2, 1), label("ada", 1, 1, item="p")]
    assert latest(labels) == labels[1:]


def test_pairs_of_responses_are_compared_between_labellers() -> None:
    labels = [
        label("bob", 1, 2, 2, reasons=("clearer",)),
        label("ada", 1, 2, 3, reasons=("clearer", "safe")),
        label("ada", 1, 2, item="alone"),
    ]
    found = agreement(labels)
    assert found == Agreement(
        labellers={"ada": 2, "bob": 1},
        **{"items": 2, "shared": 1, "pairs": 3, "ties": 1},
        same=2 / 3,
        nominal=found.nominal,
        ordinal=found.ordinal,
        reasons={"clearer": 2, "safe": 1},
    )
    assert found.nominal == pytest.approx(1 - 5 * 2 / 10)  # five values -1 and one 0: expected 2 * 5 * 1
