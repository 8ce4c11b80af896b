from stages.text.dedup.page_hashes import text_hash, url_hash


def test_two_captures_of_one_url_have_one_hash() -> None:
    same = ["http://www.a.example/x/", "https://a.example/x", "https://A.example/X#top"]
    assert len({url_hash(url) for url in same}) == 1
    assert url_hash("https://a.example/x?page=2") != url_hash("https://a.example/x")


def test_white_space_does_not_make_another_text_but_a_letter_does() -> None:
    assert text_hash("one  two\nthree") == text_hash("one two three ")
    assert text_hash("one two three") != text_hash("one two Three")
