"""Conversion of a regular expression of `re` to an automaton."""

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

MANY = 1_000
START, END = -1, -2
_SOME = "aZ5_ \n\t-'\"é中"

Condition = Callable[[int, int], bool]


@dataclass
class _Node:
    """A position in the pattern."""

    edges: list[tuple[Condition | None, "_Node", frozenset[int]]] = field(default_factory=list)
    reads: Callable[[str], bool] | None = None
    then: "_Node | None" = None
    groups: frozenset[int] = frozenset()
    unsure: bool = False


@dataclass(frozen=True)
class Step:
    """A transition from the position after one character to the position after the next."""

    target: int
    leaves: frozenset[int]
    """The atomic groups that the transition leaves."""
    paths: int
    unsure: bool


class Automaton:
    """The automaton of a pattern. Its states are the positions after the pattern's characters.

    Parameters:
        pattern: The pattern.
        flags: The flags of the pattern.
        method: The method that runs the pattern: ``search``, ``match`` or ``fullmatch``.
    """

    def __init__(self, pattern: str | bytes, flags: int = 0, method: str = "search") -> None:
        parsed = parser.parse(pattern, flags)
        self._flags = parsed.state.flags
        self._nodes: list[_Node] = []
        self._atomic = 0
        self._tests: list[Callable[[str], bool]] = []
        self._letters: set[str] = set(_SOME)
        self._literals(parsed)
        self.accept = self._node(frozenset())
        end = self.accept
        if method == "fullmatch":
            end = self._node(frozenset())
            end.edges.append((lambda _before, after: after == END, self.accept, frozenset()))
        start = self._sequence(list(parsed), end, frozenset(), self._flags, last=True)
        first = start
        if method == "search":
            again = self._node(frozenset())
            again.reads, again.then = (lambda _letter: True), again
            again.edges.append((None, start, frozenset()))
            start = again
        self._numbers = {id(node): number for number, node in enumerate(self._nodes)}
        self.start, self.first = self._numbers[id(start)], self._numbers[id(first)]
        self.alphabet = self._representatives()
        self._reads = [
            frozenset(number for number, letter in enumerate(self.alphabet) if node.reads and node.reads(letter))
            for node in self._nodes
        ]
        self.neighbors = self._neighbors()
        self._steps_after = cache(self._steps)
        self._accepts_after = cache(self._accepts)

    def _node(self, groups: frozenset[int]) -> _Node:
        self._nodes.append(_Node(groups=groups))
        return self._nodes[-1]

    def _literals(self, parsed: Any) -> None:
        """Collect the letters at which a character class may start or end."""
        if isinstance(parsed, int) and 0 <= parsed < sys.maxunicode:
            for code in (parsed - 1, parsed, parsed + 1):
                if code >= 0:
                    letter = chr(code)
                    self._letters |= {letter, *(one for one in (letter.lower(), letter.upper()) if len(one) == 1)}
        elif isinstance(parsed, list | tuple | parser.SubPattern) and not isinstance(parsed, str):
            for item in parsed:
                if item is not sre.MAXREPEAT:
                    self._literals(item)

    def _representatives(self) -> list[str]:
        """Return one letter of each set of letters that the pattern treats alike."""
        found: dict[tuple[bool, ...], str] = {}
        for letter in sorted(self._letters, key=lambda one: (not one.isalnum(), one)):
            signature = (*(test(letter) for test in self._tests), _is_word(letter), letter == "\n")
            found.setdefault(signature, letter)
        return list(found.values())

    def _neighbors(self) -> dict[int, int]:
        """Return, for each letter before a position, one that all conditions of the pattern treat alike."""
        conditions = [edge[0] for node in self._nodes for edge in node.edges if edge[0] is not None]
        letters = range(len(self.alphabet))
        found: dict[tuple[bool, ...], int] = {}
        return {
            before: found.setdefault(
                tuple(condition(before, after) for condition in conditions for after in (*letters, END)), before
            )
            for before in (START, *letters)
        }

    def _sequence(self, items: list[Any], end: _Node, groups: frozenset[int], flags: int, *, last: bool) -> _Node:
        for number, (kind, value) in reversed(list(enumerate(items))):
            end = self._item(kind, value, end, groups, flags, last=last and number == len(items) - 1)
        return end

    def _item(self, kind: Any, value: Any, end: _Node, groups: frozenset[int], flags: int, *, last: bool) -> _Node:  # noqa: C901 - one case for each kind
        node = self._node(groups)
        if kind in (sre.LITERAL, sre.NOT_LITERAL, sre.ANY, sre.IN):
            # Each character has a separate position after it.
            node.reads, node.then = self._test(kind, value, flags), self._node(groups)
            node.then.edges.append((None, end, frozenset()))
        elif kind is sre.SUBPATTERN:
            _, add, remove, inner = value
            return self._sequence(list(inner), end, groups, (flags | add) & ~remove, last=last)
        elif kind is sre.ATOMIC_GROUP:
            self._atomic += 1
            own = groups | {self._atomic}
            leave = self._node(own)
            leave.edges.append((None, end, frozenset({self._atomic})))
            return self._sequence(list(value), leave, own, flags, last=False)
        elif kind is sre.BRANCH:
            for branch in value[1]:
                node.edges.append((None, self._sequence(list(branch), end, groups, flags, last=last), frozenset()))
        elif kind in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            return self._repeat(value, end, groups, flags, atomic=kind is sre.POSSESSIVE_REPEAT)
        elif kind is sre.AT:
            node.edges.append((self._at(value, flags), end, frozenset()))
        elif kind in (sre.ASSERT, sre.ASSERT_NOT):
            return self._look(kind, value, end, groups, flags, last=last)
        elif kind in (sre.GROUPREF, sre.GROUPREF_EXISTS):
            node.unsure = True
            node.edges.append((None, end, frozenset()))
        elif kind is not sre.FAILURE:
            raise NotImplementedError(f"unknown part of a pattern: {kind}")
        return node

    def _repeat(self, value: Any, end: _Node, groups: frozenset[int], flags: int, *, atomic: bool) -> _Node:
        least, most, inner = value
        number = 0
        if atomic:
            self._atomic += 1
            number = self._atomic
        own = groups | {number} if atomic else groups

        def body(then: _Node) -> _Node:
            if not atomic:
                return self._sequence(list(inner), then, own, flags, last=False)
            leave = self._node(own)
            leave.edges.append((None, then, frozenset({number})))
            return self._sequence(list(inner), leave, own, flags, last=False)

        after = end
        if most is sre.MAXREPEAT or most >= MANY:
            loop = self._node(groups)
            loop.edges += [(None, body(loop), frozenset()), (None, end, frozenset())]
            after = loop
        else:
            for _ in range(min(most - least, 2)):
                either = self._node(groups)
                either.edges += [(None, body(after), frozenset()), (None, end, frozenset())]
                after = either
        for _ in range(min(least, 2)):
            after = body(after)
        return after

    def _look(self, kind: Any, value: Any, end: _Node, groups: frozenset[int], flags: int, *, last: bool) -> _Node:
        direction, inner = value
        node = self._node(groups)
        if len(inner) == 1 and inner[0][0] in (sre.LITERAL, sre.NOT_LITERAL, sre.ANY, sre.IN):
            test = self._test(*inner[0], flags)
            wanted = kind is sre.ASSERT

            def holds(before: int, after: int) -> bool:
                code = after if direction > 0 else before
                return (code >= 0 and test(self.alphabet[code])) == wanted

            node.edges.append((holds, end, frozenset()))
            return node
        if kind is sre.ASSERT and direction > 0 and last:
            return self._sequence(list(inner), end, groups, flags, last=True)
        node.unsure = True
        node.edges.append((None, end, frozenset()))
        return node

    def _at(self, where: Any, flags: int) -> Condition:
        def is_word(code: int) -> bool:
            return code >= 0 and _is_word(self.alphabet[code])

        def is_line(code: int) -> bool:
            return code >= 0 and self.alphabet[code] == "\n"

        lines = bool(flags & re.MULTILINE)
        conditions: dict[Any, Condition] = {
            sre.AT_BEGINNING: lambda before, _: before == START or (lines and is_line(before)),
            sre.AT_BEGINNING_STRING: lambda before, _: before == START,
            # The end of the text or of its last line. Text after that is not considered.
            sre.AT_END: lambda _, after: after == END or (lines and is_line(after)),
            sre.AT_END_STRING: lambda _, after: after == END,
            sre.AT_BOUNDARY: lambda before, after: is_word(before) != is_word(after),
            sre.AT_NON_BOUNDARY: lambda before, after: is_word(before) == is_word(after),
        }
        return conditions[where]

    def _test(self, kind: Any, value: Any, flags: int) -> Callable[[str], bool]:
        test = _one_of(kind, value, flags)
        self._tests.append(test)
        return test

    def _closure(self, state: int, before: int, after: int) -> Iterator[tuple[_Node, frozenset[int], bool]]:
        """Yield the positions reachable without reading, once for each path, with the atomic groups left."""
        waiting = [(self._nodes[state], frozenset[int](), False, frozenset[tuple[int, int]]())]
        while waiting:
            node, leaves, unsure, seen = waiting.pop()
            unsure = unsure or node.unsure
            yield node, leaves, unsure
            for number, (condition, target, left) in enumerate(node.edges):
                edge = (id(node), number)
                if edge not in seen and (condition is None or condition(before, after)):
                    waiting.append((target, leaves | left, unsure, seen | {edge}))

    def accepts(self, state: int, before: int, after: int) -> bool:
        """Return whether a match is certain to succeed here."""
        return self._accepts_after(state, self.neighbors[before], after)

    def _accepts(self, state: int, before: int, after: int) -> bool:
        return any(node is self.accept and not unsure for node, _, unsure in self._closure(state, before, after))

    def steps(self, state: int, before: int, letter: int) -> tuple[Step, ...]:
        """Return the transitions of a position by a letter, after another letter."""
        return self._steps_after(state, self.neighbors[before], letter)

    def _steps(self, state: int, before: int, letter: int) -> tuple[Step, ...]:
        found: dict[tuple[int, frozenset[int], bool], int] = {}
        for node, leaves, unsure in self._closure(state, before, letter):
            if node.then is not None and letter in self._reads[self._numbers[id(node)]]:
                key = (self._numbers[id(node.then)], leaves, unsure)
                found[key] = found.get(key, 0) + 1
        return tuple(Step(target, leaves, paths, unsure) for (target, leaves, unsure), paths in found.items())

    def groups(self, state: int) -> frozenset[int]:
        """Return the atomic groups that contain a position."""
        return self._nodes[state].groups


