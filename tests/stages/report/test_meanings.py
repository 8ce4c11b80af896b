from stages.report.meanings import reason_meaning, step_meaning
from stages.sample.kinds import REASON_OF, STEP_OF
from stages.text.rules.table import QUALITY, REPETITION


def test_every_step_and_reason_that_the_sample_plants_is_explained() -> None:
    assert all(step_meaning(step) for step in STEP_OF.values())
    assert all(reason_meaning(reason) for reason in REASON_OF.values())


def test_every_rule_of_every_preset_is_explained() -> None:
    assert not [row.reason for row in (*REPETITION, *QUALITY) if not reason_meaning(row.reason)]


def test_the_phrase_length_is_read_from_the_name() -> None:
    assert "3 words" in reason_meaning("top_3_gram")
    assert "10 words" in reason_meaning("duplicate_10_gram")


def test_what_nobody_explained_stays_without_a_word() -> None:
    assert step_meaning("a step of tomorrow") == reason_meaning("top_x_gram") == ""
