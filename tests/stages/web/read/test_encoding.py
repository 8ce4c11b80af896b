import random
import time

import pytest

from stages.web.read.encoding import decode, is_text

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


RUSSIAN = "Старый мельник ранним утром открыл ворота и пошёл к реке. " * 5
KOREAN = "지난 토요일에 우리는 오래된 물레방아를 보러 갔다. " * 5
CHINESE = "旧磨坊的主人清晨把坏了的门修好了。" * 9
META_1251 = b'<meta charset="windows-1251">'


@pytest.mark.parametrize("charset", ["ISO-2022-JP", "csiso2022jp"])
def test_a_japanese_page_of_seven_bits_is_read_though_its_bytes_are_ascii(charset: str) -> None:
    body = JAPANESE.encode("iso2022_jp")
    assert decode(body, charset) == (JAPANESE, "header")
    assert decode(b'<meta charset="%b">' % charset.encode() + body, "")[0].endswith(JAPANESE)
    assert decode(body, "") == (JAPANESE, "detected")


def test_other_charsets_of_seven_bits_are_read_if_they_are_declared() -> None:
    assert decode(KOREAN.encode("iso2022_kr"), "iso-2022-kr") == (KOREAN, "header")
    assert decode(CHINESE.encode("hz"), "hz-gb-2312") == (CHINESE, "header")


@pytest.mark.parametrize("text", ["plain ~{ text", "a terminal prints \x1b$ and more", "x = ~{a}"])
def test_ascii_with_the_marks_of_such_charsets_stays_ascii(text: str) -> None:
    assert decode(text.encode(), "utf-8") == (text, "utf-8")
    assert decode(text.encode(), "")[0] == text


@pytest.mark.parametrize(
    "declaration",
    [
        '<?xml version="1.0" encoding="euc-kr"?>',
        "<?xml version='1.0' encoding='EUC-KR' standalone='yes'?>",
        '<?xml version="1.0" encoding="utf-8"?><meta charset=euc-kr>',
        '<META content="text/html; charset=ks_c_5601-1987" HTTP-EQUIV="Content-Type">',
        "<meta/charset=euc-kr>",
        "<meta charset = ' euc-kr '>",
    ],
)
def test_the_charset_of_an_xml_declaration_or_a_meta_element_is_read(declaration: str) -> None:
    assert decode(declaration.encode() + KOREAN.encode("euc_kr"), "")[0] == declaration + KOREAN


@pytest.mark.parametrize(
    "before",
    [
        b'<!-- <meta charset="iso-8859-1"> -->',
        b"<!-- > <meta charset=greek> --->",
        b"<script>document.write('<meta charset=\"iso-8859-1\">')</script>",
        b"<style>/* <meta charset=iso-8859-7> */</style>",
        b"<a title='<meta charset=iso-8859-1>'>",
        b'<meta name="description" content="how to write charset=iso-8859-1">',
        b'<meta charset="no-such-charset">',
        b'<meta charset="hex"><meta charset="unicode_escape">',
        b"<!-- " + b"x" * 2_000 + b" -->",
    ],
)
def test_what_only_looks_like_a_declaration_declares_nothing(before: bytes) -> None:
    assert decode(before + META_1251 + RUSSIAN.encode("cp1251"), "") == (
        before.decode() + META_1251.decode() + RUSSIAN,
        "meta",
    )


def test_a_charset_is_read_with_the_characters_that_browsers_give_it() -> None:
    for charset, codec, text in (
        ("euc-kr", "cp949", "똠방각하 " * 9),
        ("shift_jis", "cp932", "①②㈱ " * 9),
        ("gb2312", "gb18030", "镕 " * 9),
        ("big5", "big5hkscs", "啫 " * 9),
    ):
        assert decode(text.encode(codec), charset) == (text, "header")


def test_codecs_that_are_no_charsets_are_ignored() -> None:
    for name in ("hex", "zlib", "rot13", "unicode_escape", "idna", "punycode", "undefined", "utf-7"):
        assert decode(GERMAN.encode("cp1252"), name) == (GERMAN, "detected")
