import io

from stages.web.extract.child import DONE, FAILED, LENGTH, TRAFILATURA, answer, main_text, receive, send

PAGE = "<html><body><nav><a href='/'>Home</a></nav><article><h1>A walk</h1><p>{}</p></article></body></html>"


def test_messages_arrive_as_they_were_sent() -> None:
    pipe = io.BytesIO()
    for text in ("", "Zürich 東京 \0", "x" * 100_000):
        send(pipe, text)
    pipe.seek(0)
    assert [receive(pipe) for _ in range(4)] == ["", "Zürich 東京 \0", "x" * 100_000, None]


def test_the_length_counts_bytes() -> None:
    pipe = io.BytesIO()
    send(pipe, "ü")
    assert pipe.getvalue() == LENGTH.pack(2) + "ü".encode()


def test_an_answer_says_whether_there_is_a_text() -> None:
    html = PAGE.format("The hills were quiet and the river was wide, and not a sound was to be heard. " * 8)
    assert answer(TRAFILATURA, html).startswith(f"{DONE}A walk")
    assert answer("English", html).startswith(f"{DONE}A walk")
    assert answer(TRAFILATURA, "") == DONE
    assert answer("Klingon", html).startswith(f"{FAILED}ValueError")


def test_the_main_text_is_found_and_the_same_page_twice_gives_the_same() -> None:
    html = PAGE.format("The hills were quiet and the river was wide. " * 8)
    texts = [main_text(html) for _ in range(6)]
    assert len(set(texts)) == 1 and texts[0].startswith("A walk\nThe hills")
    assert "Home" not in texts[0]


def test_what_has_no_text_gives_none() -> None:
    for html in ("", "<html></html>", "<", "\0", "<script>x</script>"):
        assert main_text(html) == ""
