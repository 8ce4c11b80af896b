import gzip
import random
import zlib

import brotli
import pytest
import zstandard

from stages.web.read.body_codings import DamagedBodyError, undo_codings

TEXT = b"<!DOCTYPE html><p>" + random.Random(0).randbytes(900).hex().encode()
HALVES = TEXT[:500], TEXT[500:]
GZIP = gzip.compress(TEXT, mtime=0)
TWO_MEMBERS = b"".join(gzip.compress(half, mtime=0) for half in HALVES)
RAW = zlib.compress(TEXT)[2:-4]
BROTLI = brotli.compress(TEXT)
ZSTD = zstandard.compress(TEXT)
TWO_FRAMES = b"".join(map(zstandard.compress, HALVES))


def chunked(body: bytes, size: int = 100, end: bytes = b"0\r\n\r\n") -> bytes:
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + end


@pytest.mark.parametrize(
    ("body", "content", "transfer"),
    [
        (TEXT, "", ""),
        (GZIP, "gzip", ""),
        (GZIP, " X-GZIP ", ""),
        (GZIP, "", "gzip, chunked"),
        (GZIP + b"trailing", "gzip", ""),
        (TWO_MEMBERS, "gzip", ""),
        (gzip.compress(b"", mtime=0) + TWO_MEMBERS + bytes(9), "gzip", ""),
        (zlib.compress(TEXT), "deflate", ""),
        (RAW, "deflate", ""),
        (GZIP, "deflate", ""),
        (BROTLI, "br", ""),
        (ZSTD, "zstd", ""),
        (TWO_FRAMES, "zstd", ""),
        (gzip.compress(BROTLI, mtime=0), "br, gzip", ""),
        (gzip.compress(GZIP, mtime=0), "gzip,gzip", ""),
        (GZIP, "gzip, utf-8, identity", ""),
        (TEXT, "utf-8", ""),
        (chunked(TEXT), "", "chunked"),
        (chunked(TEXT, 7, b"0;last\r\nTrailer: x\r\n\r\n"), "", "Chunked"),
        (chunked(TEXT, end=b"0"), "", "chunked"),
        (chunked(TEXT).replace(b"\r\n", b"\n"), "", "chunked"),
        (b"384 ; name=value\r\n" + TEXT[:900] + b"\r\n" + chunked(TEXT[900:]), "", "chunked"),
        (chunked(GZIP), "gzip", "chunked"),
        (chunked(TWO_MEMBERS + b"junk"), "gzip", "chunked"),
        (chunked(BROTLI), "br", "chunked"),
    ],
)
def test_bodies_come_out_of_their_codings(body: bytes, content: str, transfer: str) -> None:
    assert undo_codings(body, content, transfer, 10_000) == TEXT


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, br"])
@pytest.mark.parametrize("body", [TEXT, b"hello", "Grüße".encode(), b"\n\n <html>"])
def test_plain_bodies_are_left_alone_whatever_their_headers_say(body: bytes, coding: str) -> None:
    assert undo_codings(body, coding, "chunked", 10_000) == body


@pytest.mark.parametrize(
    ("body", "content", "transfer"),
    [
        (GZIP[:-300], "gzip", ""),
        (GZIP[:200] + bytes(50) + GZIP[250:], "gzip", ""),
        (gzip.compress(HALVES[0], mtime=0) + gzip.compress(HALVES[1], mtime=0)[:-100], "gzip", ""),
        (zlib.compress(TEXT)[:-300], "deflate", ""),
        (BROTLI[:-300], "br", ""),
        (ZSTD[:-300], "zstd", ""),
        (ZSTD + ZSTD[:-300], "zstd", ""),
        (chunked(TEXT).replace(b"64\r\n", b"65\r\n", 1), "", "chunked"),
        (chunked(TEXT).replace(b"64\r\n", b"63\r\n", 1), "", "chunked"),
        (chunked(TEXT).replace(b"64\r\n", b"ffffff\r\n", 1), "", "chunked"),
        (chunked(TEXT)[:-300], "", "chunked"),
        (chunked(TEXT, end=b""), "", "chunked"),
        (chunked(GZIP)[:-300], "gzip", "chunked"),
        (b"a\r\nhello", "", "Chunked"),
    ],
)
def test_a_body_that_breaks_off_is_damaged(body: bytes, content: str, transfer: str) -> None:
    with pytest.raises(DamagedBodyError):
        undo_codings(body, content, transfer, 10_000)


@pytest.mark.parametrize(
    ("coding", "bomb"),
    [
        ("gzip", gzip.compress(b"x" * 10**7)),
        ("gzip", gzip.compress(b"x" * 600) * 9),
        ("deflate", zlib.compress(b"x" * 10**7)),
        ("br", brotli.compress(b"x" * 10**7)),
        ("zstd", zstandard.compress(b"x" * 10**7)),
    ],
)
def test_unpacking_stops_at_the_limit(coding: str, bomb: bytes) -> None:
    assert undo_codings(bomb, coding, "", 1_000) == b"x" * 1_000
