from stages.text.dedup.page_hashes import text_hash, url_hash


def test_two_captures_of_one_url_have_one_hash() -> None:
    same = ["http://www.a.example/x/", "https://a.example/x", "HTTPS://WWW.A.Example/x#top"]
    assert len({url_hash(url) for url in same}) == 1
    assert url_hash("https://a.example/x?page=2") != url_hash("https://a.example/x")


def test_case_matters_everywhere_but_in_scheme_and_host() -> None:
    different = ["/watch?v=aB", "/watch?v=Ab", "/WATCH?v=aB", "/x", "/X", "/%C3%A9", "/?A.example", "/?a.example"]
    assert len({url_hash(f"https://a.example{rest}") for rest in different}) == len(different)
    assert url_hash("https://User@A.example/") == url_hash("http://User@a.EXAMPLE")
    assert url_hash("https://User@a.example/") != url_hash("https://user@a.example/")


def test_what_is_no_url_has_a_hash_too() -> None:
    assert len({url_hash(url) for url in ("", "https://", "no address", "https://a")}) == 2


def test_white_space_does_not_make_another_text_but_a_letter_does() -> None:
    assert text_hash("one  two\nthree") == text_hash("one two three ")
    assert text_hash("one two three") != text_hash("one two Three")
