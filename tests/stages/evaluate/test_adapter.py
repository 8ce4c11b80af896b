from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from tokenizers import Tokenizer as FastTokenizer
from tokenizers import decoders, models, pre_tokenizers, processors, trainers
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from stages.evaluate.adapter import CheckpointLM
from stages.evaluate.answers import Answers
from stages.evaluate.backends.windows import Cut, read_sampling
from stages.generate.opening import open_checkpoint
from stages.model.checkpoint.load import LoadedModel
from stages.model.huggingface.importing import load_release
from stages.shared.errors import Checkpointed, ConfigError
from tests.stages.evaluate.tiny import (
    SEQ_LEN,
    TEXT,
    Fast,
    make_checkpoint,
    make_transformer,
    train_tokenizer,
)

PAIRS = [
    ("The heron stands in the", " river"),
    ("The heron stands in the", " market and the fox"),
    ("Bread costs ", "four coins."),  # the context's last space belongs to the continuation
    ("", "People paint their doors"),
    ("Wer das liest,", " kann Deutsch ça va"),
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
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("transformer")


@pytest.fixture(scope="module")
def transformer(folder: Path, hf_tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    return make_transformer(folder, len(hf_tokenizer))


@pytest.fixture(scope="module")
def model(folder: Path, transformer: LlamaForCausalLM) -> LoadedModel:
    return load_release(folder)


@pytest.fixture(scope="module")
def theirs(transformer: LlamaForCausalLM, hf_tokenizer: PreTrainedTokenizerFast) -> HFLM:
    return HFLM(
        pretrained=transformer,
        tokenizer=hf_tokenizer,
        batch_size=3,
        max_length=SEQ_LEN,
        device="cpu",
        add_bos_token=True,
    )


def make_adapter(model: LoadedModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> CheckpointLM:
    answers = Answers(folder / "answers.jsonl", "weights", lambda: False, lambda done: None)
    return CheckpointLM(model, Fast(tokenizer), answers, batch_tokens=64)


@pytest.fixture
def ours(model: LoadedModel, hf_tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> CheckpointLM:
    return make_adapter(model, hf_tokenizer, tmp_path)


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
    prompt = [ours.first_id, *ours.encoder.encode(context)]
    best = int(ours.model.logits(torch.tensor([prompt]))[0, -1].argmax())
    for token, is_greedy in ((best, True), (best + 1, False)):
        monkeypatch.setattr(ours, "encode_pairs", lambda requests, token=token: [(prompt, [token])])
        assert ours.loglikelihood(requests("loglikelihood", [(context, "")]))[0][1] is is_greedy


def test_rolling_loglikelihood_equals_a_sum_over_single_tokens(
    ours: CheckpointLM, transformer: LlamaForCausalLM
) -> None:
    found = ours.loglikelihood_rolling(requests("loglikelihood_rolling", [(text,) for text in TEXTS]))
    assert found == pytest.approx([one_by_one(ours, transformer, text) for text in TEXTS], abs=1e-3)


@torch.inference_mode()
def one_by_one(ours: CheckpointLM, transformer: LlamaForCausalLM, text: str) -> float:
    """Windows do not overlap, and the last one is filled up with what stands before it."""
    tokens = [ours.first_id, *ours.encoder.encode(text)]
    wanted = 0.0
    for at in range(1, len(tokens)):
        start = min((at - 1) // SEQ_LEN * SEQ_LEN, max(0, len(tokens) - 1 - SEQ_LEN))
        logits = transformer(torch.tensor([tokens[start:at]])).logits[0, -1]
        wanted += float(torch.log_softmax(logits, -1)[tokens[at]])
    return wanted


def test_rolling_loglikelihood_equals_lm_evals_own_adapter(
    ours: CheckpointLM, transformer: LlamaForCausalLM, hf_tokenizer: PreTrainedTokenizerFast
) -> None:
    # without add_bos_token, or lm-eval would put two of them before the text
    theirs = HFLM(
        pretrained=transformer,
        tokenizer=hf_tokenizer,
        batch_size=2,
        max_length=SEQ_LEN,
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


def test_a_sentencepiece_text_loses_the_space_behind_its_context_and_keeps_indentation(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(tmp_path / "tok")
    opened = open_checkpoint(make_checkpoint(tmp_path / "checkpoint", tokenizer), tokenizer)
    answers = Answers(tmp_path / "answers.jsonl", "weights", lambda: False, lambda done: None)
    ours = CheckpointLM(opened.model, opened.codec, answers, 64)
    options = {"max_gen_toks": 5, "temperature": 3.0}
    for end in ("", "\n"):
        contexts = [" ".join(TEXT.split()[at : at + 3]) + end for at in range(0, 40, 2)]
        rows = ours.generate([(context, read_sampling(options)) for context in contexts])
        assert any(row.text.startswith(" ") for row in rows), "a word begins some of them"
        found = ours.generate_until(requests("generate_until", [(context, options) for context in contexts]))
        assert found == [row.text if end else opened.codec.decode(row.ids) for row in rows]


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


def encoded(ours: CheckpointLM, *pairs: tuple[str, str]) -> list[tuple[list[int], list[int]]]:
    return list(ours.encode_pairs(requests("loglikelihood", pairs)))


def test_a_token_over_the_border_is_scored_with_the_continuation(ours: CheckpointLM) -> None:
    ((context, continuation),) = encoded(ours, ("the ri", "ver"))  # "river" ends in the token "iver"
    assert context + continuation == [ours.first_id, *ours.encoder.encode("the river")]
    assert ours.encoder.decode(continuation) == "iver"


@pytest.mark.parametrize("pair", [("", ""), ("   ", ""), ("The heron", ""), ("\n", " ")])
def test_empty_texts_are_answered(ours: CheckpointLM, pair: tuple[str, str]) -> None:
    logprob, _ = ours.loglikelihood(requests("loglikelihood", [pair]))[0]
    assert logprob <= 0.0


def test_a_continuation_longer_than_the_model_is_scored_in_windows(ours: CheckpointLM) -> None:
    rolling = ours.loglikelihood_rolling(requests("loglikelihood_rolling", [(TEXT,)]))[0]
    assert ours.loglikelihood(requests("loglikelihood", [("", TEXT)]))[0][0] == pytest.approx(rolling)


def test_a_stopped_evaluation_goes_on_where_it_was_and_ends_with_the_same_bits(
    model: LoadedModel, hf_tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    pairs = [(TEXT[at : at + 30], TEXT[at + 30 : at + 39]) for at in range(0, 180, 3)]
    asked = requests("loglikelihood", pairs)

    def adapter(journal: Path, answers: Answers | None = None) -> CheckpointLM:
        answers = answers or Answers(journal, "weights", lambda: False, seen.append)
        return CheckpointLM(model, Fast(hf_tokenizer), answers, batch_tokens=4)

    seen: list[int] = []
    whole = adapter(tmp_path / "whole.jsonl").loglikelihood(asked)
    groups = len(seen)
    assert groups > 3
    journal, stops = tmp_path / "resumed.jsonl", iter([False, False, True])
    stopped = adapter(journal, Answers(journal, "weights", lambda: next(stops), lambda done: None))
    with pytest.raises(Checkpointed):
        stopped.loglikelihood(asked)
    with journal.open("a") as file:
        file.write('["torn')
    seen.clear()
    resumed = adapter(journal)
    assert resumed.loglikelihood(asked) == whole
    assert seen == list(range(1, groups + 1))
    assert len(journal.read_text().splitlines()) == groups
    assert 0 < resumed.engine.tokens < adapter(tmp_path / "whole.jsonl").engine.tokens + 1000 * groups


def test_a_context_that_does_not_fit_keeps_its_first_token_and_is_counted(
    ours: CheckpointLM, transformer: LlamaForCausalLM
) -> None:
    ((context, wanted),) = encoded(ours, (TEXT[:200], " the old town"))
    ours_score = ours.loglikelihood(requests("loglikelihood", [(TEXT[:200], " the old town"), PAIRS[0]]))[0]
    kept = [ours.first_id, *context[-(SEQ_LEN - len(wanted)) :]]
    with torch.inference_mode():
        logprobs = torch.log_softmax(transformer(torch.tensor([[*kept, *wanted[:-1]]])).logits[0], -1)
    expected = logprobs[len(kept) - 1 :].gather(1, torch.tensor(wanted)[:, None]).sum()
    assert ours_score[0] == pytest.approx(float(expected), abs=1e-4)
    assert ours.cut == Cut(requests=1, tokens=len(context) - len(kept))


def test_a_prompt_leaves_room_for_what_may_follow_and_cuts_are_counted(ours: CheckpointLM, theirs: HFLM) -> None:
    options = {"until": ["zz"], "max_gen_toks": 8, "do_sample": False}
    ours.generate_until(requests("generate_until", [(TEXT[:60], options), ("a", options)]))
    prompt = [ours.first_id, *ours.encoder.encode(TEXT[:60])]
    assert ours.cut == Cut(requests=1, tokens=len(prompt) - (SEQ_LEN - 8), unfinished=2)


def test_choices_of_one_context_are_scored_from_one_border(ours: CheckpointLM) -> None:
    first, second = encoded(ours, ("the ri", "ver"), ("the ri", "x"))  # "river" alone would begin earlier
    assert first[0] == second[0]
    assert ours.encoder.decode(second[1]) == "rix"[-len(ours.encoder.decode(second[1])) :]
    other = Instance("loglikelihood", doc={}, arguments=("the ri", "ver"), idx=0, metadata=("task", 1, 1))
    alone = Instance("loglikelihood", doc={}, arguments=("the ri", "x"), idx=0, metadata=("task", 2, 1))
    apart = list(ours.encode_pairs([other, alone]))
    assert apart[1][1] == ours.encoder.encode("the rix")[len(apart[1][0]) - 1 :]
    assert len(apart[1][0]) > len(second[0])  # another document's choices do not move the border


def test_shared_contexts_are_computed_once(ours: CheckpointLM) -> None:
    pairs = [("The heron stands in the", f" {end}") for end in ("river", "market", "road", "town") for _ in range(3)]
    ours.loglikelihood(requests("loglikelihood", pairs))
    distinct = {tuple(whole[:at]) for a, b in encoded(ours, *pairs) for whole in [a + b[:-1]] for at in range(1, 99)}
    assert ours.engine.tokens == len(distinct)
