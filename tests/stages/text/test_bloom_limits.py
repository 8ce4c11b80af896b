from stages.text.bloom_limits import OTHER, TABLE, limits


def test_a_language_without_a_row_has_the_default_and_a_page_of_characters_chinese_ones() -> None:
    assert limits("en") == TABLE["en"]
    assert limits("sv") == TABLE[OTHER]
    assert limits("ja", is_unspaced=True) == limits("en", is_unspaced=True) == TABLE["zh"]


def test_the_rows_are_those_published() -> None:
    assert limits("en") == (20, 100_000, 0.106, 0.19, 5, 0.4, 0.3, 0.80)
    assert limits("zh") == (1, 1_000_000, 0.2, 0.96, 5, 0.3, 0.1691, 0.85)
    assert sum(row.word_ngram != 5 for row in TABLE.values()) == 1
    assert len(TABLE) == 14
