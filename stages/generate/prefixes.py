"""The tree of prompts in the cache: what two prompts begin with is there once. Pure.

A node is a run of tokens in slots behind each other. Nodes that no row uses stay until their slots are wanted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count

from stages.generate.plan import Tokens, common
from stages.generate.slots import Slots


@dataclass(eq=False)
class Node:
    """A run of tokens behind its parent's."""

    tokens: Tokens
    slot: int
    """Of the first token."""
    depth: int
    """Position of the first token."""
    parent: Node | None = None
    children: dict[int, Node] = field(default_factory=dict)
    """By their first token."""
    users: int = 0
    """Rows that end here."""
    computed: int = 0
    """Tokens whose keys are in the cache."""
    used_at: int = 0
    """When a row took or left it last; the oldest goes first."""
    serial: int = field(default_factory=count().__next__)
    """Orders nodes by their making."""

    @property
    def is_computed(self) -> bool:
        """Whether the keys of all its tokens, and of those before it, are in the cache."""
        return self.computed == len(self.tokens) and (self.parent is None or self.parent.is_computed)


class PromptTree:
    """Prompts in the cache."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._root = Node((), 0, 0)
        self._time = 0
        self._taken = 0

    def take(self, prompt: Tokens, private: int) -> tuple[Node, int] | None:
        """Return the node that a prompt ends at, and the first of `private` slots for what follows it.

        New tokens get slots, and are computed later: see `Node.computed`. None, and nothing taken, if there is no room;
        if nothing else is taken there is room for all that the slots can hold.
        """
        found = self._take(prompt, private)
        if found is None and not self._taken:  # what was found of the prompt may lie in the middle of what is free
            self._forget_all()
            found = self._take(prompt, private)
        self._taken += found is not None
        return found

    def _take(self, prompt: Tokens, private: int) -> tuple[Node, int] | None:
        node, matched = self._match(prompt)
        more = len(prompt) - matched
        node.users += 1  # keeps it, and all above it, where they are
        start = self._room(more + private)
        if start is None:
            node.users -= 1
            return None
        if more:
            node.users -= 1
            leaf = Node(prompt[matched:], start, matched, node, users=1)
            node.children[prompt[matched]] = leaf
            node = leaf
        self._touch(node)
        return node, start + more

    def leave(self, node: Node, start: int, private: int) -> None:
        """Give back what `take` returned."""
        node.users -= 1
        self._taken -= 1
        self._touch(node)
        self._slots.give_back(start, private)

    def _touch(self, node: Node) -> None:
        self._time += 1
        node.used_at = self._time

    def _match(self, prompt: Tokens) -> tuple[Node, int]:
        """Return the node that ends where the longest known prefix does, and its length. Splits a node to have one."""
        node, matched = self._root, 0
        while matched < len(prompt) and prompt[matched] in node.children:
            child = node.children[prompt[matched]]
            shared = common(child.tokens, prompt[matched:])
            matched += shared
            node = child if shared == len(child.tokens) else _split(child, shared)
            if node is not child:
                break
        return node, matched

    def _room(self, size: int) -> int | None:
        """Return the first of so many slots; None if all that is left is in use. Unused nodes give way."""
        while (start := self._slots.take(size) if size else 0) is None:
            unused = min(_unused(self._root), key=lambda node: node.used_at, default=None)
            if unused is None:
                return None
            self._forget(unused)
        return start

    def _forget_all(self) -> None:
        while unused := _unused(self._root):
            for node in unused:
                self._forget(node)

    def _forget(self, node: Node) -> None:
        assert node.parent is not None, "the root has no slots"
        del node.parent.children[node.tokens[0]]
        self._slots.give_back(node.slot, len(node.tokens))


def _split(node: Node, size: int) -> Node:
    """Return a new node of the first `size` tokens; `node` keeps the others, and those who use it."""
    upper = Node(node.tokens[:size], node.slot, node.depth, node.parent, computed=min(size, node.computed))
    upper.used_at = node.used_at
    assert node.parent is not None, "the root has no tokens to split"
    node.parent.children[node.tokens[0]] = upper
    node.tokens, node.slot, node.depth, node.parent = node.tokens[size:], node.slot + size, node.depth + size, upper
    node.computed = max(0, node.computed - size)
    upper.children[node.tokens[0]] = node
    return upper


def _unused(node: Node) -> list[Node]:
    """Return the leaves below a node that no row uses."""
    found = [leaf for child in node.children.values() for leaf in _unused(child)]
    if not node.children and not node.users and node.parent is not None:
        found.append(node)
    return found


def path_of(node: Node) -> list[Node]:
    """Return the nodes from the first with tokens to this one."""
    found = []
    at: Node | None = node
    while at is not None and at.tokens:
        found.append(at)
        at = at.parent
    return found[::-1]
