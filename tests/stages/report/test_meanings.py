from stages.report.meanings import reason_meaning, step_meaning
from stages.sample.kinds import REASON_OF, STEP_OF
from stages.text.rules import quality
from stages.text.rules import repetition
from stages.text.settings import QualitySettings, RepetitionSettings


def test_every_step_and_reason_that_the_sample_plants_is_explained() -> None:
    assert all(step_meaning(step) for step in STEP_OF.values())
    assert all(reason_meaning(reason) for reason in REASON_OF.values())


def test_every_rule_of_every_preset_is_explained() -> None:
    presets = [{"preset": "gopher"}, {"preset": "bloom"}]
    rules = [
        *(
            rule
            for one in presets
            for zh in (False, True)
            for rule in repetition.rules(RepetitionSettings(**one), "", zh)
        ),
        *(rule for one in presets for zh in (False, True) for rule in quality.rules(QualitySettings(**one), "", zh)),
    ]
    assert not {rule.name for rule in rules if not reason_meaning(rule.name)}


def test_the_phrase_length_is_read_from_the_name() -> None:
    assert "3 words" in reason_meaning("top_3_gram")
    assert "10 words" in reason_meaning("duplicate_10_gram")


def test_what_nobody_explained_stays_without_a_word() -> None:
    assert step_meaning("a step of tomorrow") == reason_meaning("top_x_gram") == ""
