"""The table of every kind of file in which two stages meet, or that a user brings: names and file names, once.

The module of each format in this room reads and writes it. Light: configs on login nodes import this table alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from stages.formats.pieces import count_pieces
from stages.shared.contract import Kind


@dataclass(frozen=True)
class Kinds:
    """All kinds, by name."""

    warc: Kind = Kind("warc")
    """Crawl files, WARC or WET: `*.warc.gz`."""
    url_lists: Kind = Kind("url_lists")
    """Lists of hosts or words, one entry a line, brought by the user."""
    language_model: Kind = Kind("language_model")
    """A fastText model, brought by the user."""
    wiki_dumps: Kind = Kind("wiki_dumps")
    """MediaWiki XML dumps: `*-pages-articles.xml.bz2`."""
    posts: Kind = Kind("posts")
    """`Posts.xml` of Stack Exchange's dumps."""
    books: Kind = Kind("books")
    """Books: EPUB, text or HTML, brought by the user."""
    repositories: Kind = Kind("repositories")
    """Source code: git repositories, archives, or rows of The Stack."""
    papers: Kind = Kind("papers")
    """LaTeX sources as arXiv ships them."""
    rows: Kind = Kind("rows")
    """Texts in rows: JSON lines, Parquet or Arrow."""
    documents: Kind = Kind("documents", "documents.jsonl.zst")
    rejects: Kind = Kind("rejects", "rejects.jsonl.zst")
    """Samples of dropped pages, with reasons."""
    funnel: Kind = Kind("funnel", "funnel.json")
    tables: Kind = Kind("tables", "tables.json")
    index: Kind = Kind("index", "index.npz")
    """Signatures and URLs of kept pages, for later runs."""
    key: Kind = Kind("key", "key.jsonl")
    """The sample web's answer key."""
    facts: Kind = Kind("facts", "facts.jsonl")
    """Questions with choices."""
    toxicity: Kind = Kind("toxicity")
    """Words and weights that score a text's toxicity, brought by the user."""
    benchmark_files: Kind = Kind("benchmark_files")
    """Files of benchmarks as they are published, brought by the user."""
    items: Kind = Kind("items", "items.jsonl")
    """Questions of evaluations, to look for in documents."""
    overlaps: Kind = Kind("overlaps", "overlaps.jsonl")
    """Passages that documents share with questions of evaluations."""
    contamination: Kind = Kind("contamination", "contamination.json")
    """Questions of evaluations that were found in documents, by task."""
    quality: Kind = Kind("quality", "quality.json")
    """Documents by the score of a classifier, and masks of personal data."""
    compression: Kind = Kind("compression", "compression.json")
    """Tokens that tokenizers make of the same documents."""
    datasets: Kind = Kind("datasets")
    """Folders of prepared data of lm-eval's tasks, in the layout of the Hugging Face cache."""
    definition: Kind = Kind("definition")
    """Tasks in lm-eval's format and the files that they name, brought by the user."""
    task_files: Kind = Kind("task_files")
    """Examples of a task as rows: JSONL, TSV or Parquet, brought by the user."""
    prompts: Kind = Kind("prompts")
    """Prompt templates in promptsource's YAML, brought by the user."""
    chats: Kind = Kind("chats", "chats.jsonl")
    instruction_files: Kind = Kind("instruction_files")
    """Instruction data as it is published, brought by the user."""
    synthesis: Kind = Kind("synthesis", "synthesis.json")
    """Chats that were read or made: requests, kept, rejected by reason, family trees."""
    mixture: Kind = Kind("mixture", "mixture.json")
    """Tasks of a mixture: examples, shares that were promised, draws."""
    packing: Kind = Kind("packing", "packing.json")
    """What became of chats that were packed for a fine-tuning."""
    reward: Kind = Kind("reward", "reward.json")
    """Measurements of a reward model on held-out comparisons."""
    preferences: Kind = Kind("preferences", "preferences.jsonl")
    """Responses to prompts with their ranking, by people, models or rules."""
    preference_files: Kind = Kind("preference_files")
    """Comparisons as they are published, brought by the user."""
    heldout_preferences: Kind = Kind("heldout_preferences", "heldout_preferences.jsonl")
    """Preferences kept out of every training, to measure a reward model."""
    candidates: Kind = Kind("candidates", "candidates.jsonl")
    """Responses to prompts that somebody may rank."""
    agreement: Kind = Kind("agreement", "agreement.json")
    """How far people who ranked the same responses agree."""
    api_files: Kind = Kind("api_files")
    """Listings of hubs, model cards, OpenAPI files and Python sources that describe APIs, brought by the user."""
    apis: Kind = Kind("apis", "apis.jsonl")
    """APIs in APIBench's ten fields."""
    api_questions: Kind = Kind("api_questions", "questions.jsonl")
    """Requests, each with the API that answers it."""
    call_scores: Kind = Kind("call_scores", "call_scores.json")
    """How often answers call the right API."""
    catalogue: Kind = Kind("catalogue")
    """Models of a hub by task, with likes and downloads, brought by the user."""
    tool_requests: Kind = Kind("tool_requests", "requests.jsonl")
    """Requests with files that a conductor answers, and the right plans where they are known."""
    conducted: Kind = Kind("conducted", "conducted.jsonl")
    """Conducted requests: plans, experts, results and answers."""
    plan_scores: Kind = Kind("plan_scores", "plan_scores.json")
    """How far plans are the right ones."""
    picture_files: Kind = Kind("picture_files")
    """Pictures with texts as they are published, brought by the user."""
    pictures: Kind = Kind("pictures", "pictures")
    """A folder: content-addressed tars of pictures, with an index."""
    sounds: Kind = Kind("sounds", "sounds")
    """A folder: content-addressed tars of sounds with their words, with an index."""
    verdicts: Kind = Kind("verdicts", "verdicts.jsonl")
    """Verdicts on pairs of answers, by people, models or rules."""
    judgement: Kind = Kind("judgement", "judgement.json")
    """Win rates of policies by one judge."""
    tokenizer: Kind = Kind("tokenizer", "tokenizer.model", count_pieces)
    """A SentencePiece model; an equal `tokenizer.json` lies beside it."""
    tokens: Kind = Kind("tokens")
    """Megatron's indexed dataset: `.bin`, with `.idx` beside it."""
    token_counts: Kind = Kind("token_counts", "token_counts.json")
    heldout: Kind = Kind("heldout", "heldout.jsonl.zst")
    """Documents kept out of the tokens, for evaluation."""
    checkpoint: Kind = Kind("checkpoint")
    """A folder: Megatron's distributed checkpoint and a JSON of the state that is not tensors."""
    state: Kind = Kind("state")
    """A checkpoint with everything that training continues from: weights, optimizer, position."""
    metrics: Kind = Kind("metrics", "metrics.jsonl")
    scaling: Kind = Kind("scaling", "scaling.json")
    """A power law through the losses of several trainings."""
    readings: Kind = Kind("readings", "readings.json")
    """Tokens that a training took from each source."""
    layers: Kind = Kind("layers", "layers.jsonl")
    """Norms by part of the model."""
    rank_times: Kind = Kind("rank_times", "ranks.json")
    """A training's times by rank."""
    rollouts: Kind = Kind("rollouts", "rollouts.jsonl")
    """Responses that a policy sampled: ids, log probabilities, scores."""
    rounds: Kind = Kind("rounds", "rounds.jsonl")
    """Rounds of a reinforcement learning: numbers, and samples to read."""
    reward_rule: Kind = Kind("reward_rule")
    """A rule that scores responses, brought by the user."""
    release: Kind = Kind("release", "release")
    """A folder that transformers loads."""
    encoder: Kind = Kind("encoder", "encoder")
    """A folder with a vision encoder that transformers loads."""
    endpoint: Kind = Kind("endpoint", "address.json")
    """The address of a running service: {"address": "http://host:port"}."""
    results: Kind = Kind("results", "results.json")
    samples: Kind = Kind("samples", "samples.jsonl")
    seen: Kind = Kind("seen", "seen.json")
    """Questions on pictures with their answers, to look at."""
    generations: Kind = Kind("generations", "generations.jsonl")
    alarm: Kind = Kind("alarm", "alarm.json")
    """Which tasks became worse, checkpoint by checkpoint."""
    report: Kind = Kind("report", "report.html")
    card: Kind = Kind("card", "card.json")
    """A data card for programs."""
    card_page: Kind = Kind("card_page", "card.html")
    """The same as a page."""


KINDS = Kinds()
