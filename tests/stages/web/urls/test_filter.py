import tarfile
from importlib.resources import files
from itertools import islice
from pathlib import Path

import pytest
from datatrove.data import Document
from datatrove.pipeline.filters import URLFilter
from tldextract import TLDExtract

from stages.sample.html import page_url
from stages.shared.contract import InputFile
from stages.web.urls.blocklist import ASSET, ut1
from stages.web.urls.filter import UrlFilter
from stages.web.urls.lists import UrlLists, load_lists

LISTS = load_lists((), {"blocked.com", "deep.host.org", "site.net/bad/page", "site.net/q?x=1"})


def reason(url: str, lists: UrlLists = LISTS, min_soft_words: int = 2) -> str | None:
    return UrlFilter(lists, min_soft_words).reason(Document(text="", id="", metadata={"url": url}))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://blocked.com/x", "blocked_domain"),
        ("http://WWW.Blocked.COM:8080/x", "blocked_domain"),
        ("https://user:word@a.b.blocked.com./", "blocked_domain"),
        ("https://notblocked.com/", None),
        ("https://blocked.com.example/", None),
        ("https://a.deep.host.org/", "blocked_domain"),
        ("https://host.org/", None),
        ("https://www.site.net/bad/page/", "blocked_url"),
        ("https://site.net/bad/page2", None),
        ("https://site.net/q?x=1", "blocked_url"),
        ("https://en.wikipedia.org/wiki/X", "excluded_host"),
        ("https://de.wikipedia.org/wiki/X", None),
        ("https://old.reddit.com/", "excluded_host"),
        ("https://x.example/free-p-o.rn-here", "strict_word"),
        ("https://x.example/PORN", "strict_word"),
        ("https://x.example/%70orn", "strict_word"),
        ("https://x.example/nude", "hard_word"),
        ("https://x.example/a_NUDE_b", "hard_word"),
        ("https://x.example/denuded", None),
        ("https://x.example/poker", None),
        ("https://x.example/poker/poker", None),
        ("https://x.example/poker/bonus", "soft_words"),
        ("https://essex.example/middlesex/hotel", None),
        ("ftp://x.example/", "bad_url"),
        ("no address", "bad_url"),
        ("", "bad_url"),
        ("http://[::1", "bad_url"),
        ("http:///path", "bad_url"),
    ],
)
def test_each_url_has_its_verdict(url: str, expected: str | None) -> None:
    assert reason(url) == expected


def test_the_number_of_soft_words_is_a_setting() -> None:
    assert reason("https://x.example/poker", min_soft_words=1) == "soft_words"
    assert reason("https://x.example/poker/bonus", min_soft_words=3) is None


def test_allowed_hosts_pass_every_list_and_blocked_ones_none(tmp_path: Path) -> None:
    (tmp_path / "allow").write_text("# ours\nBlocked.com  # comment\n\n")
    (tmp_path / "block").write_text("x.example\n")
    own = [InputFile(tmp_path / "allow", "allowed"), InputFile(tmp_path / "block", "blocked")]
    lists = load_lists(own, {"blocked.com"})
    assert reason("https://a.blocked.com/porn", lists) is None
    assert reason("https://deep.x.example/", lists) == "blocked_host"
    assert reason("https://y.example/porn", lists) == "strict_word"


def test_own_words_replace_those_shipped(tmp_path: Path) -> None:
    (tmp_path / "words").write_text("tulip\n")
    lists = load_lists([InputFile(tmp_path / "words", "strict")], ())
    assert reason("https://x.example/tu-lips", lists) == "strict_word"
    assert reason("https://x.example/porn", lists) is None
    assert reason("https://x.example/nude", lists) == "hard_word"


def test_every_entry_of_the_block_list_blocks_itself_and_what_is_below(tmp_path: Path) -> None:
    """Each 230th of its domains and each 10th of its URLs, as another program may write them."""
    with tarfile.open(Path(str(files("datatrove"))) / ASSET) as archive:
        entries = {
            name: [line.decode() for line in islice(archive.extractfile(f"{name}"), 0, None, step)]
            for name, step in (("domains", 230), ("urls", 10))
        }
    assert len(entries["domains"]) > 19_000 and len(entries["urls"]) > 1_900
    lists = UrlLists(domains=ut1(tmp_path))
    for domain in map(str.strip, entries["domains"]):
        assert reason(f"http://www.Sub.{domain}:80/a?b=c", lists) == "blocked_domain", domain
    for page in map(str.strip, entries["urls"]):
        assert reason(f"https://{page}", lists) == "blocked_url", page


