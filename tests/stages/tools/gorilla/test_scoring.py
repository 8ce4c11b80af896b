from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import pytest

from stages.formats.calls.apis import Api, read_apis
from stages.formats.calls.questions import Question, read_answers, read_questions
from stages.formats.calls.scores import CallVerdict
from stages.tools.gorilla.scoring import Scorer, scores_of

DATA = Path(__file__).parents[5] / "shared" / "data" / "gorilla"
APIS = [
    Api(domain="Vision", api_call="torch.hub.load(repo_or_dir='a/v', model='net')"),
    Api(domain="Sound", api_call="torch.hub.load(repo_or_dir='a/v', model='net_sound')"),
    Api(domain="Sound", api_call="torch.hub.load(repo_or_dir='A/V', model='net')"),
]
ASKED = Question(id="1", text="Look", api=APIS[0])


def answer(code: str) -> str:
    return f"api_call: {code}\napi_provider: x"


@pytest.mark.parametrize(
    ("text", "published", "strict", "why"),
    [
        (answer("torch.hub.load('a/v', 'net')"), ("correct", 0), ("correct", 0), ""),
        (answer("torch.hub.load('a/v', 'net_sound')"), ("correct", 0), ("wrong", 1), "first_in_file"),
        (
            answer("'m = torch.hub.load(\\'a/v\\', \\'net_\\')"),
            ("correct", 0),
            ("hallucination", -1),
            "name_not_called",
        ),
        (answer(r"torch.hub.load(\'A/v\', \'NET\')"), ("hallucination", -1), ("correct", 0), "only_strict"),
        (answer("torch.hub.load('a/v', 'netting')"), ("correct", 0), ("hallucination", -1), "other_value"),
        (answer("torch.hub.load('a/v', 'net"), ("correct", 0), ("unparsed", -1), "unparsed"),
        (answer("torch.hub.load('b', 'c')"), ("hallucination", -1), ("hallucination", -1), ""),
        ("I cannot help.", ("noformat", -1), ("noformat", -1), ""),
    ],
)
def test_each_row_has_both_verdicts_and_the_reason_of_a_difference(
    text: str, published: tuple[str, int], strict: tuple[str, int], why: str
) -> None:
    row = Scorer(APIS, "torchhub").score(ASKED, text)
    assert ((row.published, row.published_api), (row.strict, row.strict_api), row.why) == (published, strict, why)


def test_accuracy_and_hallucination_are_shares_of_all_answers() -> None:
    rows = [Scorer(APIS, "torchhub").score(ASKED, answer(code)) for code in ("torch.hub.load('a/v', 'net')", "f(1)")]
    scores = scores_of("mine", "torchhub", [*rows, rows[0], rows[1]])
    for mode in ("published", "strict"):
        assert (scores.share(mode, "correct"), scores.share(mode, "hallucination")) == (0.5, 0.5)  # type: ignore[arg-type]
    assert scores.reasons == {}
    assert scores_of("mine", "torchhub", []).share("strict", "correct") == 0.0


@pytest.fixture(scope="module")
def rows() -> dict[str, list[CallVerdict]]:
    """The rows of the eight published files."""
    if not DATA.exists():
        pytest.skip("the published answers are not here")
    scorer = Scorer(read_apis(DATA / "torchhub_api.jsonl"), "torchhub")
    questions = read_questions(DATA / "torchhub_eval.json")
    return {
        path.name: [scorer.score(questions[each.question], each.text) for each in read_answers(path)]
        for path in sorted((DATA / "responses").iterdir())
    }


def test_all_published_verdicts_are_reproduced(rows: dict[str, list[CallVerdict]]) -> None:
    wanted: dict[str, list[tuple[str, int, str]]] = defaultdict(list)
    for each in csv.DictReader((DATA / "reference_verdicts.tsv").open(), delimiter="\t"):
        place = int(each["api_index"] or -1)
        wanted[each["response_file"]].append((each["question_id"], place, each["verdict"]))
    found = {name: [(row.question, row.published_api, row.published) for row in each] for name, each in rows.items()}
    assert found == wanted


def test_all_published_accuracies_are_reproduced(rows: dict[str, list[CallVerdict]]) -> None:
    for each in csv.DictReader((DATA / "reference_accuracy.tsv").open(), delimiter="\t"):
        scores = scores_of("", "torchhub", rows[each["response_file"]])
        shares = [scores.share("published", verdict) for verdict in ("correct", "hallucination")]
        assert [f"{share:.6f}" for share in shares] == [each["accuracy"], each["hallucination_rate"]]


def test_every_published_row_on_which_the_modes_differ_has_a_reason(rows: dict[str, list[CallVerdict]]) -> None:
    for row in (row for each in rows.values() for row in each):
        assert bool(row.why) == ((row.published, row.published_api) != (row.strict, row.strict_api))
    scores = scores_of("", "torchhub", rows["response_torchhub_Gorilla_RT_oracle.jsonl"])
    assert scores.share("strict", "correct") == 1.0
