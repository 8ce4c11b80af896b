"""config.json of a Hugging Face folder, from and to a decoder's settings. Pure; imports no torch.

transformers' LlamaForCausalLM (dense) and MixtralForCausalLM (experts) are what this decoder can be exactly, and with a
scalar head LlamaForSequenceClassification and MixtralForSequenceClassification of one label.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from stages.model.config import ModelConfig, MoEConfig
from stages.model.senses import PARTS, SENSES
from stages.shared.errors import DataError
from stages.shared.files import read_json

CONFIG_JSON = "config.json"
_SIZES = {
    "num_layers": "num_hidden_layers",
    "dim": "hidden_size",
    "num_heads": "num_attention_heads",
    "num_kv_heads": "num_key_value_heads",
    "ffn_dim": "intermediate_size",
    "seq_len": "max_position_embeddings",
    "norm_eps": "rms_norm_eps",
    "init_std": "initializer_range",
}
"""Our names and transformers' for the same numbers."""
_MUST_BE = {
    "hidden_act": ("silu",),
    "attention_bias": (False, None),
    "mlp_bias": (False, None),
    "sliding_window": (None,),
    "rope_scaling": (None,),
    "pretraining_tp": (1, None),
}
"""Settings of transformers that have one value here; the first is what a config without them means."""
# fmt: off
_ARCHITECTURE = (
    ("position", "rope"), ("norm", "rmsnorm"), ("activation", "swiglu"), ("bias", False),
)
# fmt: on
"""Settings of ours that have one value in LLaMA and Mixtral."""
_SHAPES_NO_WEIGHT = ("seq_len", "init_std")
_ENDS = {"lm": "ForCausalLM", "scalar": "ForSequenceClassification"}
"""Ends of the names of transformers' architectures, by head."""


def unreleasable(model: ModelConfig) -> str:
    """Return the reason why transformers has no architecture with these settings; empty: it has one."""
    for setting, wanted in _ARCHITECTURE:
        if getattr(model, setting) != wanted:
            return f"model.{setting} {getattr(model, setting)}: LLaMA and Mixtral have {wanted}"
    if model.head not in _ENDS:
        return f"model.head {model.head}: LLaMA and Mixtral have {' or '.join(_ENDS)}"
    if model.ears:
        return "model.ears: LLaMA and Mixtral hear nothing"
    if model.moe and model.moe.top_k == 1:
        return "model.moe.top_k 1: Mixtral gives an only expert the weight 1, not its probability"
    return ""


def to_config_json(model: ModelConfig, rows: int, dtype: str, *, bos_id: int, eos_id: int) -> dict[str, Any]:
    """Return config.json's content for a vocabulary of `rows` tokens; `dtype` is float32, bfloat16 or float16.

    Raises ValueError, saying which setting, if transformers has no architecture with these settings.
    """
    if reason := unreleasable(model):
        raise ValueError(reason)
    settings = {theirs: getattr(model, ours) for ours, theirs in _SIZES.items()}
    settings |= {"num_key_value_heads": model.kv_heads, "intermediate_size": model.ffn}
    experts: dict[str, Any] = {}
    if model.moe:
        experts = {
            "num_local_experts": model.moe.num_experts,
            "num_experts_per_tok": model.moe.top_k,
            "router_aux_loss_coef": model.moe.aux_loss,
            "sliding_window": None,
        }
    return {
        "architectures": [("Mixtral" if model.moe else "Llama") + _ENDS[model.head]],
        "model_type": "mixtral" if model.moe else "llama",
        **settings,
        **experts,
        **({"id2label": {"0": "reward"}, "label2id": {"reward": 0}} if model.head == "scalar" else {}),
        "head_dim": model.head_dim,
        "hidden_act": "silu",
        "tie_word_embeddings": model.tied_embeddings,
        "vocab_size": rows,
        "bos_token_id": bos_id,
        "eos_token_id": eos_id,
        "torch_dtype": dtype,
        # transformers 4 reads the first, transformers 5 the second.
        "rope_theta": float(model.rope_theta),
        "rope_parameters": {"rope_theta": float(model.rope_theta), "rope_type": "default"},
    }


