import pytest

from stages.formats.chat.rejects import Reject
from stages.synthesize.candidates import Candidate, check, split_list, split_tasks
from stages.synthesize.config import AlpacaSettings, SelfInstructSettings
from stages.synthesize.wording import Wording
from stages.teacher.request import Answer

PAPER, ALPACA = SelfInstructSettings(instructions=1), AlpacaSettings(instructions=1)


def stop(text: str) -> Answer:
    return Answer(text=text, finish="stop")


def listed(answer: Answer) -> list[str]:
    pieces = split_list(answer, Wording("self_instruct", "en", {}), 8)
    return [each.reason if isinstance(each, Reject) else each.instruction for each in pieces]


@pytest.mark.parametrize(
    ("text", "instructions"),
    [
        (" Name a river.\n10. Add 2.5\nand 3.\n11 . Sing", ["Name a river.", "Add 2.5 and 3.", "Sing"]),
        ("9. Name a river.\n\n10) Sing", ["Name a river.", "Sing"]),
        ("Here are more tasks:\n\n9. Name a river.", ["introduction", "Name a river."]),
        ("9、说出一条河。\n10．唱歌", ["说出一条河。", "唱歌"]),
        ("9. It costs 3.50 today.\n1.5 of it is tax", ["It costs 3.50 today. 1.5 of it is tax"]),
        ("9.\n10. \n", []),
    ],
)
def test_a_numbered_list_is_split_at_its_numbers(text: str, instructions: list[str]) -> None:
    assert listed(stop(text)) == instructions


@pytest.mark.parametrize(
    ("finish", "reason"),
    [("length", "cut_answer"), ("filter", "no_answer"), ("refused", "no_answer"), ("unanswered", "no_answer")],
)
def test_a_list_that_is_not_whole_is_rejected_as_a_whole(finish: str, reason: str) -> None:
    assert listed(Answer(text="9. a\n10. b", finish=finish)) == [reason]  # type: ignore[arg-type]
    assert listed(stop(" \n")) == ["empty_answer"]


def tasks(answer: Answer, language: str = "en") -> list[object]:
    pieces = split_tasks(answer, Wording("alpaca", language, {}), 3)
    return [each.reason if isinstance(each, Reject) else (each.instruction, each.input, each.output) for each in pieces]


def test_whole_tasks_are_split_at_their_marks_and_fields() -> None:
    text = "Add.\n4. Input:\n1 and 2\n4. Output:\n3\n###\n"
    text += "5. Instruction: Sing.\n5. Input:\n<noinput>\n5. Output:\nLa\nla\n###"
    assert tasks(stop(text)) == [("Add.", "1 and 2", "3"), ("Sing.", "", "La\nla")]
    assert tasks(stop("4. Instruction: " + text)) == tasks(stop(text))
    assert tasks(Answer(text=text + "\n6. Instruction: Wal", finish="length")) == [*tasks(stop(text)), "cut_answer"]
    assert tasks(stop("Add.\n4. Output: 3")) == ["not_three_fields"]
    assert tasks(Answer(text="", finish="unanswered")) == ["no_answer"]
    chinese = "相加。\n4. 输入：\n1 和 2\n4. 输出：\n3\n###\n5. 指令：唱。\n5. 输入：<noinput>\n5. 输出：啦"
    assert tasks(stop(chinese), "zh") == [("相加。", "1 和 2", "3"), ("唱。", "", "啦")]


@pytest.mark.parametrize(
    ("language", "text", "reason"),
    [
        ("en", "Sing a song", "too_short"),
        ("en", "word " * 151, "too_long"),
        ("en", "Describe the Maps in detail", "blacklisted_word"),
        ("en", "First go to the shop", "blacklisted_word"),
        ("en", "write a program that adds numbers", "writes_a_program"),
        ("en", "(Answer this in two lines)", "starts_with_punctuation"),
        ("en", "$5 is how many yen", "starts_with_punctuation"),
        ("en", "写一首关于大海的诗", "starts_with_another_script"),
        ("en", "I'm sorry, but I cannot help", "refusal"),
        ("zh", "唱首歌", "too_short"),
        ("zh", "写" * 151, "too_long"),
        ("zh", "请看这张图片回答问题", "blacklisted_word"),
        ("zh", "写一个程序计算总和", "writes_a_program"),
        ("zh", "《红楼梦》的作者是谁", "starts_with_punctuation"),
        ("zh", "Ωmega 是什么意思呢", "starts_with_another_script"),
        ("zh", "对不起，我不能写出更多任务", "refusal"),
    ],
)
def test_each_filter_refuses_with_its_reason(language: str, text: str, reason: str) -> None:
    with pytest.raises(Reject) as caught:
        check(Candidate(text.strip()), PAPER, Wording("self_instruct", language, {}))
    assert caught.value.reason == reason


def test_what_no_filter_refuses_passes() -> None:
    for text in ("Sing a short song", "word " * 150, "Remap the keys of a dictionary", "3 plus 4 is what?"):
        check(Candidate(text.strip()), PAPER, Wording("self_instruct", "en", {}))
    for text in ("唱一首歌", "写" * 150, "用 Python 写一个函数", "Python 的列表怎么排序？"):
        check(Candidate(text), PAPER, Wording("self_instruct", "zh", {}))


def test_a_whole_task_needs_an_output_and_no_music() -> None:
    wording = Wording("alpaca", "en", {})
    check(Candidate("Name a large river", "", "Danube"), ALPACA, wording)
    for candidate, reason in (
        (Candidate("Name a large river", "", " "), "blank_output"),
        (Candidate("Describe the music of Bach", "", "Fine"), "blacklisted_word"),
    ):
        with pytest.raises(Reject) as caught:
            check(candidate, ALPACA, wording)
        assert caught.value.reason == reason
