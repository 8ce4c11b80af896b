"""Continuous batches against one row at a time over the whole forward pass."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from stages.generate.generation import Generator
from stages.generate.passes import Passes
from stages.generate.requests import Continuation, Growth, Insert, Request, Stop
from stages.generate.sampling import Sampling, choose, uniform
from stages.model.checkpoint.load import LoadedModel
from tests.stages.generate.tiny import EOS, KINDS, VOCAB, Names, generator_of, mixed_requests, model_of


def one_by_one(model: LoadedModel, request: Request) -> tuple[list[int], str]:
    tokens, sampling = list(request.prompt), request.sampling
    for at in range(min(sampling.max_tokens, model.seq_len - len(request.prompt) + 1)):
        logits = model.logits(torch.tensor([tokens]))[0, -1:]
        token = int(choose(logits, [sampling], [uniform(sampling.seed, request.key, at)])[0])
        if token == EOS:
            return tokens[len(request.prompt) :], "eos"
        tokens.append(token)
    return tokens[len(request.prompt) :], "length"


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_continued_as_each_alone_over_its_whole_prefix(kind: str) -> None:
    requests = mixed_requests(24)
    expected = [one_by_one(model_of(kind), request) for request in requests]
    for generator in (generator_of(kind), generator_of(kind, rows=5, batch=16, slots=100)):
        found = generator.generate(requests)
        assert [([*each.tokens], each.stopped) for each in found] == expected
        assert [each.text for each in found] == [Names().decode(tokens) for tokens, _ in expected]
    assert {stopped for _, stopped in expected} <= {"eos", "length"}


def test_a_rows_draws_are_the_same_alone_among_64_and_in_any_order() -> None:
    requests = mixed_requests(64)
    together = generator_of("RoPE").generate(requests)
    backwards = generator_of("RoPE", rows=9, slots=300).generate(requests[::-1])[::-1]
    alone = [generator_of("RoPE").generate([request])[0] for request in requests[:12]]
    assert backwards == together
    assert alone == together[:12]


def test_samples_of_one_prompt_differ_by_key_and_share_its_computation() -> None:
    sampling = Sampling(max_tokens=6, temperature=1.0, ignore_eos=True)
    prompt = tuple(range(3, 33))
    passes = Passes(model_of("RoPE"), 4000)
    generator = generator_of("RoPE")
    generator._passes = passes
    found = generator.generate(Request(prompt=prompt, sampling=sampling, key=str(n)) for n in range(16))
    assert len({each.tokens for each in found}) > 8
    assert passes.tokens == 29 + 16 * 6  # the prompt but its last token once; then every row its own
    assert generator.generate([Request(prompt=prompt, sampling=sampling, key="3")]) == [found[3]]
    assert passes.tokens == 29 + 17 * 6  # the prompt is still there


def greedy(tokens: int = 12, **options: object) -> Request:
    return Request(prompt=(5, 6, 7), sampling=Sampling(max_tokens=tokens, ignore_eos=True), **options)  # type: ignore[arg-type]


def answer(request: Request) -> Continuation:
    return generator_of("RoPE").generate([request])[0]


def test_stop_texts_end_a_row_over_the_border_of_tokens() -> None:
    whole = answer(greedy())
    names = whole.text.split()
    stop = f"{names[3][-1]} {names[4][0]}"  # the end of one token and the start of the next
    stopped = answer(replace(greedy(), sampling=Sampling(max_tokens=12, until=("nothing", stop), ignore_eos=True)))
    assert stopped.stopped == "until"
    assert stopped.text == whole.text[: whole.text.find(stop)]
    assert len(stopped.tokens) <= 5


def test_a_token_of_the_requests_ends_a_row_as_the_end_of_sequence_does() -> None:
    whole = answer(greedy())
    end = next(token for token in whole.tokens[2:] if token != whole.tokens[0])
    request = Request(prompt=(5, 6, 7), sampling=Sampling(max_tokens=12), ends=(VOCAB + 3, end))
    found = answer(request)
    assert found.stopped == "eos"
    assert found.tokens == whole.tokens[: whole.tokens.index(end)]
    assert answer(replace(request, sampling=Sampling(max_tokens=12, ignore_eos=True))).tokens == whole.tokens


def test_an_extra_token_of_the_model_may_come_next_and_end_a_row() -> None:
    plain = model_of("RoPE")
    config = plain.config.model_copy(update={"extra_tokens": ("<|end|>",)})
    chat = replace(plain, config=config)  # its padded rows hold one more token
    generator = Generator(Passes(chat, 4000), Names(), max_rows=4, batch=64)
    sampling = Sampling(max_tokens=12)
    request = Request(prompt=(5, 6, 7), sampling=sampling, allowed=lambda tokens: (VOCAB,), ends=(VOCAB,))
    (found,) = generator.generate([request])
    assert (found.tokens, found.stopped) == ((), "eos")


def test_log_probabilities_are_of_the_chosen_token_and_the_likeliest_before_any_temperature() -> None:
    sampling = Sampling(max_tokens=5, temperature=0.7, top_k=30, ignore_eos=True, logprobs=3)
    request = replace(greedy(), sampling=sampling)
    plain = replace(greedy(), sampling=replace(sampling, logprobs=None))
    one = replace(greedy(), sampling=replace(sampling, logprobs=0))
    found, without, bare = generator_of("RoPE").generate([request, plain, one])
    assert found.tokens == without.tokens == bare.tokens
    tokens = [*request.prompt, *found.tokens]
    logprobs = torch.log_softmax(model_of("RoPE").logits(torch.tensor([tokens]))[0], -1)
    for at, each in enumerate(found.logprobs):
        row = logprobs[len(request.prompt) - 1 + at]
        assert each.chosen == pytest.approx(float(row[found.tokens[at]]), abs=1e-5)
        assert [token for token, _ in each.best] == row.topk(3).indices.tolist()
        assert [value for _, value in each.best] == pytest.approx(row.topk(3).values.tolist(), abs=1e-5)
    assert without.logprobs == ()
    assert [each.best for each in bare.logprobs] == [()] * 5


def test_a_hook_stops_a_row() -> None:
    found = answer(greedy(hook=lambda growth: Stop("tool") if len(growth.tokens) == 4 else None))
    assert (found.stopped, len(found.tokens)) == ("tool", 4)


def test_a_hook_inserts_tokens_and_the_row_goes_on_after_them() -> None:
    def insert(growth: Growth) -> Insert | None:
        return Insert((9, 10, 11)) if len(growth.tokens) == 2 else None

    found = answer(greedy(hook=insert))
    assert found.tokens[2:5] == (9, 10, 11)
    assert found.inserted == (2, 3, 4)
    assert len(found.tokens) == 12
    expected = one_by_one(
        model_of("RoPE"), Request(prompt=(5, 6, 7, *found.tokens[:5]), sampling=Sampling(max_tokens=7, ignore_eos=True))
    )
    assert [*found.tokens[5:]] == expected[0]


def test_inserted_tokens_count_towards_the_limit_and_may_complete_a_stop_text() -> None:
    assert answer(greedy(4, hook=lambda _: Insert((9,) * 30))).tokens[1:] == (9, 9, 9)
    request = replace(greedy(hook=lambda _: Insert((9, 10, 11))), sampling=Sampling(max_tokens=9, until=(" 10",)))
    assert answer(request).stopped == "until"


def test_a_mask_leaves_only_what_a_grammar_allows() -> None:
    grammar = {0: (20, 21), 1: (30,), 2: None, 3: ()}
    found = answer(greedy(allowed=lambda tokens: grammar[len(tokens)]))
    assert found.tokens[0] in (20, 21)
    assert found.tokens[1] == 30
    assert (len(found.tokens), found.stopped) == (3, "mask")
    beside = generator_of("RoPE").generate([greedy(allowed=lambda tokens: grammar[len(tokens)]), greedy()])
    assert beside == [found, answer(greedy())]


def test_a_prompt_without_room_is_refused_and_the_longest_gets_its_one_token() -> None:
    generator = generator_of("RoPE", slots=60)
    seq_len = model_of("RoPE").seq_len
    with pytest.raises(ValueError, match=f"{seq_len + 1} tokens: the model takes 1 to {seq_len}"):
        generator.submit(Request(prompt=(3,) * (seq_len + 1), sampling=Sampling(max_tokens=1)))
    with pytest.raises(ValueError, match="a prompt of 0 tokens"):
        generator.submit(Request(prompt=(), sampling=Sampling(max_tokens=1)))
    with pytest.raises(ValueError, match=r"the cache has 20 slots"):
        generator_of("RoPE", slots=20).submit(Request(prompt=(3,) * 15, sampling=Sampling(max_tokens=9)))
    with pytest.raises(ValueError, match=f"{VOCAB + 1} log probabilities: {VOCAB} at most"):
        generator.submit(replace(greedy(), sampling=Sampling(max_tokens=1, logprobs=VOCAB + 1)))
    (found,) = generator.generate([Request(prompt=(3,) * seq_len, sampling=Sampling(max_tokens=9, ignore_eos=True))])
    assert (len(found.tokens), found.stopped) == (1, "length")


def test_no_tokens_wanted_are_none_given() -> None:
    assert answer(greedy(0)) == Continuation(text="", tokens=(), stopped="length")


def test_requests_that_come_later_join_the_rows_that_run() -> None:
    requests = mixed_requests(12)
    generator, found = generator_of("RoPE", rows=4), {}
    waiting = [*requests]
    while waiting or not generator.is_idle:
        if waiting:
            generator.submit(waiting.pop(0))
        found.update(generator.step())
    assert [found[number] for number in range(12)] == generator_of("RoPE").generate(requests)
    assert max(token for each in found.values() for token in each.tokens) < VOCAB
