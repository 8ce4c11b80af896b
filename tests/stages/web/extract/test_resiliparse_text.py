from stages.web.extract.resiliparse_text import main_text, whole_text

STORY = "The hills were quiet and the river was wide on that day. " * 5
PAGE = f"<html><body><nav><a href='/'>Home</a></nav><article><h1>A walk</h1><p>{STORY}</p></article></body></html>"


def test_the_main_text_has_no_navigation_and_the_whole_text_has() -> None:
    assert STORY.strip() in main_text(PAGE) and "Home" not in main_text(PAGE)
    assert STORY.strip() in whole_text(PAGE) and "Home" in whole_text(PAGE)


def test_a_page_within_a_noscript_element_that_is_left_open_is_found() -> None:
    page = PAGE.replace("<nav>", "<NoScript><nav>")
    assert STORY.strip() in main_text(page) and STORY.strip() in whole_text(page)
    closed = f"<p>{STORY}</p><noscript>Switch JavaScript on.</noscript>"
    assert "JavaScript" not in main_text(closed) + whole_text(closed)


def test_what_has_no_text_gives_none() -> None:
    for html in ("", "<html></html>", "\0", "<script>x</script>"):
        assert main_text(html).strip() == ""
