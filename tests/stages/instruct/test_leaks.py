import pytest

from stages.formats.chat.rejects import Reject
from stages.instruct.leaks import Leaks

LONG = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
ITEMS = [{"question": "What is the capital of Peru?", "answer": "Lima", "label": 3, "choices": ["a b c d e f"]}]


@pytest.mark.parametrize(
    ("text", "leaks"),
    [
        ("Answer this: what is the CAPITAL\nof Peru", True),
        ("What is the capital of Chile? Not of Peru", False),
        ("Lima. a b c d e f", False),
        (f"zero {LONG.partition(' ')[2]}", True),
        (f"{LONG.rpartition(' ')[0]}.", True),
        (LONG.replace("seven", "7"), False),
        ("\u8bf7\u95ee\uff1a\u79d8\u9c81\u7684\u9996\u90fd\u662f\u54ea\u91cc", True),
        ("\u79d8\u9c81\u7684\u9996\u90fd", False),
        ("", False),
    ],
)
def test_an_item_within_an_example_is_found(text: str, leaks: bool) -> None:
    index = Leaks([*ITEMS, {"text": LONG}, {"text": "\u79d8\u9c81\u7684\u9996\u90fd\u662f\u54ea\u91cc\uff1f"}])
    Leaks([]).check(text)
    if leaks:
        with pytest.raises(Reject, match="leaks_evaluation"):
            index.check(text)
    else:
        index.check(text)
