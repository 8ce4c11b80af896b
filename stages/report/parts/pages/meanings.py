"""What the names in a funnel mean, in a few words for someone who has not read the web stage. Pure.

A name that is not here is shown as it is: a funnel may have steps that this report has never heard of.
"""

from __future__ import annotations

import re

STEPS = {
    "read": "records of the crawl that are pages",
    "url": "addresses against block lists and words",
    "preview": "a fast text of every page and loose gates on it",
    "extraction": "main text out of the markup",
    "language": "fastText's language and how sure it is",
    "repetition": "pages that repeat themselves",
    "quality": "pages that do not look like prose",
    "lines": "lines that are no prose are cut out",
    "dedup": "pages much like an earlier one",
    "substrings": "runs of words that other pages have too are cut out",
    "urls": "addresses that an earlier page had",
}

REASONS = {
    "damaged_record": "the archive is damaged here",
    "truncated_record": "the archive ends inside the page",
    "unreadable_file": "a file that is no archive, or cannot be opened",
    "no_http_response": "no answer of a web server",
    "http_status": "the server answered with an error",
    "no_url": "no address",
    "empty_body": "nothing in it",
    "not_html": "no HTML: a picture, a PDF ...",
    "not_plain_text": "no plain text, in a WET file",
    "not_text": "no text when decoded",
    "too_large": "larger than read.max_page_mb",
    "too_deep": "thousands of elements within each other",
    "too_many_attributes": "thousands of attributes in one tag",
    "bad_url": "an address that is none",
    "blocked_host": "on your own block list",
    "blocked_domain": "its host is on the UT1 list",
    "blocked_url": "its address is on the UT1 list",
    "excluded_host": "a source that is better taken elsewhere",
    "strict_word": "a forbidden word anywhere in the address",
    "hard_word": "a forbidden word in the address",
    "soft_words": "several doubtful words in the address",
    "no_text": "no text in the markup",
    "other_language": "a language that is not wanted",
    "low_score": "no language is sure enough",
    "duplicate_paragraphs": "too many paragraphs repeat an earlier one",
    "duplicate_paragraph_chars": "too much of it in repeated paragraphs",
    "duplicate_lines": "too many lines repeat an earlier one",
    "duplicate_line_chars": "too much of it in repeated lines",
    "repeated_characters": "a few runs of characters come again and again",
    "repeated_words": "most runs of words occur twice",
    "too_few_words": "too short",
    "too_many_words": "too long",
    "short_words": "words are too short on average",
    "long_words": "words are too long on average",
    "hashes": "too many number signs",
    "ellipses": "too many ellipses",
    "bullet_lines": "nearly all lines are bullet points",
    "ellipsis_lines": "too many lines end with an ellipsis",
    "few_alphabetic_words": "too many words without a letter",
    "few_stop_words": "hardly any of the commonest words",
    "few_function_words": "too few words such as articles and prepositions",
    "special_characters": "too many characters that are no letters",
    "too_many_words_removed": "too much was in lines that had to be cut",
    "near_duplicate": "most word 5-grams are those of another page",
    "exact_duplicate": "word for word another page",
    "too_short_after_cut": "little was left when shared runs of words were cut",
    "seen_url": "another page of this address is kept",
}
TOP = re.compile(r"top_(\d+)_gram")
DUPLICATE = re.compile(r"duplicate_(\d+)_gram")


def step_meaning(name: str) -> str:
    """Return what a step looks at, or an empty string."""
    return STEPS.get(name, "")


def reason_meaning(name: str) -> str:
    """Return what a reason says of a page, or an empty string."""
    if found := TOP.fullmatch(name):
        return f"one phrase of {found[1]} words comes again and again"
    if found := DUPLICATE.fullmatch(name):
        return f"too much of it in repeated phrases of {found[1]} words"
    return REASONS.get(name, "")
