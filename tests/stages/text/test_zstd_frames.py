import random

import pytest
import zstandard

from stages.text.zstd_frames import FEED, ZstdError, ZstdFrame

TEXT = random.Random(0).randbytes(200_000).hex().encode()


def test_a_frame_comes_in_pieces_and_leaves_what_follows() -> None:
    frame, data, pieces = ZstdFrame(), zstandard.compress(TEXT) + b"more", []
    for start in range(0, len(data), 3 * FEED):
        pieces.append(frame.decompress(data[start : start + 3 * FEED], 100))
        while not frame.needs_input and not frame.eof:
            pieces.append(frame.decompress(b"", 100))
    assert b"".join(pieces) == TEXT and len(pieces) > 3
    assert frame.eof and frame.unused_data == b"more"


def test_damage_and_a_missing_dictionary_are_errors() -> None:
    words = zstandard.ZstdCompressionDict(b"0123456789 words " * 9)
    with_dictionary = zstandard.ZstdCompressor(dict_data=words).compress(TEXT)
    assert ZstdFrame(words.as_bytes()).decompress(with_dictionary, len(TEXT)) == TEXT
    with pytest.raises(ZstdError):
        ZstdFrame().decompress(b"\x28\xb5\x2f\xfd" + bytes(range(255, 0, -1)), 100)
