import base64
import gzip
import hashlib
import io
import re
import zlib

import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType

from stages.sample.warc import Response, damage, gzip_member, record_id, response_record, warcinfo_record

PAGE = Response("1-2", "https://a.example/?q=1", "2024-10-07T00:00:00Z", "200 OK", "text/html", b"<p>Z\xc3\xbcrich</p>")


@pytest.mark.parametrize("size", [0, 1, 65_534, 65_535, 65_536, 200_000])
def test_a_member_of_any_size_is_valid_gzip(size: int) -> None:
    data = bytes(number % 251 for number in range(size))
    assert gzip.decompress(gzip_member(data)) == data


def test_members_can_be_read_one_after_the_other() -> None:
    assert gzip.decompress(gzip_member(b"one ") + gzip_member(b"two")) == b"one two"


def test_a_damaged_member_begins_well_and_fails() -> None:
    member = damage(gzip_member(response_record(PAGE)))
    assert zlib.decompressobj(wbits=31).decompress(member, 8) == b"WARC/1.0"
    with pytest.raises(zlib.error):
        zlib.decompressobj(wbits=31).decompress(member)


def test_a_record_is_read_by_an_independent_reader_with_right_digests() -> None:
    (record,) = ArchiveIterator(io.BytesIO(gzip_member(response_record(PAGE))), verify_digests=True)
    assert record.record_type == WarcRecordType.response
    assert record.headers["WARC-Target-URI"] == PAGE.url
    assert record.headers["WARC-Date"] == PAGE.date
    assert record.http_headers.status_code == 200
    assert record.reader.read() == PAGE.body
    assert base64.b32encode(hashlib.sha1(PAGE.body).digest()).decode() in record.headers["WARC-Payload-Digest"]


def test_a_response_without_address_has_no_such_header() -> None:
    record = response_record(Response("1", "", PAGE.date, "200 OK", "text/html", b""))
    assert b"WARC-Target-URI" not in record


def test_a_file_opens_with_what_it_is() -> None:
    for record in ArchiveIterator(io.BytesIO(gzip_member(warcinfo_record("a.warc.gz", "dump", PAGE.date)))):
        assert record.record_type == WarcRecordType.warcinfo
        assert b"isPartOf: dump\r\n" in record.reader.read()


def test_record_ids_are_uuids_that_differ() -> None:
    names = {record_id(1, number) for number in range(1_000)}
    assert len(names) == 1_000
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", name) for name in names)
