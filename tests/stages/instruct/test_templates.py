import json
from pathlib import Path
from random import Random
from typing import Any

import jinja2
import pytest

from stages.formats.chat.rejects import Reject
from stages.instruct.templates import SANDBOXES, Template, read_promptsource, read_shipped, templates_of
from stages.shared.errors import DataError

DATA = Path(__file__).parents[4] / "shared" / "data" / "instruct" / "t0"
YAML = """dataset: news
templates:
  1-1: !Template
    answer_choices: World ||| Sports
    id: 1-1
    jinja: "{{text}} \\nWhich? {{[\\"one\\", \\"two\\", \\"three\\"] | choice}} ||| \\n{{answer_choices[label] }}"
    metadata: !TemplateMetadata
      choices_in_prompt: true
    name: which
    reference: ''
  2-2: !Template
    answer_choices: null
    id: 2-2
    jinja: "Summarize: {{text}} ||| {% if title %}{{title}}{% endif %}"
    metadata: !TemplateMetadata {choices_in_prompt: null}
    name: headline
    reference: ''
"""


def of(text: str, cut: bool = True, choices: str = "") -> Template:
    sandbox = SANDBOXES[cut]
    return Template("t", "plain", sandbox.from_string(text), sandbox.from_string(choices) if choices else None)


def outcome(template: Template, row: dict[str, Any]) -> tuple[str, str] | str:
    try:
        return template.render(row, Random(0))
    except Reject as reject:
        return reject.reason


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    path = tmp_path / "templates.yaml"
    path.write_text(YAML)
    return path


def test_a_row_becomes_prompt_and_target_as_promptsource_does_it(collection: Path) -> None:
    headline, which = read_promptsource(collection)
    assert (headline.name, headline.form, which.name, which.form) == ("headline", "plain", "which", "options")
    prompts = {which.render({"text": " Goal!", "label": 1}, Random(seed)) for seed in range(30)}
    assert prompts == {(f"Goal! \nWhich? {word}", "Sports") for word in ("one", "two", "three")}
    assert which.render({"text": "a ||| b", "label": 0}, Random(1))[0].startswith("a ||| b \nWhich?")


@pytest.mark.parametrize(
    ("text", "row", "found"),
    [
        ("{{a}}|||{{b}}", {"a": "x", "b": "  "}, "blank_target"),
        ("{{a}}|||{{b}}", {"a": None, "b": "y"}, "blank_prompt"),
        ("{{a}}|||{{b}}", {"a": "x"}, "template_error"),
        ("{{a}}", {"a": "x"}, "not_prompt_and_target"),
        ("{{a}}|||b|||c", {"a": "x"}, "not_prompt_and_target"),
        ("{{a.b[0]}}|||{{a.c}}", {"a": {"b": ["1|||2"], "c": 3}}, ("1|||2", "3")),
        ("{{a}}|||{{answer_choices[a]}}", {"a": 0}, ("0", "no")),
        ("{{a}}|||{{answer_choices[a]}}", {"a": -1}, "template_error"),
        ("{{a}}|||{{answer_choices[a]}}", {"a": 2}, "template_error"),
        ("{{a}}|||{{answer_choices[a-1]}}", {"a": "1"}, "template_error"),
        ("{{[1, 2, 2, 3, 3] | most_frequent}}|||{{1 / a}}", {"a": 0}, "template_error"),
        ("{{[1, 2, 2, 3, 3] | most_frequent | join}}|||x", {}, ("23", "x")),
        ("{{a * 3}}|||{{2 * 3}}", {"a": "x"}, ("xxx", "6")),
        ("{{a * 999999999}}|||x", {"a": "x"}, "template_error"),
        ("{{9 ** 9 ** 9}}|||x", {}, "template_error"),
        ("{% for i in range(99999999) %}x{% endfor %}|||x", {}, "template_error"),
        ("{% for i in range(9999) %}{% for i in range(9999) %}x{% endfor %}{% endfor %}|||x", {}, "template_error"),
        ("{{a.__class__.__mro__}}|||x", {"a": "x"}, "template_error"),
        ("{{lipsum()}}|||x", {}, "template_error"),
    ],
)
def test_a_row_that_gives_no_example_has_a_reason(text: str, row: dict[str, Any], found: object) -> None:
    assert outcome(of(text, choices="no ||| yes"), row) == found


