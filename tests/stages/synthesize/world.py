"""A scripted teacher that knows the sample world, in English and Chinese: it writes tasks, sorts them and answers them.

Every answer is a function of its question. Among the tasks of each list are some that the filters must refuse.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

from stages.formats.chat.chats import Chat, text_message, write_chats
from stages.sample.world import ATTRIBUTES, PLACES, make_world
from tests.stages.teacher.scripted import Reply

WORLD = {(fact.place, fact.attribute): fact.value for fact in make_world(1).facts}
WANTED = {
    "animal": "animal on the seal", "colour": "colour of the flag", "price": "price of a loaf", "trade": "product",
}  # fmt: skip
WANTED_ZH = {"animal": "印章上的动物", "colour": "旗帜的颜色", "price": "面包的价格", "trade": "出产"}

FORMS = (
    "Choose the {attribute} of {place}, with {words}.",
    "Tell a traveller from {other} about {words}, and which {attribute} {place} has.",
    "{place} and {other}: compare both by {attribute}, {words}.",
    "Explain {words} to children of {place}.",
    "Invent one riddle whose answer is {place}: use {words}.",
    "Write {number} lines about {words} in {place}.",
    "How would a merchant describe {words} during winter {number}?",
)
FORMS_ZH = (
    "选出{place}的{attribute}，并提到{words}。",
    "向来自{other}的旅人介绍{words}。",
    "请从{attribute}和{words}比较{place}与{other}。",
    "给孩子们讲讲{words}。",
    "编一个关于{words}的谜语，谜底是{place}。",
    "写{number}行诗，主题是{words}。",
)
THINGS = (
    "rain", "bread", "silence", "bridges", "old songs", "lost keys", "three wells", "snow", "market days", "ferries",
    "night trains", "blue doors", "apples", "long walks", "storms", "clocks", "empty mills", "ladders", "wax", "tin",
)  # fmt: skip
THINGS_ZH = (
    "雨水", "面包", "寂静", "桥梁", "老歌", "丢失的钥匙", "三口井", "大雪", "集市", "渡船",
    "夜车", "蓝色的门", "苹果", "远足", "风暴", "钟表", "空磨坊", "梯子", "蜡烛", "锡器",
)  # fmt: skip
BAD = (
    "Draw the seal of {place} in ink.",
    "Tell me more.",
    "Write a program that prints {place}.",
    "- List what is sold in {place}.",
    "Étudier la ville de {place} en détail.",
    "I'm sorry, but I can't help with {place}.",
)
BAD_ZH = (
    "画出{place}的旗帜给我看。",
    "再说。",
    "编写一个程序打印{place}。",
    "《{place}》讲了什么故事？",
    "Ωmega {place} 在哪里呀？",
    "对不起，我不能谈论{place}。",
)
SEEDS = 12


def task(draw: Random, form: str, zh: bool) -> str:
    """Return a drawn task of a form."""
    place, other = draw.sample(PLACES, 2)
    things = draw.sample(THINGS_ZH if zh else THINGS, 3)
    return form.format(
        attribute=(WANTED_ZH if zh else WANTED)[draw.choice(sorted(ATTRIBUTES))],
        place=place,
        other=other,
        words="、".join(things) if zh else f"{things[0]}, {things[1]} and {things[2]}",
        number=draw.randint(2, 99),
    )


def tasks(draw: Random, count: int, zh: bool) -> list[str]:
    """Return drawn tasks about the world; a filter must refuse one in five."""
    good, bad = (FORMS_ZH, BAD_ZH) if zh else (FORMS, BAD)
    return [task(draw, draw.choice(bad if draw.random() < 0.2 else good), zh) for _ in range(count)]


def write_seeds(path: Path, zh: bool = False) -> Path:
    """Write human seed tasks and return their path."""
    draw = Random(f"seeds {zh}")
    forms = FORMS_ZH if zh else FORMS
    rows: list[dict[str, Any]] = [
        {
            "id": f"seed_{number}",
            "instruction": task(draw, forms[number % len(forms)], zh),
            "instances": [{"input": "", "output": f"answer {number}"}],
        }
        for number in range(SEEDS)
    ]
    rows[0]["instances"] *= 2
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def write_pool(path: Path, count: int, zh: bool = False) -> Path:
    """Write chats of one task each, for a pool that evolves, and return their path."""
    draw, forms = Random(zh), FORMS_ZH if zh else FORMS
    texts = (task(draw, forms[number % len(forms)], zh) for number in range(count))
    pairs = ((text_message("user", text), text_message("assistant", "ok")) for text in texts)
    write_chats(path, (Chat(id=f"c{number}", messages=pair) for number, pair in enumerate(pairs)))
    return path


def answer(body: Mapping[str, Any], _number: int) -> Reply:
    """Return the answer to a prompt of any method."""
    text = body["messages"][-1]["content"]
    zh = bool(re.search(r"[\u4e00-\u9fff]", text))
    if body["messages"][0]["role"] == "system":
        return _seen(body["messages"][0]["content"], text)
    for start, reply in _REPLIES.items():
        if text.startswith(start):
            return reply(text, zh, Random(f"{text}/{body.get('temperature')}"))
    return Reply(text=_response(text, zh))


def place_of(text: str) -> str:
    """Return the first place of the world that a text names."""
    found = [place for place in PLACES if place in text]
    return min(found, key=text.index) if found else PLACES[0]


def _response(text: str, zh: bool) -> str:
    place = place_of(text)
    if "wax" in text or "蜡烛" in text:
        return f"抱歉，{place}不行。" if zh else f"Sorry, not in {place}."
    if "tin" in text or "锡器" in text:
        return "……"
    return f"{place}：{WORLD[place, 'trade']}。" if zh else f"{place} sells {WORLD[place, 'trade']}."


def _list(text: str, zh: bool, draw: Random) -> Reply:
    first = int(re.findall(r"^(\d+)\.", text, re.MULTILINE)[-1])
    made = tasks(draw, 8, zh)
    lines = "\n".join(f"{first + place}. {task}" for place, task in enumerate(made))
    finish = "length" if draw.random() < 0.1 else "stop"
    return Reply(text=lines.removeprefix(f"{first}. ") if draw.random() < 0.5 else lines, finish=finish)


def _classify(text: str, zh: bool, draw: Random) -> Reply:
    asked = text.rsplit("任务：" if zh else "Task: ", 1)[1]
    is_choice = asked.startswith(("Choose", "选出"))
    return Reply(text=("是" if is_choice else "否") if zh else ("Yes." if is_choice else " no"))


def _labels(text: str, zh: bool, draw: Random) -> Reply:
    label, given = ("类别标签：", "地方：") if zh else ("Class label: ", "Place: ")
    places = draw.sample(PLACES, 3)
    lines = [f"{label}{WORLD[place, 'trade']}\n{given}{place}" for place in places]
    return Reply(text="\n".join([*lines, lines[0]]))


def _inputs(text: str, zh: bool, draw: Random) -> Reply:
    place, other = draw.sample(PLACES, 2)
    kind = draw.randrange(5)
    example, given, output = ("例子", "地方：", "输出：") if zh else ("Example", "Place: ", "Output: ")
    if kind == 0:
        return Reply(text=f"{output}{_response(place, zh)}")
    if kind == 1:
        return Reply(text="对不起，我不能帮忙。" if zh else "I'm sorry, I can't do that.")
    pairs = [(place, _response(place, zh)), (other, "" if kind == 2 else _response(other, zh))]
    lines = [f"{example} {number}\n{given}{each}\n{output}{said}" for number, (each, said) in enumerate(pairs, start=1)]
    return Reply(text="\n\n".join(lines), finish="length" if kind == 3 else "stop")


def _tasks(text: str, zh: bool, draw: Random) -> Reply:
    first = int(re.findall(r"^(\d+)\.", text, re.MULTILINE)[-1])
    names, colon = (("指令", "输入", "输出"), "：") if zh else (("Instruction", "Input", "Output"), ": ")
    pieces = []
    for place, task in enumerate(tasks(draw, 10, zh)):
        fields = (task, draw.choice(("<noinput>", place_of(task))), _response(task, zh))
        number = first + place
        pieces.append("\n".join(f"{number}. {name}{colon}{field}" for name, field in zip(names, fields, strict=True)))
    if draw.random() < 0.5:
        pieces[0] = pieces[0].removeprefix(f"{first}. {names[0]}{colon}")
    return Reply(text="\n###\n".join(pieces), finish="length")


def _evolved(text: str, zh: bool, draw: Random) -> Reply:
    parent = text.rsplit("#给定提示#：\n" if zh else "Given Prompt#:\n", 1)[1].rsplit("\n", 1)[0]
    kind = draw.randrange(8)
    if kind == 0:
        return Reply(text=f"#改写后的提示#：{parent}" if zh else f"#Rewritten Prompt#: {parent}")
    if kind == 1:
        return Reply(text="抱歉，我无法改写。" if zh else "I'm sorry, but I can't assist with that.")
    if kind == 2:
        return Reply(text=parent, finish=draw.choice(("length", "stop")))
    things = draw.sample(THINGS_ZH if zh else THINGS, 2)
    more = f"还要提到{things[0]}和{things[1]}。" if zh else f"Add {things[0]}, then {things[1]}."
    return Reply(text=f"{parent} {more}")


def _judgement(text: str, zh: bool, draw: Random) -> Reply:
    verdicts = (
        ("不相等", "不相等。", "相等", "说不清") if zh else ("Not Equal", "**Not equal.**", "Equal.", "Who knows?")
    )
    return Reply(text=draw.choice((*verdicts[:2], *verdicts)))


def _seen(system: str, text: str) -> Reply:
    """Return what a teacher writes about a picture that it knows by captions and boxes."""
    zh = "你是" in system
    draw = Random(f"{system}/{text}")
    captions = [line for line in text.splitlines() if "[" not in line]
    number = len(text.splitlines()) - len(captions)
    caption = captions[-1] if zh else captions[0]
    kind = draw.randrange(9)
    if kind == 0:
        return Reply(text="抱歉，我看不到图。" if zh else "I'm sorry, I cannot see pictures.")
    if kind == 1:
        return Reply(text="方框里有东西。" if zh else f"The caption says: {caption}")
    if kind == 2:
        return Reply(text=caption, finish="length")
    is_talk, is_reasoned = "conversation" in system or "对话" in system, "reasoning" in system or "推理" in system
    if not is_talk and not is_reasoned:
        return Reply(text=caption)
    names = ("问题：", "回答：") if zh else ("Question:", "Answer:")
    turns = [("图里有什么？" if zh else "What does the picture show?", caption)]
    if is_talk:
        turns.append(("有几样？" if zh else "How many things are there?", f"{number}."))
    if kind == 3:
        turns.append(turns[0])
    pieces = [f"{name}\n{piece}" for turn in turns for name, piece in zip(names, turn, strict=True)]
    return Reply(text="\n===\n".join(pieces[: -1 if kind == 4 else None]))


RIDERS = (
    "Strange riders cross a wide desert at dawn. Distant drums and trumpets wake their camels, and an old caravan inn "
    "opens both of its heavy wooden gates for them."
)
RIDERS_ZH = "一群陌生的骑手穿过沙漠，远处传来鼓声，老旧的客栈为他们打开了沉重的木门。"


def _mended(text: str, zh: bool, draw: Random) -> Reply:
    description = text.partition("\n\n")[2]
    kind = draw.randrange(7)
    if kind == 0:
        return Reply(text="抱歉，我看不到图片。" if zh else "I'm sorry, there is no picture.")
    if kind == 1:
        return Reply(text=RIDERS_ZH if zh else RIDERS)
    if kind == 2:
        return Reply(text=description)
    sentences = re.findall(r"[^.。]+[.。]", description.replace("#", ""))
    return Reply(text=("" if zh else " ").join(dict.fromkeys(sentence.strip() for sentence in sentences)))


_REPLIES = {
    "Below is a description": _mended,
    "下面是对一张图片的描述": _mended,
    "I want you act": _evolved,
    "请你担任": _evolved,
    "Here are two": _judgement,
    "下面是给人工智能": _judgement,
    "Come up with a series": _list,
    "请提出一系列": _list,
    "Can the following": _classify,
    "下面的任务能否": _classify,
    "Given the classification": _labels,
    "给定分类任务": _labels,
    "Come up with examples": _inputs,
    "请为下面的任务写出例子": _inputs,
    "You are asked": _tasks,
    "请提出 20 条": _tasks,
}
