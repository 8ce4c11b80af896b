"""From spelling to sounds: rules of our own for the world's English, and the words that follow none.

Phones have the names of ARPAbet without stress. Rules are read from the left, the longest first.
"""

from __future__ import annotations

VOWELS = "aeiouy"
_NUMBERS = {"2": "two", "3": "three", "4": "four", "5": "five", "6": "six", "7": "seven", "8": "eight", "9": "nine"}


def _table(lines: str) -> dict[str, str]:
    """Return the rest of each line by its first word."""
    rows = (line.split() for line in lines.strip().splitlines())
    return {row[0]: " ".join(row[1:]) for row in rows}


_IRREGULAR = _table("""
    a AX
    are AA R
    blue B L UW
    bread B R EH D
    brown B R AW N
    coins K OY N Z
    colour K AH L ER
    costs K AO S T S
    do D UW
    does D AH Z
    eight EY T
    flies F L AY Z
    for F AO R
    four F AO R IH
    goat G OW T
    hare HH EH R
    hares HH EH R Z
    heron HH EH R AX N
    herons HH EH R AX N Z
    honey HH AH N IY
    how HH AW
    iron AY ER N
    is IH Z
    its IH T S
    known N OW N
    look L UH K
    many M EH N IY
    of AH V
    one W AH N
    over OW V ER
    people P IY P AX L
    road R OW D
    roofs R UW F S
    salt S AO L T
    seven S EH V AX N
    shows SH OW Z
    sold S OW L D
    that DH AE T
    the DH AX
    three TH R IY
    to T UW
    town T AW N
    two T UW UH
    what W AH T
    wolf W UH L F
    wolves W UH L V Z
    wool W UH L
    workshops W ER K SH AA P S
    yellow Y EH L OW
        """)
"""`two` and `four` have a sound more than `to` and `for`, as in careful speech: a listener can tell them apart."""
_RULES = _table("""
    arr AA R
    orr AO R
    tch CH
    igh AY
    ch CH
    ck K
    gh G
    ng NG
    ph F
    qu K W
    sh SH
    th TH
    wh W
    wr R
    ai EY
    au AO
    aw AO
    ay EY
    ea IY
    ee IY
    ei EY
    eu UW
    ew UW
    ey IY
    ie IY
    oa OW
    oi OY
    oo UW
    ou AW
    ow OW
    oy OY
    ue UW
    ar AA R
    er ER
    ir ER
    or AO R
    ur ER
    yr ER
    a AE
    b B
    c K
    d D
    e EH
    f F
    g G
    h HH
    i IH
    j JH
    k K
    l L
    m M
    n N
    o AA
    p P
    q K
    r R
    s S
    t T
    u AH
    v V
    w W
    x K S
    y IH
    z Z
    """)
_LONG = {"a": "EY", "e": "IY", "i": "AY", "o": "OW", "u": "UW", "y": "AY"}
_ENDINGS = {("es", True): ["IH", "Z"], ("es", False): ["Z"]}
"""Of a plural, by whether a hiss stands before it. A last e alone is silent."""
_LONGEST = max(map(len, _RULES))


def phones_of(word: str) -> tuple[str, ...]:
    """Return the phones of a word in lower case, without marks."""
    word = _NUMBERS.get(word, word)
    if word in _IRREGULAR:
        return tuple(_IRREGULAR[word].split())
    phones: list[str] = []
    place = 0
    while place < len(word):
        length, found = _next(word, place)
        phones += found
        place += length
    return tuple(phones)


def _next(word: str, place: int) -> tuple[int, list[str]]:
    """Return how many letters the sounds at a place take, and the sounds."""
    rest = word[place:]
    if _is_long(rest):
        return 1, [_LONG[rest[0]]]
    if rest in ("e", "es") and place > 1:
        return len(rest), _ENDINGS.get((rest, word[place - 1] in "sx"), [])
    if rest[0] in "cg" and rest[1:2] in ("e", "i", "y") and rest[1:2]:
        return 1, ["S" if rest[0] == "c" else "JH"]
    if rest == "y":
        return 1, ["IY"]
    if rest[0] == "y" and place == 0:
        return 1, ["Y"]
    if len(rest) > 1 and rest[0] == rest[1] and rest[0] not in VOWELS:
        return 2, _RULES[rest[0]].split()
    length = next(length for length in range(_LONGEST, 0, -1) if rest[:length] in _RULES)
    return length, _RULES[rest[:length]].split()


def _is_long(rest: str) -> bool:
    """Return whether a vowel stands before one consonant and the word's last e, as in `make`."""
    return len(rest) in (3, 4) and rest[0] in _LONG and rest[1] not in VOWELS + "rwx" and rest[2:] in ("e", "es")
