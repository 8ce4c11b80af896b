"""Each trick is put through the real filters in test_answer_key of the web stage; here is what the tricks promise."""

import pytest

from stages.sample.draw import Draw
from stages.sample.kinds import ENGLISH, STEPS
from stages.sample.spam import MAKERS, spam


def test_there_is_a_trick_for_every_kind_of_spam_and_no_other() -> None:
    kinds = {*STEPS["repetition"], *STEPS["quality"], *STEPS["lines"]}
    assert set(MAKERS) == kinds & set(ENGLISH)


@pytest.mark.parametrize("reason", sorted(MAKERS))
def test_pages_of_one_trick_differ_and_are_the_same_again(reason: str) -> None:
    pages = [spam(Draw("spam", number), reason) for number in range(20)]
    assert len({"\n".join(paragraphs) for _, paragraphs in pages}) >= 15
    assert spam(Draw("spam", 3), reason) == pages[3]
    assert all(paragraphs and all(line.strip() for line in paragraphs) for _, paragraphs in pages)
