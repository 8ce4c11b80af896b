from stages.sample.draw import Draw, digest, words


def test_equal_names_give_equal_streams_and_others_do_not() -> None:
    assert [Draw("a", 1).below(1_000) for _ in range(3)] == [Draw("a", 1).below(1_000)] * 3
    assert [Draw("a", n).below(10**9) for n in range(50)] != [Draw("b", n).below(10**9) for n in range(50)]


def test_the_stream_is_the_same_for_ever() -> None:
    draw = Draw("fixed", 1)
    assert [draw.below(1_000) for _ in range(5)] == [978, 935, 737, 52, 695]
    assert digest("a", 1).hex()[:16] == "3ca806db3c01f79f"


def test_parts_do_not_run_into_each_other() -> None:
    assert digest("ab", "c") != digest("a", "bc")


def test_a_shuffle_has_every_item_and_every_place_is_reached() -> None:
    firsts = {Draw("s", n).shuffled("abcd")[0] for n in range(100)}
    assert firsts == set("abcd")
    assert sorted(Draw("s").shuffled("abcd")) == list("abcd")
    assert Draw("s").shuffled([]) == []


def test_a_sample_has_no_item_twice() -> None:
    assert len(set(Draw("s").sample(range(10), 7))) == 7


def test_bounds_are_reached_and_never_passed() -> None:
    draw = Draw("b")
    assert {draw.between(3, 5) for _ in range(200)} == {3, 4, 5}


def test_words_of_rows() -> None:
    assert words("a b", "c") == ("a", "b", "c")
