from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from tokenizers import Tokenizer as FastTokenizer
from tokenizers import decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from stages.evaluate.adapter import CheckpointLM, read_sampling
from stages.evaluate.answers import Answers
from stages.shared.errors import Checkpointed, ConfigError
from tests.stages.evaluate.tiny import TEXT, Fast, Transformer

PAIRS = [
    ("The heron stands in the", " river"),
    ("The heron stands in the", " market and the fox"),
    ("Bread costs ", "four coins."),  # the context's last space belongs to the continuation
    ("", "People paint their doors"),
    ("Wer das liest,", " kann Deutsch ça va"),
    (TEXT[:200], " the old town"),  # longer than the model: cut on the left
    ("One,", " two, three, 4, 56, 789!"),
]
PERIODIC = "Over the roofs " * 30
TEXTS = ["The road", TEXT, "x", PERIODIC, "日本 unseen bytes \x00"]


@pytest.fixture(scope="module")
def hf_tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = FastTokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=330, special_tokens=["</s>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([TEXT], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="</s> $A", special_tokens=[("</s>", 0)])
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]  # transformers leaves it bare
        tokenizer_object=tokenizer, bos_token="</s>", eos_token="</s>", pad_token="</s>"
    )


@pytest.fixture(scope="module")
def transformer(hf_tokenizer: PreTrainedTokenizerFast) -> Transformer:
    return Transformer(len(hf_tokenizer))


@pytest.fixture(scope="module")
def theirs(transformer: Transformer, hf_tokenizer: PreTrainedTokenizerFast) -> HFLM:
    return HFLM(
        pretrained=transformer.model,
        tokenizer=hf_tokenizer,
        batch_size=3,
        max_length=transformer.seq_len,
        device="cpu",
        add_bos_token=True,
    )


def make_adapter(transformer: Transformer, tokenizer: PreTrainedTokenizerFast, folder: Path) -> CheckpointLM:
    answers = Answers(folder / "answers.jsonl", "weights", lambda: False, lambda done: None)
    return CheckpointLM(transformer, Fast(tokenizer), answers, batch_tokens=64)


