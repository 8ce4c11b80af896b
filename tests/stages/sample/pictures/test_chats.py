"""Chats about pictures: a picture each, before or after the first question, and answers of all forms."""

from __future__ import annotations

from collections import Counter

from stages.formats.chat.chats import to_record
from stages.sample.config import LANGUAGES
from stages.sample.pictures.captions import wanted
from stages.sample.pictures.chats import Shown, described, noted, questioned
from stages.sample.pictures.scenes import scene

SHOWN = [Shown(number, f"{number:032x}", scene(1, "questions", number), number % 20 == 7) for number in range(300)]


def test_a_chat_has_its_picture_once_in_the_first_message() -> None:
    for each in SHOWN:
        for chat in (questioned(each, 1), *described(each, 1)):
            pictures = [part.key for message in chat.messages for part in message.parts if part.type == "picture"]
            assert pictures == [each.key]
            assert any(part.type == "picture" for part in chat.messages[0].parts)
            assert [message.role for message in chat.messages] == ["user", "assistant"] * (len(chat.messages) // 2)
            assert "<" not in "".join(part.text for message in chat.messages for part in message.parts)


def test_pictures_stand_before_and_after_the_question_and_chats_have_one_to_three_turns() -> None:
    chats = [questioned(each, 1) for each in SHOWN]
    first = Counter(chat.messages[0].parts[0].type for chat in chats)
    assert 0.4 < first["picture"] / len(chats) < 0.6
    assert set(Counter(len(chat.messages) // 2 for chat in chats)) == {1, 2, 3}
    for chat in chats:
        asked = [message.parts[-1].text or message.parts[0].text for message in chat.messages[::2]]
        assert len(set(asked)) == len(asked)


def test_a_chat_depends_on_the_seed_and_its_picture_alone() -> None:
    assert to_record(questioned(SHOWN[3], 1)) == to_record(questioned(SHOWN[3], 1))
    assert any(to_record(questioned(each, 1)) != to_record(questioned(each, 2)) for each in SHOWN[:5])


def test_captions_are_asked_for_in_both_languages() -> None:
    english, chinese = described(SHOWN[0], 1)
    assert english.messages[1].text.isascii()
    assert not chinese.messages[1].text.isascii()


def test_a_noted_chat_is_text_with_notes_of_its_scene() -> None:
    languages: Counter[tuple[str, str]] = Counter()
    for number in range(100):
        shown = scene(1, "notes", number)
        for chat in noted(number, 1):
            assert {part.type for message in chat.messages for part in message.parts} == {"text"}
            text = chat.messages[0].text
            noted_in = [each for each in LANGUAGES if all(any(map(text.count, words)) for words in wanted(shown, each))]
            languages[chat.id[7:], noted_in[0]] += 1
    for request in ("en", "zh"):  # notes are in either language, whatever the request is in
        assert min(languages[request, language] for language in LANGUAGES) > 30


def test_what_is_noted_is_not_what_exams_show() -> None:
    exam = {scene(1, "exam", number) for number in range(400)}
    assert not exam & {scene(1, "notes", number) for number in range(2_000)}
