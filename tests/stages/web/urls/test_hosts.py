import pytest

from stages.web.urls.hosts import ascii_host, host_of, is_host, with_parents


def test_a_host_is_named_without_www_and_a_bad_url_has_none() -> None:
    urls = ("https://www.a.example/x", "http://B.example:8080/", "nothing", "http://[bad/")
    assert [host_of(url) for url in urls] == ["a.example", "b.example", "", ""]


def test_a_host_comes_with_the_domains_above_it() -> None:
    assert with_parents("a.B.com") == ["a.b.com", "b.com", "com"]
    assert with_parents("localhost") == ["localhost"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("News.Example.", "news.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("bu\u0308cher.example", "xn--bcher-kva.example"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("straße.example", "xn--strae-oqa.example"),
        ("例子。中国", "xn--fsqu00a.xn--fiqs8s"),
        ("президент.рф", "xn--d1abbgf6aiiy.xn--p1ai"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("", ""),
    ],
)
def test_a_host_has_one_form_in_any_script(name: str, expected: str) -> None:
    assert ascii_host(name) == expected
    assert ascii_host(expected) == expected


def test_names_and_addresses_are_hosts_and_other_words_are_none() -> None:
    hosts = ["a.example", "localhost", "xxx", "under_score.example", "1.2.3.4", "2001:db8::1", "xn--bcher-kva.example"]
    assert all(map(is_host, hosts))
    others = [
        "",
        "a b",
        "a..example",
        "-a.example",
        "a/b",
        "*",
        "ads*.example",
        "a.example?",
        "x" * 64,
        "a." * 130 + "b",
    ]
    assert not any(map(is_host, others))
