"""Chinese pages that a filter must drop, one function per rule; as in spam.py, a page breaks its own rule first."""

from __future__ import annotations

from stages.sample.chinese import PLACE_NAMES
from stages.sample.draw import Draw, words
from stages.sample.spam import SHOUTS, Planted

PLAIN = (
    "这家店从春天起就开着，店主见到客人总是很高兴。",
    "你说得出名字的镇子我们都送货，而且送得又快又好。",
    "朋友们告诉我们，这些箱子结实耐用，搬起来也不费力。",
    "货款可以在门口当面付清，也可以托下一班马车捎来。",
    "屋子后面有一个园子，夏天客人们喜欢坐在那里乘凉。",
    "每一份订单都由人手打包，出门以前还要检查两遍。",
    "如果路上下雨，车夫会用一块油布把货物盖得严严实实。",
    "这座楼最老的部分，从前是一所教水手认字的学校。",
    "想知道这个月店里有些什么，可以向伙计要一张清单。",
    "给我们写信的人很多，我们尽量在一个星期之内回复。",
    "冬天的晚上，大家围着炉子喝茶，听老人讲海上的事。",
    "要是东西坏了，请把它送回来，我们会替您换一件新的。",
)
"""Plain Chinese around the planted fault, so that a page breaks that rule only."""
NAMES = tuple(PLACE_NAMES.values())

GOODS = words(
    "羊毛围巾 玻璃水杯 蜂蜜蛋糕 铁皮水桶 棉布床单 竹编提篮 皮面账本 松木书柜 铜制烛台 陶土花盆",
    "亚麻桌布 柳条椅子 蜡染头巾 石砚毛笔 核桃糕点 樱桃果酱 燕麦饼干 芝麻酥糖 薄荷茶叶 海盐鱼干",
    "鹿皮手套 丝绸衬衫 牛角梳子 银质汤匙 檀木首饰 麻绳吊床 羽毛枕头 帆布背包 珊瑚项链 琥珀耳环",
)
"""Goods: two nouns each, without function words."""
STARS = tuple("★☆◆◇■□▲△○●※§")


def _plain(draw: Draw, count: int) -> list[str]:
    return draw.sample(PLAIN, count)


def duplicate_lines(draw: Draw) -> list[str]:
    """Return a page of which nearly half the lines repeat an earlier one."""
    line = f"{draw.pick(NAMES)}本周特价，欲购从速。"
    return [text for sentence in _plain(draw, 8) for text in (line, sentence)]


def duplicate_line_chars(draw: Draw) -> list[str]:
    """Return a page of which one line in 14 repeats an earlier one, and is by far the longest."""
    long = "".join([*_plain(draw, 4), f"{draw.pick(NAMES)}和附近的镇子都在等着您。"])
    places = draw.sample(NAMES, 22)
    short = [f"{place}靠近{other}" for place, other in zip(places[:11], places[11:], strict=True)]
    return [long, *short[:6], long, *short[6:]]


def repeated_characters(draw: Draw) -> list[str]:
    """Return a page that says the same six characters between twenty different names."""
    return ["，".join(f"{place}正在特价热卖" for place in draw.sample(NAMES, 20)) + "！", *_plain(draw, 4)]


def repeated_words(draw: Draw) -> list[str]:
    """Return a page of three parts that come three times, every time in another order: nearly all 5-grams recur."""
    sentences = _plain(draw, 12)
    a, b, c = ("".join(sentences[start : start + 4]) for start in (0, 4, 8))
    return [a + b + c, b + c + a, c + a + b]


def hashes(draw: Draw) -> list[str]:
    """Return a page with a "#" before every sixth character."""
    return [_every(sentence, 6, "#") for sentence in _plain(draw, 8)]


def ellipses(draw: Draw) -> list[str]:
    """Return a page with an ellipsis before every sixth character, not at line ends."""
    return [_every(sentence, 6, "…") for sentence in _plain(draw, 8)]


def bullet_lines(draw: Draw) -> list[str]:
    """Return a page on which all lines but the title start with a bullet."""
    return [f"• {sentence}" for sentence in _plain(draw, 12)]


def ellipsis_lines(draw: Draw) -> list[str]:
    """Return a page on which most lines end with an ellipsis."""
    return [sentence.rstrip("。") + "…" for sentence in _plain(draw, 9)]


def few_alphabetic_words(draw: Draw) -> list[str]:
    """Return a page of which a third of the words are numbers."""
    numbers = [" ".join(str(draw.between(10, 99)) for _ in range(12)) for _ in range(6)]
    return [f"{sentence[:-1]} {row}。" for sentence, row in zip(_plain(draw, 6), numbers, strict=True)]


def special_characters(draw: Draw) -> list[str]:
    """Return a page of which two fifths are stars and squares."""
    return [_every(sentence, 2, draw.pick(STARS)) for sentence in _plain(draw, 8)]


def few_function_words(draw: Draw) -> list[str]:
    """Return a page of nothing but nouns."""
    goods = draw.sample(GOODS, 30)
    return ["、".join([draw.pick(NAMES), *goods[start : start + 5]]) + "。" for start in range(0, 30, 5)]


def too_many_words_removed(draw: Draw) -> list[str]:
    """Return a page with two lines of English capitals, a fourteenth of its words."""
    sentences = _plain(draw, 8)
    first, second = draw.sample(SHOUTS, 2)
    return ["".join(sentences[:4]), first, "".join(sentences[4:]), second]


def _every(sentence: str, n: int, mark: str) -> str:
    """Put a mark before every nth character, the first excepted."""
    return "".join(mark + char if place % n == 1 else char for place, char in enumerate(sentence))


PLANTED = (
    Planted(duplicate_lines, "repetition", 1),
    Planted(duplicate_line_chars, "repetition", 1),
    Planted(repeated_characters, "repetition", 1),
    Planted(repeated_words, "repetition", 1),
    Planted(hashes, "quality", 1),
    Planted(ellipses, "quality", 1),
    Planted(bullet_lines, "quality", 1),
    Planted(ellipsis_lines, "quality", 1),
    Planted(few_alphabetic_words, "quality", 1),
    Planted(special_characters, "quality", 1),
    Planted(few_function_words, "quality", 1),
    Planted(too_many_words_removed, "lines", 1),
)
"""One row for each rule, in an order that is part of the sample's bytes."""
MAKERS = {planted.make.__name__: planted.make for planted in PLANTED}
"""By reason."""


def spam(draw: Draw, reason: str) -> tuple[str, list[str]]:
    """Return the title and the paragraphs of a page that must be dropped for this reason."""
    return _title(draw), MAKERS[reason](draw)


def short(draw: Draw) -> tuple[str, list[str]]:
    """Return the title and the paragraphs of a page of less than fifty characters."""
    return _title(draw), [draw.pick(PLAIN), f"欢迎到{draw.pick(NAMES)}来看看。"]


def _title(draw: Draw) -> str:
    return f"{draw.pick(NAMES)}小店告示"