def from_config_json(settings: Mapping[str, Any], path: Path) -> tuple[ModelConfig, int]:
    """Return the decoder's settings and the rows of its vocabulary.

    Raises DataError, naming the setting, for what this decoder cannot be.
    """
    kind = settings.get("model_type")
    if kind not in ("llama", "mixtral"):
        raise DataError(path, f"model_type {kind!r}", "Use llama or mixtral")
    for name, known in _MUST_BE.items():
        if settings.get(name, known[0]) not in known:
            raise DataError(path, f"{name} {settings[name]!r}", f"This decoder has {known[0]!r}")
    try:
        values = {ours: settings[theirs] for ours, theirs in _SIZES.items() if settings.get(theirs) is not None}
        moe = None
        if kind == "mixtral":
            if settings["num_experts_per_tok"] == 1:
                raise ValueError("num_experts_per_tok 1: must be more, since a single expert has another weight here")
            moe = MoEConfig(num_experts=settings["num_local_experts"], top_k=settings["num_experts_per_tok"])
        head = _head(settings)
        model = ModelConfig(
            **values,
            rope_theta=_theta(settings, 10_000 if kind == "llama" else 1_000_000),
            tied_embeddings=head == "lm" and bool(settings.get("tie_word_embeddings")),
            head=head,
            moe=moe,
        )
        vocab_size = int(settings["vocab_size"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(path, f"lacks or misstates {error}", "Use transformers' config.json") from error
    if settings.get("head_dim") not in (None, model.head_dim):
        raise DataError(path, f"head_dim {settings['head_dim']}", f"This decoder has dim / num_heads, {model.head_dim}")
    return model, vocab_size


def differences(wanted: ModelConfig, found: ModelConfig) -> dict[str, Any]:
    """Return the settings of `found` that shape weights or what they mean and are others than `wanted`'s.

    Left out are the context, the initial deviation and the experts' losses: a training may choose its own. Models with
    different heads do not share the output layer, which may be tied in one of them.
    """
    ours, theirs = (
        {
            **model.model_dump(exclude={*_SHAPES_NO_WEIGHT, "moe"}),
            "num_kv_heads": model.kv_heads,
            "ffn_dim": model.ffn,
            "moe": model.moe and {"num_experts": model.moe.num_experts, "top_k": model.moe.top_k},
            "eyes": model.eyes and model.eyes.model_dump(exclude={part: {"init_std"} for part in PARTS}),
        }
        for model in (wanted, found)
    )
    if wanted.head != found.head:
        theirs["tied_embeddings"] = ours["tied_embeddings"]
    return {name: value for name, value in theirs.items() if value != ours[name]}


def folder_differences(wanted: ModelConfig, found: ModelConfig) -> dict[str, Any]:
    """Return what `differences` does, for a folder: config.json names no added tokens, and knows no adapters.

    A head of another kind is new, and so is a sense that the folder lacks.
    """
    free = ("extra_tokens", "lora", "head", *(() if found.sense else SENSES))
    return {name: value for name, value in differences(wanted, found).items() if name not in free}


def require_same_shape(path: Path, other: Mapping[str, Any]) -> None:
    """Raise DataError if a model at `path` has other settings than the recipe's: those that `differences` found."""
    if other:
        remedy = f"Give the recipe's model section {', '.join(f'{name}: {value}' for name, value in other.items())}"
        raise DataError(path, "another shape than the recipe's", remedy)


def _head(settings: Mapping[str, Any]) -> Literal["lm", "scalar"]:
    """Return the head. Raises ValueError for a classifier of several labels."""
    names = settings.get("architectures") or [_ENDS["lm"]]
    if not str(names[0]).endswith(_ENDS["scalar"]):
        return "lm"
    if (labels := len(settings.get("id2label") or (0, 0))) != 1:
        raise ValueError(f"{labels} labels: a reward model has one")
    return "scalar"


def _theta(settings: Mapping[str, Any], default: int) -> int:
    rope = settings.get("rope_parameters") or {}
    if rope.get("rope_type", "default") != "default":
        raise ValueError(f"rope_type {rope['rope_type']!r}: must be default")
    theta = rope.get("rope_theta", settings.get("rope_theta", default))
    if theta != int(theta):
        raise ValueError(f"rope_theta {theta}: must be a whole number")
    return int(theta)


def read_config(path: Path) -> dict[str, Any]:
    """Return a JSON file of a folder. Raises DataError if it is none."""
    try:
        value = read_json(path)
    except (OSError, ValueError) as error:
        raise DataError(path, f"unreadable ({error})", "Use a folder as transformers saves it") from error
    if not isinstance(value, dict):
        raise DataError(path, "no JSON object", "Use a folder as transformers saves it")
    return value