@pytest.mark.parametrize("kind", ["blocked", "excluded", "allowed"])
@pytest.mark.parametrize(
    ("entry", "url"),
    [
        ("bücher.example", "https://www.xn--bcher-kva.example/a"),
        ("xn--bcher-kva.example", "https://bücher.example/"),
        ("http://News.Example:80/", "https://a.NEWS.example:8080/x"),
        ("*.news.example", "https://news.example/"),
        ("[2001:db8::1]", "http://[2001:DB8:0::1]:80/"),
    ],
)
def test_own_hosts_take_effect_however_they_are_written(tmp_path: Path, kind: str, entry: str, url: str) -> None:
    (tmp_path / "list").write_text(f"\ufeff{entry}\r\n", encoding="utf-8")
    lists = load_lists([InputFile(tmp_path / "list", kind)], {"example"} if kind == "allowed" else ())
    expected = {"blocked": "blocked_host", "excluded": "excluded_host", "allowed": None}
    assert reason(url, lists) == expected[kind]


INNOCENT = (
    "news.example/why-netflix-video-quality-drops www.chen-tai-chi.example/lessons chentaichi.example "
    "os-x-video.example/mac-os-x-video-tutorial shop.example/model-x-video-review max.video/linux-video "
    "netflix.video essexchat.example essex-chat.example/sussex-shopping middlesexshop.example "
    "unisex-shop.example/unisextoys wessexcam.example intersexvideo.example a.example/por-norte-de-chile "
    "a.example/por-nosotros por-nuestra.example a.example/hen-tailoring pornic.example/pornichet-plage "
    "siriporn.example/pornthip a.example/deep-throat-of-watergate a.example/great-tits-and-blue-tits "
    "a.example/topless-roadster a.example/webcam-sexton-abbey a.example/sex-education a.example/sextant "
    "a.example/sextet a.example/popcorn corn-on.example"
)
MEANT = (
    "a.example/freeporn a.example/p-o-r-n a.example/p.o.r.n-tube porn.example hot-porn.example hotpornstar.example "
    "pornic.example/hotporn a.example/essex-sexchat a.example/sex-toys a.example/sex-chat "
    "a.example/live-sex-cam-show a.example/hen-tai a.example/hentai-manga a.example/xvideos a.example/essexporn "
    "a.example/x?q=hot%70orn"
)


def test_innocent_addresses_pass_and_the_others_do_not() -> None:
    assert not [url for url in INNOCENT.split() if reason(f"https://{url}")]
    assert not [url for url in MEANT.split() if reason(f"https://{url}") not in ("strict_word", "hard_word")]


BOTH = {
    "https://blocked.com/x": True,
    "https://www.blocked.com/": True,
    "https://a.blocked.com/": True,
    "https://deep.host.org/": True,
    "https://host.org/": False,
    "https://x.example/nude": True,
    "https://x.example/a-nude-b": True,
    "https://x.example/denuded": False,
    "https://x.example/poker": False,
    "https://x.example/poker-bonus": True,
    "https://x.example/hotporn": True,
    "https://x.example/good": False,
}
"""URLs on which datatrove's URL filter and ours agree: whether they are dropped."""
OURS = {
    "https://a.deep.host.org/": "an entry blocks what is below it; theirs looks up the registered domain and the host",
    "https://x.example/NUDE": "their words are in lower case, their URLs are not",
    "https://x.example/n%75de": "%-escapes are undone",
    "https://x.example/Poker/Bonus": "the same for soft words",
    "https://site.net/bad/page": "their list of URLs has no https://, the URLs that they look up have",
}
"""URLs that only ours drops, and why."""
THEIRS = {"https://x.example/po/rn": "they look for parts of words in the address without any sign; ours keeps slashes"}
"""URLs that only theirs drops, and why."""


def test_verdicts_are_datatroves_except_for_what_is_listed() -> None:
    pytest.importorskip("ahocorasick", reason="datatrove's URL filter wants pyahocorasick (envs/requirements/test.txt)")
    theirs = URLFilter(
        extra_domains=["blocked.com", "deep.host.org"],
        extra_urls=["site.net/bad/page"],
        banned_words=LISTS.hard,
        banned_subwords=LISTS.strict,
        soft_banned_words=LISTS.soft,
        use_integrated_lists=False,
    )
    theirs.tldextractor = TLDExtract(suffix_list_urls=())  # the list that it carries, not one from the network
    for url in (*BOTH, *OURS, *THEIRS):
        dropped = theirs.filter(Document(text="", id="", metadata={"url": url})) is not True
        assert dropped == (url in THEIRS or BOTH.get(url, False)), url
        assert bool(reason(url)) == (url in OURS or BOTH.get(url, False)), url


def test_good_urls_of_the_sample_pass() -> None:
    assert not any(reason(page_url(1, number)) for number in range(500))
