"""Explanations of the reasons for which a source of text drops pages, for the reader of a report.

The reasons of the repetition and quality rules are explained in their table (rules/table.py), all others here.

Light: imports no NumPy.
"""

from __future__ import annotations

from stages.text.rules.table import rule_explanations

EXPLANATIONS = {
    "damaged_record": "the archive is damaged here",
    "truncated_record": "the archive ends inside the page",
    "unreadable_file": "the file is not an archive",
    "no_http_response": "the record holds no response of a web server",
    "http_status": "the server answered with an error",
    "no_url": "the record has no URL",
    "empty_body": "the response is empty",
    "not_html": "not HTML: a picture, a PDF ...",
    "not_plain_text": "not plain text, in a WET file",
    "not_text": "not text after decoding",
    "damaged_body": "the compressed or chunked response breaks off",
    "too_large": "larger than read.max_page_mb",
    "too_deep": "thousands of nested elements",
    "too_many_attributes": "thousands of attributes in one tag",
    "bad_url": "the URL is not valid",
    "blocked_host": "its host is on your own block list",
    "blocked_domain": "its domain is on the UT1 list",
    "blocked_url": "its URL is on the UT1 list",
    "excluded_host": "its host is better taken from another source",
    "strict_word": "a forbidden word anywhere in the URL",
    "hard_word": "a forbidden word in the URL",
    "soft_words": "several doubtful words in the URL",
    "no_text": "no text in the markup",
    "other_language": "the language is not wanted",
    "low_score": "no language is sure enough",
    "too_many_words_removed": "too many words were in lines that had to be cut",
    "near_duplicate": "most word n-grams are those of another page",
    "exact_duplicate": "word for word another page",
    "seen_before": "an earlier run kept this page or one much like it",
    "too_short_after_cut": "too short after shared runs of words were cut",
    "seen_url": "another page of this URL is kept",
    "low_quality": "the model of quality gives it a low score",
    "contaminated": "it has a passage of an evaluation",
    "contaminated_throughout": "it has passages of evaluations all over",
    "unreadable_record": "the record lacks what every record of its format has",
    "truncated_file": "the file is cut off here",
    "damaged_part": "a part of the file cannot be unpacked",
    "too_short": "shorter than min_chars",
    "redirect": "the page leads to another one",
    "disambiguation": "the page lists meanings of its title",
    "other_namespace": "not an article: a talk page, a template, a file ...",
    "not_wikitext": "the page holds code or data",
    "deleted": "the text of the page is hidden",
    "other_post": "not a question or an answer: a wiki, a tag, a vote of moderators",
    "answer_without_question": "the question of the answer is not in the file",
    "no_answer": "a question without an answer",
    "no_good_answer": "no answer has the score that min_answer_score asks for",
    "lorem_ipsum": "a text that fills a place",
    "curly_bracket": "holds code: a curly bracket",
    "bad_word": "a word of c4.bad_words",
    "too_few_sentences": "too few lines that are sentences",
    "encrypted": "under a password, or protected against copies",
    "damaged_member": "a file of the archive cannot be unpacked",
    "too_many_members": "the archive goes on beyond the number of files that are read",
    "no_package": "not a book: the archive has no package file",
    "no_licence": "nothing names a licence",
    "other_licence": "the licence is not one of `licences`",
    "not_code": "a file of another kind: a picture, data, a lock file ...",
    "vendored": "a copy of other code, or the product of a build",
    "generated": "a program wrote the file",
    "long_line": "a line longer than rules.max_line",
    "long_lines": "lines are too long on average",
    "few_letters_and_digits": "too few letters and digits: data or symbols",
    "few_letters_per_token": "too few letters for its words and marks: tables of numbers",
    "no_source": "a PDF or PostScript without its LaTeX",
    "no_latex": "no file of the paper is LaTeX",
    "no_section": "the paper has no section",
    **dict(rule_explanations()),
}


def explain(reason: str) -> str:
    """Return an explanation of a reason in a few words; an empty string for an unknown reason."""
    return EXPLANATIONS.get(reason, "")
