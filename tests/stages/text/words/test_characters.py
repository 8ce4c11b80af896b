import random
import re

from stages.text.words.characters import (
    BREAK,
    LETTER,
    LOWER_SHIFT,
    MARK,
    SIZE,
    SKIP,
    SPACE,
    UNSPACED,
    UPPER,
    WORD,
    character_table,
)


def test_the_table_says_what_python_says() -> None:
    draw = random.Random(1)
    for code in [*range(0x3000), *(draw.randrange(SIZE) for _ in range(20_000))]:
        character, flags = chr(code), int(character_table()[code])
        assert bool(flags & WORD) == bool(re.match(r"\w", character))
        assert bool(flags & SPACE) == character.isspace() == bool(re.match(r"\s", character))
        assert bool(flags & LETTER) == character.isalpha()
        assert bool(flags & UPPER) == character.isupper()
        assert bool(flags & BREAK) == (len(f"a{character}b".splitlines()) == 2)
        lower = character.lower()
        assert flags >> LOWER_SHIFT == (ord(lower) if len(lower) == 1 else code)


def flags(character: str) -> int:
    return int(character_table()[ord(character)]) & (MARK | SKIP | UNSPACED)


def test_letters_of_scripts_without_spaces_are_known_by_their_block() -> None:
    assert all(flags(letter) == UNSPACED for letter in "手々〆ぁァーｱㄅ𠀀กຂကក")
    assert all(flags(letter) == 0 for letter in "aéß한ไทย"[:4] + "аबעא1１๑、。・-")


def test_marks_and_format_characters_extend_and_zero_width_spaces_divide() -> None:
    assert all(flags(mark) == MARK for mark in "\u0301\u0e31\u093f\u200d\u200c\u00ad\ufe0f")
    assert all(flags(gap) == SKIP for gap in "\u200b\ufeff \u3000\n")
