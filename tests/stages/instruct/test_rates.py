import math

import pytest

from stages.instruct.config import STYLES, MixtureSettings, Style
from stages.instruct.rates import Cell, draws, picks, shares

COT = {
    "esnli": 36_174, "gsm8k": 7_473, "ecqa": 7_112, "creak": 6_915, "sensemaking": 6_070, "qed": 5_154, "aqua": 2_728,
    "strategyqa": 2_061, "qasc": 1_084,
}  # fmt: skip


def cells(sizes: dict[str, int], mixture: str = "m", styles: tuple[Style, ...] = ("zero_plain",)) -> list[Cell]:
    return [Cell(mixture, name, style, size) for name, size in sizes.items() for style in styles]


@pytest.mark.parametrize(
    ("sizes", "cap", "expected"),
    [
        ({"a": 100_000, "b": 20_000, "c": 500}, 30_000, [0.594059, 0.396040, 0.009901]),
        (
            COT,
            100_000,
            [0.483797, 0.099945, 0.095117, 0.092482, 0.081181, 0.068930, 0.036485, 0.027564, 0.014498],
        ),
        (COT, 5_000, [*[0.139381] * 6, 0.076046, 0.057453, 0.030218]),
        ({"a": 3, "b": 1}, None, [0.75, 0.25]),
    ],
)
def test_a_rate_is_the_number_of_examples_up_to_the_cap(
    sizes: dict[str, int], cap: int | None, expected: list[float]
) -> None:
    assert shares(cells(sizes), {"m": MixtureSettings(share=3, cap=cap)}) == pytest.approx(expected, abs=1e-6)


def test_the_inverted_twin_of_a_task_has_three_tenths_of_its_weight() -> None:
    """The counts and the share of one task in the published collection (google-research/FLAN, flan/v2)."""
    styles: tuple[Style, ...] = ("zero_cot", "few_cot", "zero_inverted", "few_inverted")
    sizes = cells({"gsm8k": 7_470, "others": 74_730 - 7_470}, "cot", styles) + cells({"x": 9}, "rest")
    found = shares(sizes, {"cot": MixtureSettings(share=0.05), "rest": MixtureSettings(share=0.95)})
    assert found[0] == pytest.approx(0.05 * 0.5 / 1.3 * 0.099960, rel=1e-5)
    assert sum(found) == pytest.approx(1)


def test_a_mixture_or_style_without_examples_leaves_its_share_to_the_others() -> None:
    mixtures = {
        "a": MixtureSettings(share=0.5, styles={"few_plain": 0.0, "zero_options": 3.0}),
        "b": MixtureSettings(share=0.25),
        "empty": MixtureSettings(share=9),
    }
    some = [
        Cell("a", "t", "zero_plain", 10),
        Cell("a", "t", "few_plain", 10),
        Cell("a", "t", "zero_options", 1),
        *cells({"u": 5}, "b"),
    ]
    assert shares(some, mixtures) == pytest.approx([1 / 6, 0, 1 / 2, 1 / 3])
    assert shares([], mixtures) == []


def test_ten_thousand_draws_are_within_binomial_error_of_what_was_promised() -> None:
    four: tuple[Style, ...] = ("zero_plain", "zero_options", "few_plain", "few_options")
    parts: dict[str, tuple[float, tuple[Style, ...], dict[str, int]]] = {
        "flan": (0.4, four, {"f": 1_000, "g": 50}),
        "t0": (0.32, four, {"t": 800}),
        "niv2": (0.2, ("zero_plain", "few_plain"), {"n": 5_000}),
        "cot": (0.05, ("zero_cot", "few_cot"), COT),
        "dialog": (0.03, ("zero_plain", "few_plain"), {"d": 300}),
    }
    some = [cell for name, (_, styles, sizes) in parts.items() for cell in cells(sizes, name, styles)]
    promised = shares(some, {name: MixtureSettings(share=share) for name, (share, _, _) in parts.items()})
    of_mixtures = {name: sum(p for p, c in zip(promised, some, strict=True) if c.mixture == name) for name in parts}
    assert of_mixtures == pytest.approx({name: share for name, (share, _, _) in parts.items()})
    counts = [0] * len(some)
    for cell, ordinal in draws(promised, 10_000, 1):
        assert ordinal == counts[cell]
        counts[cell] += 1
    for share, count in zip(promised, counts, strict=True):
        assert abs(count - 10_000 * share) <= 4 * math.sqrt(10_000 * share * (1 - share))
    chi_squared = sum((count - 10_000 * p) ** 2 / (10_000 * p) for p, count in zip(promised, counts, strict=True))
    assert chi_squared < len(some) + 4 * math.sqrt(2 * len(some))


def test_a_draw_does_not_depend_on_how_many_follow_and_zero_is_never_drawn() -> None:
    some = [0.0, 0.5, 0.0, 0.5, 0.0]
    assert list(draws(some, 50, 7)) == list(draws(some, 500, 7))[:50]
    assert {cell for cell, _ in draws(some, 500, 7)} == {1, 3}


def test_every_example_is_taken_once_before_one_is_taken_twice() -> None:
    cell = Cell("m", "t", STYLES[0], 40)
    whole = picks(cell, range(100), 3)
    assert sorted(whole[:40]) == sorted(whole[40:80]) == list(range(40))
    assert whole[:40] != whole[40:80] != list(range(40))
    assert picks(cell, [5, 41, 99], 3) == [whole[5], whole[41], whole[99]]
    assert picks(cell, range(40), 4) != whole[:40]
