"""The Q-Former's text side beside transformers' Blip2ForImageTextRetrieval, and its three masks."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from transformers import Blip2Config, Blip2ForImageTextRetrieval

from stages.model.joins.config import JoinConfig
from stages.model.joins.qformer import QFormer
from stages.model.joins.text import QFormerText
from tests.stages.model.joins.test_qformer import SHAPE, WIDTH, theirs_of

ROWS, TEXT_LEN, SPACE = 40, 7, 12
LENGTHS = torch.tensor([7, 4, 2])
OURS = {
    "words": "embeddings.word_embeddings.weight",
    "positions": "embeddings.position_embeddings.weight",
    "picture_head": "vision_projection",
    "text_head": "text_projection",
    "match_head": "itm_head",
}


@dataclass
class Both:
    theirs: Blip2ForImageTextRetrieval
    former: QFormer
    text: QFormerText
    pixels: torch.Tensor
    features: torch.Tensor
    tokens: torch.Tensor


@pytest.fixture(scope="module")
def both() -> Both:
    """Their model with random weights and ours with the same ones."""
    torch.manual_seed(0)
    vision = {"hidden_size": WIDTH, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    sizes = {"image_size": 12, "patch_size": 4}
    former = {"hidden_size": SHAPE.dim, "num_hidden_layers": SHAPE.num_layers, "intermediate_size": SHAPE.ffn_dim}
    more = {"num_attention_heads": SHAPE.num_heads, "encoder_hidden_size": WIDTH, "vocab_size": ROWS}
    text = {"max_position_embeddings": TEXT_LEN, "use_qformer_text_input": True, "pad_token_id": 0}
    settings = {"num_query_tokens": SHAPE.queries, "image_text_hidden_size": SPACE, "image_token_index": None}
    theirs = Blip2ForImageTextRetrieval(
        Blip2Config(vision_config=vision | sizes, qformer_config=former | more | text, **settings)
    ).eval()
    ours, side = QFormer(SHAPE, WIDTH), QFormerText(SHAPE, ROWS, TEXT_LEN, SPACE)
    with torch.no_grad():
        for weight in [*theirs.parameters(), *side.parameters()]:
            weight.copy_(torch.randn(weight.shape) * 0.3)
        given = theirs.state_dict()
        ours.load_state_dict({name: given.pop(_place(name)) for name in ours.state_dict()})
        side.load_state_dict({name: given.pop(_place_of_text(name), old) for name, old in side.state_dict().items()})
        pixels = torch.randn(3, 3, 12, 12)
        features = theirs.vision_model(pixels).last_hidden_state
    left = {name for name in given if not name.startswith("vision_model.")}
    assert not left, "a weight of theirs has no place"
    return Both(theirs, ours, side, pixels, features, torch.randint(1, ROWS, (3, TEXT_LEN)))


def _place(name: str) -> str:
    return "query_tokens" if name == "queries" else f"qformer.{theirs_of(name)}"


def _place_of_text(name: str) -> str:
    start, _, rest = name.partition(".")
    if start == "layers":
        number, part, last = rest.split(".")
        inner = {"inner": "intermediate.dense", "out": "output.dense", "norm": "output.LayerNorm"}[part]
        return f"qformer.encoder.layer.{number}.{inner}.{last}"
    return ".".join(filter(None, (OURS.get(start, start), rest)))


def _asked(both: Both, *, matching: bool) -> torch.Tensor:
    mask = (torch.arange(TEXT_LEN) < LENGTHS[:, None]).long()
    found = both.theirs(both.pixels, both.tokens, mask, use_image_text_matching_head=matching)
    logits: torch.Tensor = found.logits_per_image
    return logits


@torch.no_grad()
def test_similarities_are_those_of_transformers(both: Both) -> None:
    pictures = both.text.pictures(both.former.asked(both.features))
    texts = both.text.texts(both.former, both.tokens, LENGTHS)
    ours = (pictures @ texts.t()).amax(1)
    assert (ours - _asked(both, matching=False)).abs().max() < 1e-5


@torch.no_grad()
def test_matches_are_those_of_transformers(both: Both) -> None:
    ours = both.text.matches(both.former, both.tokens, LENGTHS, both.features)
    assert (ours - _asked(both, matching=True)).abs().max() < 1e-5


@torch.no_grad()
def test_written_text_is_that_of_one_pass_with_a_causal_mask(both: Both) -> None:
    queries, count = both.theirs.query_tokens.expand(3, -1, -1), SHAPE.queries
    embedded = both.theirs.embeddings(both.tokens, query_embeds=queries)
    visible = torch.ones(count + TEXT_LEN, count + TEXT_LEN, dtype=torch.bool).tril()
    visible[:count, :count] = True
    hidden = both.theirs.qformer(
        query_embeds=embedded,
        query_length=count,
        attention_mask=visible.expand(3, 1, -1, -1),
        encoder_hidden_states=both.features,
    ).last_hidden_state[:, count:]
    inner = both.text.norm(F.gelu(both.text.inner(hidden)))
    expected = inner @ both.text.words.t() + both.text.word_bias
    ours = both.text.written(both.former, both.tokens, both.former.states(both.features))
    assert (ours - expected).abs().max() < 1e-4


@torch.no_grad()
def test_each_mask_hides_what_it_should(both: Both) -> None:
    """A changed token is seen by a text that is read, by the queries that match, and by later written tokens alone."""
    former, text, features = both.former, both.text, both.features
    changed = both.tokens.clone()
    changed[:, 3] = changed[:, 3] % (ROWS - 1) + 1
    states = former.states(features)
    apart = (text.written(former, changed, states) - text.written(former, both.tokens, states)).abs().amax(2)
    assert apart[:, :3].max() < 1e-6
    assert apart[:, 3:].amin() > 1e-4
    read = (text.texts(former, changed, LENGTHS) - text.texts(former, both.tokens, LENGTHS)).abs().amax(1)
    matched = text.matches(former, changed, LENGTHS, features) - text.matches(former, both.tokens, LENGTHS, features)
    for difference in (read, matched.abs().amax(1)):
        assert difference[:2].min() > 1e-4
        assert difference[2] < 1e-6, "token 3 lies behind the end of the third text"
    unlike = text.written(former, both.tokens, former.states(features.flip(0)))
    assert (unlike - text.written(former, both.tokens, states))[0, 0].abs().max() > 1e-4, "text sees the queries"


def test_blip2s_first_stage_has_its_published_size() -> None:
    """BERT-base with 30,523 words and 512 positions on features of 1,408: about 188 million with all heads."""
    shape = JoinConfig(kind="qformer")
    with torch.device("meta"):
        parts = QFormer(shape, 1408), QFormerText(shape, 30_523, 512, 256)
    count = sum(weight.numel() for part in parts for weight in part.parameters())
    assert round(count / 1e6, 1) == 186.7
