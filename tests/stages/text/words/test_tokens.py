import re
import sys
import unicodedata

import numpy as np
import pytest

from stages.text.words.characters import UNSPACED, UNSPACED_SCRIPTS, ZERO_WIDTH, character_table
from stages.text.words.tokens import (
    KIND_CHARACTER,
    KIND_SYMBOL,
    KIND_WORD,
    count_tokens,
    count_words,
    split,
    string_hash,
    token_hashes,
    tokens,
    word_hashes,
    words,
)
from tests.stages.text.hostile import texts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't stop, it’s 5.", ["Don't", "stop", "it’s", "5"]),
        ("Zürich, Αθήνα и Москва!", ["Zürich", "Αθήνα", "и", "Москва"]),
        ("... -- #tag", ["tag"]),
        ("", []),
        ("iPhone手机", ["iPhone", "手", "机"]),
        ("東京タワー2号", ["東", "京", "タ", "ワ", "ー", "2", "号"]),
        ("ไทยดี", ["ไ", "ท", "ย", "ดี"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("na\u00adive a\u200bb", ["na\u00adive", "a", "b"]),
        ("한국어 단어", ["한국어", "단어"]),
        ("手'a' a'手", ["手", "a", "a", "手"]),
    ],
)
def test_words_are_runs_of_letters_and_digits_or_single_letters_of_scripts_without_spaces(
    text: str, expected: list[str]
) -> None:
    assert list(words(text)) == expected
    assert count_words(text) == len(expected)


def test_tokens_have_symbols_one_by_one() -> None:
    assert list(tokens("Well... (yes)")) == ["Well", ".", ".", ".", "(", "yes", ")"]
    assert list(tokens("❤️👩‍👧")) == ["❤️", "👩‍", "👧"]
    assert count_tokens("Well... (yes)") == 7


def rule() -> re.Pattern[str]:
    """Return the documented rule as a regular expression."""
    blocks = "".join(f"{chr(first)}-{chr(last)}" for first, last in UNSPACED_SCRIPTS)
    unspaced = rf"(?:(?=[{blocks}])(?!\d)\w)"
    plain = rf"(?:(?!{unspaced})\w)"
    everything = map(chr, range(sys.maxunicode + 1))
    marks = "".join(map(re.escape, filter(is_mark, everything)))
    rest = f"[{marks}]*"
    word = rf"{plain}(?:{plain}|[{marks}]|['’](?={plain}))*"
    return re.compile(rf"(?P<word>{word})|(?P<character>{unspaced}{rest})|(?P<symbol>[^\s{''.join(ZERO_WIDTH)}]{rest})")


def is_mark(character: str) -> bool:
    mark = unicodedata.category(character)[0] == "M" or unicodedata.category(character) == "Cf"
    return mark and character not in ZERO_WIDTH and not re.match(r"\w", character)


def test_every_text_is_split_as_the_rule_says() -> None:
    kinds = {"word": KIND_WORD, "character": KIND_CHARACTER, "symbol": KIND_SYMBOL}
    pattern = rule()
    for text in texts(seed=1, count=2_000):
        found = [(match.start(), match.end(), kinds[str(match.lastgroup)]) for match in pattern.finditer(text)]
        assert list(zip(*map(np.ndarray.tolist, split(text)), strict=True)) == found, text[:100]


def test_hashes_know_words_in_any_case_and_tokens_as_written() -> None:
    the, house, again, other = word_hashes("The house, the HOUSES")
    assert the == again and house != other
    assert len(set(token_hashes("The the , ,").tolist())) == 3
    assert len(split("The the , ,").starts) == len(token_hashes("The the , ,")) == 4
    assert string_hash("手机") == string_hash("手机") != string_hash("机手")


def test_different_words_have_different_hashes_in_all_their_bits() -> None:
    hashes = word_hashes(" ".join(f"word{number}" for number in range(20_000)))
    for shift in (0, 32):
        low = np.unique((hashes >> np.uint64(shift)).astype(np.uint32))
        assert len(low) > 20_000 - 5
    assert (np.bincount((hashes & np.uint64(15)).astype(int), minlength=16) > 1_000).all()


def test_single_letters_are_marked_where_scripts_have_no_spaces() -> None:
    assert character_table()[ord("手")] & UNSPACED
    assert split("手a,").kinds.tolist() == [KIND_CHARACTER, KIND_WORD, KIND_SYMBOL]
