"""Each trick is put through the real filters in test_answer_key of the web stage; here is what the tricks promise."""

from collections.abc import Collection
from types import ModuleType

import pytest

from stages.sample import chinese_spam, spam
from stages.sample.draw import Draw
from stages.sample.kinds import CHINESE, ENGLISH, STEPS

TRICKS = [(tongue, reason) for tongue in (spam, chinese_spam) for reason in sorted(tongue.MAKERS)]


@pytest.mark.parametrize(("tongue", "asked"), [(spam, ENGLISH), (chinese_spam, CHINESE)])
def test_there_is_a_trick_for_every_kind_of_spam_and_no_other(tongue: ModuleType, asked: Collection[str]) -> None:
    kinds = {*STEPS["repetition"], *STEPS["quality"], *STEPS["lines"]}
    assert set(tongue.MAKERS) == kinds & set(asked)


@pytest.mark.parametrize(("tongue", "reason"), TRICKS)
def test_pages_of_one_trick_differ_and_are_the_same_again(tongue: ModuleType, reason: str) -> None:
    pages = [tongue.spam(Draw("spam", number), reason) for number in range(20)]
    assert len({"\n".join(paragraphs) for _, paragraphs in pages}) >= 15
    assert tongue.spam(Draw("spam", 3), reason) == pages[3]
    assert all(paragraphs and all(line.strip() for line in paragraphs) for _, paragraphs in pages)