@pytest.fixture
def ours(transformer: Transformer, hf_tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> CheckpointLM:
    return make_adapter(transformer, hf_tokenizer, tmp_path)


def requests(kind: str, arguments: Sequence[tuple[Any, ...]]) -> list[Instance]:
    return [Instance(request_type=kind, doc={}, arguments=args, idx=0) for args in arguments]


def test_loglikelihood_equals_lm_evals_own_adapter(ours: CheckpointLM, theirs: HFLM) -> None:
    mine = ours.loglikelihood(requests("loglikelihood", PAIRS))
    reference = theirs.loglikelihood(requests("loglikelihood", PAIRS), disable_tqdm=True)
    assert [pair[0] for pair in mine] == pytest.approx([pair[0] for pair in reference], abs=1e-4)
    assert [pair[1] for pair in mine] == [pair[1] for pair in reference]


def test_greedy_flag_is_true_for_the_models_own_continuation(
    ours: CheckpointLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = "The heron stands in the"
    prompt = [ours.prefix_id, *ours.encoder.encode(context)]
    best = int(ours.model.logits(torch.tensor([prompt]))[0, -1].argmax())
    for token, is_greedy in ((best, True), (best + 1, False)):
        monkeypatch.setattr(ours, "encode_pair", lambda context, continuation, token=token: (prompt, [token]))
        assert ours.loglikelihood(requests("loglikelihood", [(context, "")]))[0][1] is is_greedy


def test_rolling_loglikelihood_equals_a_sum_over_single_tokens(ours: CheckpointLM, transformer: Transformer) -> None:
    found = ours.loglikelihood_rolling(requests("loglikelihood_rolling", [(text,) for text in TEXTS]))
    assert found == pytest.approx([one_by_one(ours, transformer, text) for text in TEXTS], abs=1e-3)


@torch.inference_mode()
def one_by_one(ours: CheckpointLM, transformer: Transformer, text: str) -> float:
    """Windows do not overlap, and the last one is filled up with what stands before it."""
    tokens = [ours.prefix_id, *ours.encoder.encode(text)]
    wanted = 0.0
    for at in range(1, len(tokens)):
        start = min(
            (at - 1) // transformer.seq_len * transformer.seq_len, max(0, len(tokens) - 1 - transformer.seq_len)
        )
        logits = transformer.logits(torch.tensor([tokens[start:at]]))[0, -1]
        wanted += float(torch.log_softmax(logits, -1)[tokens[at]])
    return wanted


def test_rolling_loglikelihood_equals_lm_evals_own_adapter(
    ours: CheckpointLM, transformer: Transformer, hf_tokenizer: PreTrainedTokenizerFast
) -> None:
    # without add_bos_token, or lm-eval would put two of them before the text
    theirs = HFLM(
        pretrained=transformer.model,
        tokenizer=hf_tokenizer,
        batch_size=2,
        max_length=transformer.seq_len,
        device="cpu",
        add_bos_token=False,
    )
    # periodic texts are left out: lm-eval 0.4.13 gives two windows with the same input tokens the scores of the first
    arguments = [(text,) for text in TEXTS if text != PERIODIC]
    mine = ours.loglikelihood_rolling(requests("loglikelihood_rolling", arguments))
    reference = theirs.loglikelihood_rolling(requests("loglikelihood_rolling", arguments), disable_tqdm=True)
    assert mine == pytest.approx(reference, abs=2e-3, rel=1e-6)


def test_greedy_generation_equals_lm_evals_own_adapter(ours: CheckpointLM, theirs: HFLM) -> None:
    options = {"until": ["zz"], "max_gen_toks": 8, "do_sample": False}
    arguments = [("The heron", options), ("In the market bread", options), ("a", options)]
    mine = ours.generate_until(requests("generate_until", arguments))
    assert mine == theirs.generate_until(requests("generate_until", arguments), disable_tqdm=True)


def test_a_stop_text_ends_the_continuation_and_is_not_part_of_it(ours: CheckpointLM) -> None:
    whole = ours.generate_until(requests("generate_until", [("The heron", {"max_gen_toks": 8})]))[0]
    stop = whole[3:5]
    cut = ours.generate_until(requests("generate_until", [("The heron", {"max_gen_toks": 8, "until": stop})]))[0]
    assert cut == whole[: whole.find(stop)]


def test_sampling_repeats_with_its_seed_and_does_not_depend_on_the_other_rows(ours: CheckpointLM) -> None:
    options = {"do_sample": True, "temperature": 0.9, "top_k": 20, "top_p": 0.95, "max_gen_toks": 12}
    arguments = [("The heron", options), ("The heron", options), ("One, two", options)]
    first = ours.generate_until(requests("generate_until", arguments))
    assert first[0] != first[1]
    ours.batch_tokens = 1  # a row a batch
    assert ours.generate_until(requests("generate_until", arguments)) == first


def test_an_option_that_would_be_ignored_is_refused() -> None:
    with pytest.raises(ConfigError, match="num_beams"):
        read_sampling({"num_beams": 4})


def test_a_token_over_the_border_is_scored_with_the_continuation(ours: CheckpointLM) -> None:
    context, continuation = ours.encode_pair("the ri", "ver")  # "river" ends in the token "iver"
    assert context + continuation == [ours.prefix_id, *ours.encoder.encode("the river")]
    assert ours.encoder.decode(continuation) == "iver"


@pytest.mark.parametrize("pair", [("", ""), ("   ", ""), ("The heron", ""), ("\n", " ")])
def test_empty_texts_are_answered(ours: CheckpointLM, pair: tuple[str, str]) -> None:
    logprob, _ = ours.loglikelihood(requests("loglikelihood", [pair]))[0]
    assert logprob <= 0.0


def test_a_continuation_longer_than_the_model_is_scored_in_windows(ours: CheckpointLM) -> None:
    rolling = ours.loglikelihood_rolling(requests("loglikelihood_rolling", [(TEXT,)]))[0]
    assert ours.loglikelihood(requests("loglikelihood", [("", TEXT)]))[0][0] == pytest.approx(rolling)


def test_a_stopped_evaluation_goes_on_where_it_was_and_ends_with_the_same_bits(
    transformer: Transformer, hf_tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    whole = make_adapter(transformer, hf_tokenizer, tmp_path).loglikelihood(requests("loglikelihood", PAIRS))
    journal = tmp_path / "resumed.jsonl"
    asked = iter([False, False, True])
    stopped = CheckpointLM(
        transformer, Fast(hf_tokenizer), Answers(journal, "weights", lambda: next(asked), lambda done: None), 64
    )
    with pytest.raises(Checkpointed):
        stopped.loglikelihood(requests("loglikelihood", PAIRS))
    with journal.open("a") as file:
        file.write('["torn')
    seen: list[int] = []
    resumed = CheckpointLM(transformer, Fast(hf_tokenizer), Answers(journal, "weights", lambda: False, seen.append), 64)
    assert resumed.loglikelihood(requests("loglikelihood", PAIRS)) == whole
    assert seen == list(range(1, len(seen) + 1))
    assert len(journal.read_text().splitlines()) == len(seen)
