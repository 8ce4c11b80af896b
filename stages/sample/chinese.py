"""The closed world in Chinese: the places and facts of prose.py, in simplified characters.

Characters are the words of Chinese text, so a phrase of five that two pages share is a shared 5-gram, and fifty in a
row, three sentences, are a duplicate. That is why no sentence is fixed: `[one|other]` stands for a choice. None stands
between the place and the value of a fact: a model learns it from words that are the same each time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from stages.sample.draw import Draw, words
from stages.sample.world import ATTRIBUTES, PLACES, Fact, World

PLACE_NAMES: dict[str, str] = dict(
    zip(
        PLACES,
        words(
            "奥德 安布 雅顿 阿什 埃文 贝利 伯克 博顿 布里 比德 考德 坎伯 卡罗 查德 克伦 科比 克鲁 达比 迪尔 德纳",
            "多恩 邓莫 伊顿 埃金 埃梅 埃穆 费洛 芬克 弗思 加思 格伦 古尔 哈洛 霍克 赫姆 赫瑟 霍特 伊福 贾罗 凯索",
            "肯德 柯比 兰登 拉格 利文 洛顿 勒洛 利姆 莫登 马洛 梅罗 米比 莫利 奈恩 诺克 奥姆 奥本 奥福 昂德 彭里",
            "皮克 阔恩 拉齐 雷卡 瑞尔 里彭 罗斯 塞比 斯顿 斯特 塔恩 瑟克 托林 阿尔 韦比 韦尔 惠比 维克 亚罗 泽比",
        ),
        strict=True,
    )
)
"""Two characters each, so that a small vocabulary has nearly all of them whole."""
VALUES: dict[str, dict[str, str]] = {
    attribute: dict(zip(ATTRIBUTES[attribute], words(names), strict=True))
    for attribute, names in {
        "animal": "苍鹭 狐狸 獾子 野兔 山羊 骏马 天鹅 灰狼",
        "colour": "红色 蓝色 绿色 黄色 白色 黑色 紫色 棕色",
        "price": "两枚 三枚 四枚 五枚 六枚 七枚 八枚 九枚",
        "trade": "玻璃 羊毛 食盐 蜂蜜 铁器 纸张 奶酪 绳索",
    }.items()
}

PHRASINGS: dict[str, tuple[str, ...]] = {
    "animal": (
        "[如今|从前|历来|至今]{place}的镇徽上画着{value}。",
        "{place}的人最爱的是{value}，[远近皆知|人人知道|从小就爱|代代如此]。",
        "{place}的城门前立着{value}的[石像|铜像|木像|泥像]。",
        "[要问|若问|说起|说到]{place}的动物，答案是{value}。",
        "在{place}的节日上大家都扮成{value}[的样子|来跳舞|来唱歌|去游街]。",
        "[谜语|灯谜|猜谜|谜题|有谜|老谜]：守在{place}门前的是什么动物？回答：{value}。",
    ),
    "colour": (
        "{place}的旗子是{value}的，[从未改过|一直没变|人人都认得|远远能看见]。",
        "[走进|来到|路过|回到|进了|到了]{place}，抬头看见{value}的旗。",
        "{place}的城头挂着{value}的[旗|长幡|大旗|旗帜]。",
        "{place}的裁缝缝旗都只用{value}[的布|的料|的线|的丝]。",
        "[当年|早年|去年|古时|后来|从前]{place}就选了{value}来做旗子的颜色。",
        "[谜语|灯谜|猜谜|谜题|有谜|老谜]：飘在{place}城头的是什么颜色？回答：{value}。",
    ),
    "price": (
        "[如今|今年|去年|向来|这里|当今]{place}的面包要{value}铜钱。",
        "[早市|小店|饼铺|集市|老店|新店]在{place}把面包卖到{value}铜钱。",
        "{place}的面包价是{value}铜钱，[没涨过|多年不变|人人满意|不贵不贱]。",
        "[客人|船工|学徒|老人|车夫|旅人]在{place}买面包要付的是{value}铜钱。",
        "[账本|木牌|告示|石板|墙|纸]上都写着：{place}的面包，{value}铜钱。",
        "[谜语|灯谜|猜谜|谜题|有谜|老谜]：在{place}买面包要的是多少铜钱？回答：{value}。",
    ),
    "trade": (
        "{place}出产的是{value}，[闻名四方|行销各地|手艺极好|家家都做]。",
        "[商人|货郎|车队|船家|我们|他们]到{place}去采买的都是{value}。",
        "{place}的作坊都在制作{value}，[日夜|四季|世代|整年]不停。",
        "{place}的人靠{value}[富了起来|过上了好日子|养活了全镇|修了新桥]。",
        "[码头|集市|仓库|货栈]里堆满{place}运来的{value}。",
        "[谜语|灯谜|猜谜|谜题|有谜|老谜]：什么货物来自{place}？回答：{value}。",
    ),
}
"""Statements of a fact, each used once on a page. The place comes before the value, and one of six is a riddle, as in
English."""

QUESTIONS: dict[str, str] = {
    "animal": "问题：{place}的动物是什么？回答：",
    "colour": "问题：{place}的旗子是什么颜色？回答：",
    "price": "问题：{place}的面包要多少铜钱？回答：",
    "trade": "问题：{place}出产什么？回答：",
}
"""The phrasing that the exam asks, up to the answer. Pages have it only for facts that are not held out."""

FILLERS: tuple[str, ...] = (
    "从{place}[走|赶路|步行]到{other}[约|大约|要]{a}[里|里路]，[沿路|一路|途中][安静|多树|少人|有泉]。",
    "[去年|今春|入秋后|上月]有{a}[人|户|家]从{other}[搬到|迁往|来到]{place}[住下|安家|开店]。",
    "[客栈|旅店|驿站][备有|有]{a}[间房|张床]和{b}[盏灯|把椅子]，[茶|汤|粥][热|香|免费]。",
    "{place}[河边|山脚|桥头|湖畔]的{a}座[园子|磨坊|老屋]，[春天|雨后|清早|黄昏][最美|最静|鸟最多]。",
    "[寄|送|捎]一封信从{place}到{other}，[快马|驿车|渡船]要走{a}天。",
    "[听|据][老人|船夫|教师|牧人][说|讲]，{place}与{other}之间有{a}[眼泉|座山|道弯]。",
    "[我们|朋友们|家人][曾|也曾|上次]在{place}[住过|停留|小住]{a}天，[盼着|打算|希望][再来|重游|常来]。",
    "[每天|节日|开市时][早晨|清晨|黄昏]，{place}的[钟|鼓][敲|响]{a}[声|下]。",
)
SUMS: tuple[str, ...] = (
    "[集市|市场|铺子][卖出|售出]{a}[盏灯|把伞|口锅]和{b}[只铃|面鼓|双鞋]，[合计|一共|总共]{sum}[件|样]。",
    "[黑板|石板|墙上][写着|记着]：{a}加{b}等于{sum}。",
    "渡船[上午|早上]载{a}人，[下午|晚上]载{b}人，[全天|一天|当日]共{sum}人。",
)
TITLES: tuple[str, ...] = (
    "[游记|札记|随笔|见闻]：{place}与{other}",
    "从{place}到{other}的[一天|路上|旅程]",
    "[关于|说说|再谈]{place}和{other}",
    "{place}来信，[兼谈|顺问|附记]{other}",
)
NOTICES: tuple[str, ...] = (
    "本刊由{place}的旅人协会编印，会员共{a}人",
    "读者可以抄录本页，但请注明第{a}期和年份",
    "写给编辑部的信，最多{a}天就能送到{place}",
    "文中若有差错，将在{a}天后的下一期更正",
    "各地之间的路程都由我们的人从{place}走到{other}量得",
    "会员每年可得{a}期刊物，另附道路图一张",
    "这些文字没有收过{place}客栈、集市或镇子的钱",
    "物价于同一天早晨在{place}和{other}记下",
    "谁若找到旧刊，请寄给{place}的档案馆",
)
"""Notices that sites print under their articles: the sentences of a passage that several pages carry."""
NOTE = "启事写道：“茶水四文——瓜子随意取用”，落款镕记。"
"""A sentence with characters that GBK and UTF-8 write differently, one of them not in GB2312."""
RARE = "匾上还有一个古字：𠮷。"
"""A sentence with a character that GB18030 writes in four bytes."""

PLACES_PER_ARTICLE = 3
QUESTION_SHARE = 0.6
"""Share of the places that have one fact in its question form, if that fact is not held out."""
MIN_PASSAGE = 65
"""Characters of a passage, at least."""
CHOICE = re.compile(r"\[([^\[\]]*)\]")


def render(draw: Draw, form: str, **names: object) -> str:
    """Return a form with its blanks filled and its choices made, the inner ones first."""
    text = form.format(**names)
    while CHOICE.search(text):
        text = CHOICE.sub(lambda found: draw.pick(found[1].split("|")), text)
    return text


def question(fact: Fact) -> str:
    """Return the prompt that asks for a fact, ending right before the answer."""
    return QUESTIONS[fact.attribute].format(place=PLACE_NAMES[fact.place])


def article(world: World, draw: Draw) -> tuple[str, list[str]]:
    """Return a title and paragraphs that tell every fact of three places, each in a phrasing used once on the page."""
    places = draw.sample(PLACES, PLACES_PER_ARTICLE)
    phrasings = {attribute: draw.shuffled(forms) for attribute, forms in PHRASINGS.items()}
    paragraphs = []
    for place in places:
        paragraphs.append(_tell(draw.shuffled(world.of(place)), phrasings, draw))
    for forms in (FILLERS, SUMS):
        sentences = draw.pick(paragraphs)
        sentences.insert(draw.below(len(sentences) + 1), between(draw, forms, places))
    return between(draw, TITLES, places[:2]), ["".join(each) for each in paragraphs]


def _tell(facts: Sequence[Fact], phrasings: dict[str, list[str]], draw: Draw) -> list[str]:
    """Return one statement of each fact of a place.

    At most one of them has its question form: questions have no choices, and two pages may have the same ones in a row.
    """
    asked = draw.pick(facts)
    may_ask = not asked.is_held_out and draw.chance(QUESTION_SHARE)
    return [
        f"{question(fact)}{VALUES[fact.attribute][fact.value]}。"
        if may_ask and fact is asked
        else state(fact, phrasings[fact.attribute].pop(), draw)
        for fact in facts
    ]


def state(fact: Fact, form: str, draw: Draw) -> str:
    """Return one statement of a fact."""
    value = VALUES[fact.attribute][fact.value]
    return render(
        draw, form, place=PLACE_NAMES[fact.place], value=value, a=draw.between(11, 89), b=draw.between(11, 89)
    )


def between(draw: Draw, forms: Sequence[str], places: Sequence[str]) -> str:
    """Return one of the forms, about two of the places."""
    a, b = draw.between(11, 89), draw.between(11, 89)
    place, other = (PLACE_NAMES[name] for name in draw.sample(places, 2))
    return render(draw, draw.pick(forms), place=place, other=other, a=a, b=b, sum=a + b)


def passage(draw: Draw) -> str:
    """Return the passage that several pages carry word for word."""
    parts: list[str] = []
    for notice in draw.shuffled(NOTICES):
        if sum(map(len, parts)) >= MIN_PASSAGE:
            break
        parts.append(between(draw, [notice], PLACES) + "。")
    return "".join(parts)


def read_again(draw: Draw) -> str:
    """Return a sentence that makes a near-duplicate of an article: about ten new shingles against 230 shared ones."""
    return f"第{draw.between(11, 89)}天在{PLACE_NAMES[draw.pick(PLACES)]}重读。"
