from stages.synthesize.words import count_words, has_content, one_line, phrases


def test_english_words_are_those_between_spaces() -> None:
    text = "Sort the list [3, 1, 2] - don't  guess.\n"
    assert count_words(text) == len(text.split()) == 9
    assert count_words("") == 0


def test_characters_without_spaces_are_words_and_their_marks_are_none() -> None:
    assert count_words("写一首关于大海的诗。") == 9
    assert count_words("用 Python 写一个“函数”！") == 7
    assert count_words("用Python写") == 3


def test_punctuation_and_stop_words_are_no_content() -> None:
    stop_words = {"the", "of", "and", "的"}
    assert not any(has_content(text, stop_words) for text in ("...", "", "the of and.", "的。"))
    assert all(has_content(text, stop_words) for text in ("Paris.", "42", "The sea"))


def test_latin_phrases_are_whole_words_and_others_parts() -> None:
    found = phrases(["map", "go to", "图片"])
    assert all(found.search(text) for text in ("Read the MAP.", "Then go to bed", "用map函数", "看图片吧"))
    assert not any(found.search(text) for text in ("Remapped", "maps", "ego total", "图一"))
    assert one_line(" a\n\tb　c ") == "a b c"
