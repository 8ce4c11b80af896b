import pytest

from stages.web.read.media_type import media_type


@pytest.mark.parametrize(
    ("header", "identified", "expected"),
    [
        ("text/html", "", ("text/html", "")),
        ("Text/HTML ; Charset=Big5", "", ("text/html", "Big5")),
        ("text/html;charset='utf-8';x=y", "", ("text/html", "utf-8")),
        ('text/html; charset="utf-8, or so"', "", ("text/html", "utf-8")),
        ("text/html, text/html; charset=utf-8", "", ("text/html", "utf-8")),
        ("text/html; charset=utf-8, text/html", "", ("text/html", "utf-8")),
        ("text/html; charset=a, text/html; charset=b", "", ("text/html", "b")),
        ("text/plain; charset=a, text/html", "", ("text/html", "")),
        ("text/html; charset=a, */*, nonsense", "", ("text/html", "a")),
        ("", "", ("", "")),
        ("*/*", "text/html", ("text/html", "")),
        ("nonsense", "text/html; charset=x", ("text/html", "")),
        ("application/octet-stream", "", ("application/octet-stream", "")),
        ("application/octet-stream", "TEXT/HTML", ("text/html", "")),
        ("text/plain", "text/html", ("text/plain", "")),
    ],
)
def test_a_media_type_is_read_as_browsers_read_it(header: str, identified: str, expected: tuple[str, str]) -> None:
    assert media_type(header, identified) == expected
