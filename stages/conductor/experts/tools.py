"""Experts that are tools of stages/toolbox: calculator, calendar, search."""

from __future__ import annotations

from stages.conductor.expert import Call, Expert, Made
from stages.conductor.selection import Entry
from stages.toolbox.tools import Tool


def tool_expert(tool: Tool) -> Expert:
    """Return the expert of a tool: it does the task of the tool's name."""

    def run(call: Call) -> Made:
        return Made(text=tool.answer(call.text(tool.parameter, "text") if tool.parameter else ""))

    return Expert(entry=Entry(tool.name, tool.name, 0, 0, tool.description), run=run)
