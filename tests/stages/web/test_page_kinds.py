"""Pages of every kind that was once lost or changed in silence, through the whole stage."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import brotli
import pytest
import zstandard

from stages.formats.documents import read_documents
from stages.formats.kinds import KINDS
from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from stages.web.config import WebConfig
from tests.stages.harness import Files, all_units, run_stage
from tests.stages.web.warcs import record

CASES = Path(__file__).parents[4] / "shared" / "cases" / "pages"
WORDS = [
    "hill",
    "river",
    "bridge",
    "miller",
    "garden",
    "letter",
    "winter",
    "market",
    "boat",
    "stone",
    "evening",
    "neighbour",
    "story",
    "candle",
    "road",
]
CHINESE = "旧磨坊的主人清晨把坏了的门修好了，然后他走到河边去看新搭好的木桥，邻居们也都来了。"
JAPANESE = "古い水車は朝早くから回り、村の人びとは新しい橋を見るために川へ歩いて行きました。"
KOREAN = "지난 토요일에 우리는 오래된 물레방아를 보러 갔다. 강가에는 새 다리가 있고 그 옆에 큰 나무가 서 있었다. "
RUSSIAN = "Старый мельник ранним утром открыл ворота и пошёл к реке, где соседи строили новый мост. "
SETTINGS: dict[str, Any] = {
    "language": {"languages": None, "min_score": 0},
    "dedup": {"enabled": False},
    "exact": {"enabled": False},
    "repetition": {"preset": "bloom"},
    "quality": {"min_stop_words": 0, "min_word_chars": 1},
    "rejects_per_reason": 100,
    "url": {"domains": "none"},
}


def story(seed: int) -> str:
    """Return English prose of its own."""
    chosen = [WORDS[(seed * 7 + place * place + place // 5) % len(WORDS)] for place in range(120)]
    lines = [" ".join(chosen[start : start + 8]) for start in range(0, 120, 8)]
    return " ".join(f"In year {1700 + seed * 31 + number} the {line} was seen." for number, line in enumerate(lines))


def html(text: str, head: str = "") -> str:
    start = f"<!DOCTYPE html><html><head>{head}<title>T</title></head>"
    return f"{start}<body><article><h1>T</h1>{text}</article></body></html>"


def paragraphs(text: str) -> str:
    return "".join(f"<p>{number}. {text}</p>" for number in range(1, 6))


def response(body: bytes, url: str, headers: Sequence[str]) -> bytes:
    http = "\r\n".join(["HTTP/1.1 200 OK", *headers]).encode() + b"\r\n\r\n" + body
    head = f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:uuid:{url}>\r\nWARC-Target-URI: {url}\r\n"
    return f"{head}Content-Length: {len(http)}\r\n\r\n".encode() + http + b"\r\n\r\n"


HTML = "Content-Type: text/html; charset=utf-8"
CHUNK = b"%x\r\n%b\r\n0\r\n\r\n"


def pages() -> dict[str, tuple[bytes, Sequence[str], str]]:
    """Return by URL: body, headers, and a string that the kept text must have."""
    stories = [html(f"<p>{story(seed)}</p>").encode() for seed in range(12)]
    ends = [story(seed)[-40:-1] for seed in range(12)]
    halves = stories[2][:400], stories[2][400:]
    code = "<pre>def f(pairs):\n    total = 0\n    for a, b in pairs:\n        total += a</pre>"
    code = f"<p>{story(20)}</p>{code}<p>{story(21)}</p>"
    return {
        "http://k.example/url": (html(f"<p>资料见：https://a.example/x。{CHINESE * 3}</p>").encode(), [HTML], CHINESE),
        "http://k.example/glued": (html(f"<p>请看https://a.example/y的{JAPANESE * 3}</p>").encode(), [HTML], JAPANESE),
        "https://v.example/watch?v=aB": (stories[0], [HTML], ends[0]),
        "https://v.example/watch?v=Ab": (stories[1], [HTML], ends[1]),
        "http://k.example/members": (
            b"".join(map(gzip.compress, halves)),
            [HTML, "Content-Encoding: gzip"],
            ends[2],
        ),
        "http://k.example/br": (brotli.compress(stories[3]), [HTML, "Content-Encoding: br"], ends[3]),
        "http://k.example/chunks": (
            CHUNK % (len(stories[4]), stories[4]),
            [HTML, "Transfer-Encoding: chunked"],
            ends[4],
        ),
        "http://k.example/iso2022": (
            html(paragraphs(JAPANESE.replace("川", "港"))).encode("iso2022_jp"),
            ["Content-Type: text/html; charset=ISO-2022-JP"],
            JAPANESE[:12],
        ),
        "http://k.example/xml": (
            b'<?xml version="1.0" encoding="euc-kr"?>' + html(paragraphs(KOREAN)).encode("euc_kr"),
            ["Content-Type: application/xhtml+xml"],
            KOREAN.strip(),
        ),
        "http://k.example/comment": (
            html(paragraphs(RUSSIAN), '<!-- <meta charset="latin-1"> --><meta charset="windows-1251">').encode(
                "cp1251"
            ),
            ["Content-Type: text/html"],
            RUSSIAN.strip(),
        ),
        "http://k.example/twice": (stories[5], ["Content-Type: text/html, text/html; charset=utf-8"], ends[5]),
        "http://k.example/folded": (
            html(paragraphs(RUSSIAN.replace("мельник", "пекарь").replace("ё", "е"))).encode("koi8-r"),
            ["Content-Type: text/html;", " charset=koi8-r"],
            "пекарь",
        ),
        "https://news.example/why-netflix-video-quality-drops": (stories[6], [HTML], ends[6]),
        "https://www.chen-tai-chi.example/lessons": (stories[7], [HTML], ends[7]),
        "http://k.example/pre": (html(code).encode(), [HTML], "\n    total = 0\n    for a, b in pairs:\n        total"),
    }


def run(folder: Path, inputs: Files, lists: Files = (), **settings: Any) -> tuple[dict[str, str], dict[str, int]]:
    """Return the kept texts by URL, and the dropped pages by reason."""
    given = {"url_lists": {"blocked": "list"}} if lists else {}
    config = WebConfig(inputs="x", **given, **{**SETTINGS, **settings})
    run_stage(config, {"inputs": inputs, "url_lists": lists} if lists else {"inputs": inputs}, folder)
    texts: dict[str, str] = {}
    dropped: dict[str, int] = {}
    for unit in all_units(folder, "extract"):  # later steps drop what repeats itself, as these short pages do
        texts |= {row["url"]: row["text"] for row in read_documents(unit / KINDS.documents.file)}
        for row in read_documents(unit / KINDS.rejects.file):
            dropped[row["reason"]] = dropped.get(row["reason"], 0) + 1
    return texts, dropped


def test_no_page_of_any_kind_is_lost_or_changed(tmp_path: Path) -> None:
    wanted = pages()
    lost = response(b"9999\r\n" + html(story(9)).encode(), "http://k.example/cut", [HTML, "Transfer-Encoding: chunked"])
    blocked = response(html(story(8)).encode(), "http://www.xn--bcher-kva.example/", [HTML])
    records = [response(body, url, headers) for url, (body, headers, _) in wanted.items()]
    (tmp_path / "list").write_bytes("\ufeffhttp://bücher.example/\r\n".encode())
    files = {
        "a.warc": b"".join([*records[:4], record(b"x", length=10**6), *records[4:7]]),
        "b.warc.zst": b"".join(map(zstandard.compress, [*records[7:10], lost])),
        "c.warc.gz": gzip.compress(b"".join([*records[10:], blocked])),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    inputs = tuple(InputFile(tmp_path / name, name) for name in files)
    texts, dropped = run(tmp_path / "run", inputs, (InputFile(tmp_path / "list", "blocked"),), files_per_unit=1)
    for url, (_, _, expected) in wanted.items():
        assert expected in texts[url], url
        assert "a.example" not in texts[url]
    assert set(texts) == set(wanted)
    assert dropped["damaged_body"] == dropped["blocked_host"] == 1


def test_a_unit_without_any_archive_fails_and_names_its_files(tmp_path: Path) -> None:
    for name, data in {"a.warc": b"no archive" * 99, "b.warc.gz": b""}.items():
        (tmp_path / name).write_bytes(data)
    inputs = tuple(InputFile(tmp_path / name, "s") for name in ("a.warc", "b.warc.gz"))
    with pytest.raises(DataError, match=r"a\.warc, .*b\.warc\.gz: no WARC or WET record in the whole unit\. Take"):
        run(tmp_path / "run", inputs, files_per_unit=2)
    (tmp_path / "b.warc.gz").write_bytes(
        gzip.compress(response(html(f"<p>{story(1)}</p>").encode(), "http://a.example/", [HTML]))
    )
    texts, dropped = run(tmp_path / "again", inputs, files_per_unit=2)
    assert list(texts) == ["http://a.example/"] and dropped == {"unreadable_file": 1}


@pytest.mark.skipif(not CASES.is_dir(), reason=f"needs the pages of {CASES}")
def test_the_shared_pages_have_what_they_must_have(tmp_path: Path) -> None:
    names = ("a.warc.zst", "hosts.warc.gz", "length.warc", "pages.warc.gz")
    inputs = tuple(InputFile(CASES / name, f"s{number}") for number, name in enumerate(names))
    texts, dropped = run(tmp_path, inputs, (InputFile(CASES / "blocked.txt", "blocked"),))
    by_name = {url.rpartition("/")[2].replace("watch?v=", "case-"): text for url, text in texts.items()}
    by_name |= {
        "strict-netflix-video": by_name["why-netflix-video-quality-drops"],
        "strict-chen-tai-chi": by_name["lessons"],
    }
    for name, want in json.loads((CASES / "pages.want.json").read_text(encoding="utf-8")).items():
        if name == "chunk-size-wrong":
            assert dropped["damaged_body"] == 1
            continue
        assert all(part in by_name[name] for part in want["has"]), name
        assert not any(part in by_name[name] for part in want.get("lacks", ())), name
    assert {f"z{number}" for number in range(4)} | {f"p{number}" for number in range(1, 8)} <= set(by_name)
    assert dropped["blocked_host"] == 3
