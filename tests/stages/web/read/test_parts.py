import gzip
import io
import random

import pytest

from stages.web.read.parts import PIECE, RETAINED, CutError, DamagedError, Parts

A, B = (gzip.compress(b"WARC/1.0 " + name * 100, mtime=0) for name in (b"a", b"b"))


class Dribble(io.BytesIO):
    """A stream that gives a few bytes at a time, as networks do."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(3, size if size and size > 0 else 3))


def contents(stream: io.BytesIO) -> list[bytes]:
    parts, found = Parts(stream), []
    more = parts.start()
    while more:
        found.append(b"".join(iter(parts.more, b"")))
        more = parts.next()
    return found


@pytest.mark.parametrize("stream", [io.BytesIO, Dribble])
def test_each_member_is_a_part_and_a_plain_file_is_one(stream: type[io.BytesIO]) -> None:
    assert contents(stream(A + b"\0" * 2_000 + B + b"\0")) == [b"WARC/1.0 " + b"a" * 100, b"WARC/1.0 " + b"b" * 100]
    assert contents(stream(b"WARC/1.0 plain")) == [b"WARC/1.0 plain"]
    assert contents(stream(A + gzip.compress(b"") + B)) == [b"WARC/1.0 " + b"a" * 100, b"", b"WARC/1.0 " + b"b" * 100]


@pytest.mark.parametrize("stream", [io.BytesIO, Dribble])
def test_what_comes_before_the_first_record_is_passed_over_and_measured(stream: type[io.BytesIO]) -> None:
    for before in (b"x", b"x" * 5_000, b"\x1f\x8b\x08", gzip.compress(b"no record")):
        parts = Parts(stream(before + A))
        assert parts.start() and parts.passed == len(before)
        assert parts.more() == b"WARC/1.0 " + b"a" * 100
    assert not Parts(stream(b"x" * 100)).start()


def test_damage_is_told_from_a_file_that_ends_too_soon() -> None:
    for data, error in ((A[:-6] + b"x" + A[-5:], DamagedError), (A[:-1], CutError), (A + b"garbage", DamagedError)):
        with pytest.raises(error):
            contents(io.BytesIO(data))


def test_after_damage_it_goes_on_at_the_next_member_with_a_record() -> None:
    damaged = A[:-6] + b"x" + A[-5:]
    parts = Parts(io.BytesIO(damaged + gzip.compress(b"no record") + B))
    assert parts.start()
    with pytest.raises(DamagedError):
        while parts.more():
            pass
    assert parts.seek_record()
    assert parts.more() == b"WARC/1.0 " + b"b" * 100
    assert not parts.next() and not parts.seek_record()


def test_neither_a_large_member_nor_one_that_inflates_a_thousandfold_is_held_in_memory() -> None:
    noise = random.Random(0).randbytes(RETAINED + RETAINED // 2)
    data = gzip.compress(b"WARC/1.0 " + noise, 1) + gzip.compress(b"WARC/1.0 " + b"\0" * (20 * PIECE), 9) + A
    parts = Parts(io.BytesIO(data))
    assert parts.start()
    sizes = [len(piece) for piece in iter(parts.more, b"")]
    assert sum(sizes) == 9 + len(noise) and max(sizes) <= PIECE
    assert len(parts._raw) < 2 * RETAINED
    assert parts.next()
    sizes = [len(piece) for piece in iter(parts.more, b"")]
    assert sum(sizes) == 9 + 20 * PIECE and max(sizes) <= PIECE
    assert parts.next() and parts.more() == b"WARC/1.0 " + b"a" * 100
