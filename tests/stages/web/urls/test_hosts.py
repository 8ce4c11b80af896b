from stages.web.urls.hosts import host_of, with_parents


def test_a_host_is_named_without_www_and_a_bad_url_has_none() -> None:
    urls = ("https://www.a.example/x", "http://B.example:8080/", "nothing", "http://[bad/")
    assert [host_of(url) for url in urls] == ["a.example", "b.example", "", ""]


def test_a_host_comes_with_the_domains_above_it() -> None:
    assert with_parents("a.B.com") == ["a.b.com", "b.com", "com"]
    assert with_parents("localhost") == ["localhost"]
