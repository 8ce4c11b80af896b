import gzip
import random
import time
import zlib

import pytest

from stages.web.read.encoding import decode, is_text, undo_content_encoding

GERMAN = "Grüße aus Zürich, schöne Straße, Äpfel und Öl für zwölf Gäste. " * 5
JAPANESE = "日本語のページです。文字コードを確かめます。" * 10


@pytest.mark.parametrize(
    ("body", "header", "how"),
    [
        (GERMAN.encode(), "", "utf-8"),
        (GERMAN.encode(), "iso-8859-1", "utf-8"),
        (b"\xef\xbb\xbf" + GERMAN.encode(), "", "bom"),
        (GERMAN.encode("utf-16"), "", "bom"),
        (GERMAN.encode("utf-16-le"), "utf-16le", "header"),
        (GERMAN.encode("cp1252"), "iso-8859-1", "header"),
        (b'<meta charset="windows-1252">' + GERMAN.encode("cp1252"), "", "meta"),
        (GERMAN.encode("cp1252"), "utf-8", "detected"),
        (GERMAN.encode("cp1252"), "no-such-charset", "detected"),
    ],
)
def test_text_is_found_whatever_the_labels_say(body: bytes, header: str, how: str) -> None:
    text, found = decode(body, header)
    assert text.endswith(GERMAN)
    assert found == how


@pytest.mark.parametrize("charset", ["shift_jis", "euc_jp"])
def test_an_undeclared_japanese_page_is_detected(charset: str) -> None:
    assert decode(JAPANESE.encode(charset), "") == (JAPANESE, "detected")


def test_a_wrong_header_gives_way_to_the_meta_element() -> None:
    body = b'<meta http-equiv="Content-Type" content="text/html; charset=Shift_JIS">' + JAPANESE.encode("shift_jis")
    assert decode(body, "utf-8")[0].endswith(JAPANESE)


def test_one_bad_byte_does_not_garble_the_others() -> None:
    body = GERMAN.encode() + b"\xff" + GERMAN.encode()
    assert decode(body, "") == (f"{GERMAN}\ufffd{GERMAN}", "replaced")
    assert decode(b"plain \xff text", "utf-8") == ("plain \ufffd text", "replaced")


def test_zeros_are_removed() -> None:
    assert decode(b"a\0b", "") == ("ab", "utf-8")


def test_any_bytes_are_decoded_quickly() -> None:
    start = time.monotonic()
    for seed in range(50):
        decode(
            random.Random(seed).randbytes(10_000), random.Random(seed).choice(["", "utf-8", "big5", "\0", "x" * 999])
        )
    decode(b"<meta " * 200_000, "")
    assert time.monotonic() - start < 20


def test_binary_data_is_no_text_and_prose_is() -> None:
    assert not is_text(decode(random.Random(1).randbytes(20_000), "")[0])
    assert is_text(GERMAN) and is_text(JAPANESE) and is_text("a\ttab\r\nand a \ufffd now and then " * 9) and is_text("")


@pytest.mark.parametrize(
    ("body", "content", "transfer"),
    [
        (b"hello", None, None),
        (gzip.compress(b"hello", mtime=0), "gzip", None),
        (gzip.compress(b"hello", mtime=0), "x-gzip", None),
        (zlib.compress(b"hello"), "deflate", None),
        (zlib.compress(b"hello")[2:-4], "deflate", None),
        (b"hello", "gzip", None),
        (b"2\r\nhe\r\n3;x=1\r\nllo\r\n0\r\n\r\n", None, "chunked"),
        (b"hello", None, "chunked"),
        (b"a\r\nhello", None, "Chunked"),
        (
            b"%x\r\n%b\r\n0\r\n\r\n" % (len(gzip.compress(b"hello", mtime=0)), gzip.compress(b"hello", mtime=0)),
            "gzip",
            "chunked",
        ),
    ],
)
def test_bodies_come_out_of_their_wrapping_or_are_left_alone(
    body: bytes, content: str | None, transfer: str | None
) -> None:
    assert undo_content_encoding(body, content, transfer, 100) == b"hello"


def test_unpacking_stops_at_the_limit() -> None:
    assert len(undo_content_encoding(gzip.compress(b"x" * 10**7), "gzip", None, 1_000)) == 1_000
