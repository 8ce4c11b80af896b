import justext
import pytest

from stages.web.extract.justext_text import good_paragraphs, stop_list

STORY = "The hills were quiet and the river was wide on that day, and there was not a sound to be heard. " * 5
PAGE = f"<html><body><ul><li><a href='/'>Home</a></li></ul><p>{STORY}</p></body></html>"


@pytest.mark.parametrize(("language", "name"), [("en", "English"), ("de", "German"), ("zh", None), ("", None)])
def test_languages_have_a_stop_list_or_none(language: str, name: str | None) -> None:
    assert stop_list(language) == name
    assert name is None or name in justext.get_stoplists()


def test_boilerplate_is_left_out() -> None:
    assert good_paragraphs(PAGE, "English") == STORY.strip()
