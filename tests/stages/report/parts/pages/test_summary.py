from stages.formats.funnel import StepCount
from stages.formats.tables import Row, Tables
from stages.report.parts.pages.read import PageCounts
from stages.report.parts.pages.summary import MAX_HOSTS, notes, rankings, reasons


def test_reasons_keep_the_order_of_steps_and_put_the_commonest_first() -> None:
    steps = [StepCount("b", 9, 4, 1, 0, {"rare": 1, "common": 4, "never": 0}), StepCount("a", 4, 3, 1, 0, {"other": 1})]
    found = reasons(PageCounts(funnel=steps, by_source={}, examples={}, tables=None))
    assert {step: [row.reason for row in rows] for step, rows in found.items()} == {
        "b": ["common", "rare"],
        "a": ["other"],
    }
    assert list(found) == ["b", "a"]


def test_notes_are_listed_in_the_order_of_steps() -> None:
    steps = [StepCount("a", 1, 1, notes={"x": 2, "y": 3}), StepCount("b", 1, 1, notes={"x": 1})]
    assert notes(PageCounts(funnel=steps, by_source={}, examples={}, tables=None)) == [
        *(("a", "x", 2), ("a", "y", 3), ("b", "x", 1))
    ]


def test_the_largest_hosts_and_languages_are_ranked_and_the_others_summed() -> None:
    tables = Tables()
    for number in range(MAX_HOSTS + 5):
        for _ in range(2 if number < 3 else 1):
            tables.read(f"{number:02d}.example", "en")
        tables.kept(f"{number:02d}.example", "en", 10, 3)
    languages, hosts = rankings(tables)
    assert languages.rows == [("en", Row(MAX_HOSTS + 8, MAX_HOSTS + 5, 10 * (MAX_HOSTS + 5), 3 * (MAX_HOSTS + 5)))]
    assert languages.rest is None
    assert [name for name, _ in hosts.rows[:4]] == ["00.example", "01.example", "02.example", "03.example"]
    assert (len(hosts.rows), hosts.rest) == (MAX_HOSTS, Row(5, 5, 50, 15))


def test_without_tables_there_is_nothing_to_rank() -> None:
    assert rankings(None) == []
    assert [ranking.rest for ranking in rankings(Tables())] == [None, None]
