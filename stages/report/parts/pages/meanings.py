"""Explains the steps of a funnel and the reasons for dropping pages, in a few words each. Pure.

A name that is not here is shown alone: a funnel may hold steps and reasons that are newer than this table.
"""

from __future__ import annotations

from collections.abc import Mapping

STEPS: Mapping[str, str] = {
    "read": "reads the pages of the crawl's records",
    "url": "checks URLs against block lists and words",
    "preview": "extracts a fast text of every page and applies loose limits",
    "extraction": "extracts the main text",
    "language": "identifies the language with fastText",
    "repetition": "drops pages that repeat themselves",
    "quality": "drops pages that are not prose",
    "lines": "removes lines that are not prose",
    "dedup": "drops pages that nearly equal an earlier one",
    "substrings": "removes runs of words that other pages have too",
    "urls": "drops pages whose URL an earlier page had",
}

REASONS: Mapping[str, str] = {
    "damaged_record": "the archive is damaged here",
    "truncated_record": "the archive ends inside the page",
    "unreadable_file": "the file is not an archive, or cannot be opened",
    "no_http_response": "the record is not the response of a web server",
    "http_status": "the server responded with an error",
    "no_url": "the record has no URL",
    "empty_body": "the page is empty",
    "not_html": "not HTML: a picture, a PDF ...",
    "not_plain_text": "not plain text, in a WET file",
    "not_text": "not text after decoding",
    "too_large": "larger than read.max_page_mb",
    "too_deep": "thousands of elements within each other",
    "too_many_attributes": "thousands of attributes in one tag",
    "bad_url": "the URL is malformed",
    "blocked_host": "the host is on your own block list",
    "blocked_domain": "the host is on the UT1 block list",
    "blocked_url": "the URL is on the UT1 block list",
    "excluded_host": "a source with better copies elsewhere",
    "strict_word": "a forbidden word anywhere in the URL",
    "hard_word": "a forbidden word in the URL",
    "soft_words": "several doubtful words in the URL",
    "no_text": "the markup holds no text",
    "other_language": "a language that is not selected",
    "low_score": "no language is certain enough",
    "duplicate_paragraphs": "too many paragraphs repeat an earlier one",
    "duplicate_paragraph_chars": "too much of the text is in repeated paragraphs",
    "duplicate_lines": "too many lines repeat an earlier one",
    "duplicate_line_chars": "too much of the text is in repeated lines",
    "repeated_characters": "a few runs of characters recur again and again",
    "repeated_words": "most runs of words occur twice",
    **{f"top_{n}_gram": f"one phrase of {n} words recurs again and again" for n in range(2, 5)},
    **{f"duplicate_{n}_gram": f"too much of the text is in repeated phrases of {n} words" for n in range(5, 11)},
    "too_few_words": "too few words",
    "too_many_words": "too many words",
    "short_words": "words are too short on average",
    "long_words": "words are too long on average",
    "hashes": "too many number signs",
    "ellipses": "too many ellipses",
    "bullet_lines": "nearly all lines are bullet points",
    "ellipsis_lines": "too many lines end with an ellipsis",
    "few_alphabetic_words": "too many words without a letter",
    "few_stop_words": "hardly any of the commonest words",
    "few_function_words": "too few words such as articles and prepositions",
    "special_characters": "too many characters that are not letters",
    "too_many_words_removed": "too much text was in lines that had to be removed",
    "near_duplicate": "most word 5-grams occur in another page",
    "exact_duplicate": "the text equals another page's",
    "seen_before": "a page of an earlier run nearly equals it",
    "too_short_after_cut": "too little text left without shared runs of words",
    "seen_url": "another page with this URL is kept",
}


def step_meaning(name: str) -> str:
    """Return the purpose of a step, or an empty string."""
    return STEPS.get(name, "")


def reason_meaning(name: str) -> str:
    """Return the meaning of a reason, or an empty string."""
    return REASONS.get(name, "")
