import random

import numpy as np

from stages.text.compiled.hashing import GOLDEN, hash_character, mix, power

MASK = 2**64 - 1


def test_mix_is_splitmix64s_finisher() -> None:
    """The first outputs of splitmix64 with seed 0, as its reference implementation prints them."""
    states = [(number * int(GOLDEN)) & MASK for number in (1, 2, 3)]
    assert [int(mix(np.uint64(state))) for state in states] == [
        0xE220A8397B1DCDAF,
        0x6E789E6AA1B965F4,
        0x06C45D188009454F,
    ]


def test_a_rolling_hash_forgets_the_item_that_leaves() -> None:
    draw = random.Random(1)
    codes = [draw.randrange(0x110000) for _ in range(50)]
    values = [int(hash_character(np.uint32(code))) for code in codes]

    def polynomial(items: list[int]) -> int:
        total = 0
        for item in items:
            total = (total * int(GOLDEN) + item) & MASK
        return total

    rolling, drop = 0, int(power(7))
    for place, value in enumerate(values):
        rolling = (rolling * int(GOLDEN) + value) & MASK
        if place >= 7:
            rolling = (rolling - drop * values[place - 7]) & MASK
        assert rolling == polynomial(values[max(0, place - 6) : place + 1])