@pytest.mark.parametrize("length", [2047, 2053, 2054, 5000])
def test_a_value_is_cut_as_jinja_truncates_it(length: int) -> None:
    value = ("word " * 1001)[: length - 1] + "."
    truncated = jinja2.Environment().from_string("{{a | string | truncate(2048)}}").render(a=value).strip()
    assert of("{{a}} ||| x").render({"a": value}, Random(0))[0] == truncated
    assert of("{{a}} ||| x", cut=False).render({"a": value}, Random(0))[0] == value


def test_a_file_that_is_none_and_a_name_that_none_has_are_named(collection: Path, tmp_path: Path) -> None:
    assert [each.name for each in templates_of((), [collection], ("which",))] == ["which"]
    with pytest.raises(DataError, match=r"templates.yaml: no template 'what'. Set `only` to some of headline, which"):
        templates_of((), [collection], ("what",))
    for text in ("a: [", "templates: []", "templates: {x: !!python/object/apply:os.getcwd []}", "templates: {x: {}}"):
        collection.write_text(text)
        with pytest.raises(DataError, match="no templates of promptsource"):
            read_promptsource(collection)
    collection.write_text(YAML.replace("{% endif %}", ""))
    with pytest.raises(DataError, match="a template is no Jinja"):
        read_promptsource(collection)


@pytest.mark.parametrize("name", ["cot", "question_answer", "question_answer_zh"])
def test_every_shipped_template_renders_and_shows_the_options_that_its_form_names(name: str) -> None:
    row = {"question": "Q?", "answer": "(A)", "rationale": "So.", "options_block": "Options:\n(A) x"}
    for template in read_shipped(name):
        prompt, target = template.render(row, Random(0))
        assert template.shows_options == template.form.startswith("options") == ("(A) x" in prompt)
        assert ("So." in target) == (template.form.endswith("cot") or "rationale_of" in template.name)


@pytest.mark.skipif(not DATA.is_dir(), reason=f"rendered prompts of P3 are not in {DATA}")
def test_the_rendered_prompts_of_p3_are_reproduced_byte_for_byte() -> None:
    """Self-Instruct's files add a line break to a prompt and `<|endoftext|>` to a target, and hold no rows.

    The articles come from the prompts of one template and give those of the other one. A review is the text between
    quotation marks in its own prompt: no other file has it.
    """
    by_name = {each.name: each for path in DATA.glob("*.yaml") for each in read_promptsource(path)}
    labels = {"World politics": 0, "Sports": 1, "Business": 2, "Science and technology": 3}

    def rendered(name: str) -> list[tuple[str, str]]:
        lines = (DATA / f"{name}.jsonl").read_text(encoding="utf-8").split("\n")
        pairs = (json.loads(line) for line in lines if line)
        return [(pair["prompt"].removesuffix("\n"), pair["completion"].removesuffix("<|endoftext|>")) for pair in pairs]

    news = {name: rendered(f"ag_news_{name}") for name in ("classify", "classify_with_choices")}
    rows = [{"text": prompt.rpartition(" \n")[0], "label": labels[target]} for prompt, target in news["classify"]]
    for name, pairs in news.items():
        assert [by_name[name].render(row, Random(0)) for row in rows] == pairs

    stars = rendered("app_reviews_convert_to_star_rating")
    reviews = [{"review": prompt.split('"', 1)[1][:-1], "star": len(target)} for prompt, target in stars]
    assert [by_name["convert_to_star_rating"].render(row, Random(0)) for row in reviews] == stars
    assert len(rows) == len(reviews) == 200