def _is_word(letter: str) -> bool:
    return letter.isalnum() or letter == "_"


def _one_of(kind: Any, value: Any, flags: int) -> Callable[[str], bool]:
    """Return a function that tests whether a part of a pattern reads a letter."""
    if kind is sre.ANY:
        return lambda letter: bool(flags & re.DOTALL) or letter != "\n"
    if kind is sre.LITERAL:
        return lambda letter: _is(letter, value, value, flags)
    if kind is sre.NOT_LITERAL:
        return lambda letter: not _is(letter, value, value, flags)
    negated = value[0][0] is sre.NEGATE
    tests = [_in_class(one, inner, flags) for one, inner in value[negated:]]
    return lambda letter: any(test(letter) for test in tests) != negated


def _in_class(kind: Any, value: Any, flags: int) -> Callable[[str], bool]:
    if kind is sre.RANGE:
        return lambda letter: _is(letter, *value, flags)
    if kind is sre.CATEGORY:
        name = str(value).lower().removeprefix("category_")
        negated = name.startswith("not_")
        test = {"digit": str.isdecimal, "space": str.isspace, "word": _is_word}[name.removeprefix("not_")]
        return lambda letter: test(letter) != negated
    return _one_of(kind, value, flags)


def _is(letter: str, first: int, last: int, flags: int) -> bool:
    either = (letter, letter.lower(), letter.upper()) if flags & re.IGNORECASE else (letter,)
    return any(len(one) == 1 and first <= ord(one) <= last for one in either)
