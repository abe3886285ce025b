"""Detection of regular expressions that take more than linear time.

A backtracking search takes at least quadratic time if the pattern has two positions p and q, and there is a word w,
such that reading w leads from p to p, from p to q, and from q to q, and the rest after q may fail: at each of n
repetitions of w, the search can stay at p or move to q. A search that starts at every character of the text is itself
such a position p. (Weber and Seidl: On the degree of ambiguity of finite automata; Weideman and others: Analyzing
matching time behavior of backtracking regular expression matchers.)

Repetitions of less than `automaton.MANY` count as bounded. Lookaheads of more than one character and references to
groups count as any text that they may match.
"""

from collections import deque
from itertools import product
from typing import Any

from automaton import END, START, Automaton

_MAX_SETS = 5_000
_REPEATED = 6


def growth(pattern: str | bytes, flags: int = 0, method: str = "search") -> str | None:
    """Return a word whose repetition makes a pattern take more than linear time; ``None`` if there is none.

    Parameters:
        pattern: The pattern.
        flags: The flags of the pattern.
        method: The method that runs the pattern: ``search``, ``match`` or ``fullmatch``.
    """
    automaton = Automaton(pattern, flags, method)
    reach, into = _reached(automaton)
    beyond = {state: _beyond(state, reach) for state in reach}
    loops = [state for state in reach if state in beyond[state]]
    failing = [state for state in loops if any(_may_fail(automaton, {state}, before) for before in into[state])]
    word = next((word for p in failing if (word := _doubled(automaton, p, beyond))), None)
    for p, q in product(loops, failing) if word is None else ():
        for last in into[p] & into[q] if p != q and q in beyond[p] else ():
            pumped = _pumped(automaton, p, q, last, beyond)
            if pumped is not None and _wastes(automaton, p, q, pumped):
                word = pumped
                break
        if word is not None:
            break
    return None if word is None else "".join(automaton.alphabet[letter] for letter in word)


def _reached(automaton: Automaton) -> tuple[dict[int, set[int]], dict[int, set[int]]]:
    """Return the positions that follow each reachable position, and the letters that lead to each."""
    letters = range(len(automaton.alphabet))
    reach: dict[int, set[int]] = {}
    into: dict[int, set[int]] = {}
    waiting = [automaton.start]
    while waiting:
        state = waiting.pop()
        if state in reach:
            continue
        reach[state] = set()
        for before, letter in product(set(automaton.neighbors.values()), letters):
            for step in automaton.steps(state, before, letter):
                reach[state].add(step.target)
                into.setdefault(step.target, set()).add(letter)
        waiting += reach[state]
    return reach, into


def _doubled(automaton: Automaton, p: int, beyond: dict[int, set[int]]) -> list[int] | None:
    """Return a letter that leads from one position of a loop to another on two paths."""
    letters = range(len(automaton.alphabet))
    for before, letter in product({automaton.neighbors[before] for before in letters}, letters):
        for step in automaton.steps(p, before, letter):
            back = p in beyond[step.target] or p == step.target
            if step.paths > 1 and back and not step.leaves & automaton.groups(p):
                return [letter]
    return None


def _wastes(automaton: Automaton, p: int, q: int, word: list[int]) -> bool:
    """Return whether an attempt that reads repetitions of a word may end without any match."""
    prefix = [] if p == automaton.start else _way(automaton, p)
    for offset in range(len(word)):
        text = [*prefix, *word[offset:], *word * _REPEATED] if not offset or not prefix else []
        states, before = {automaton.first}, START if prefix else word[offset - 1]
        accepted = -1
        for number, letter in enumerate(text):
            if any(automaton.accepts(one, before, letter) for one in states):
                accepted = number
            states = {step.target for one in states for step in automaton.steps(one, before, letter)}
            before = letter
        if q in states and accepted < len(text) - len(word) and _may_fail(automaton, states, before):
            return True
    return False


def _way(automaton: Automaton, goal: int) -> list[int]:
    """Return a text that leads from the start to a position."""
    letters = range(len(automaton.alphabet))
    first = (automaton.first, START)
    came: dict[Any, Any] = {first: None}
    waiting = deque([first])
    while waiting:
        at = waiting.popleft()
        for letter in letters:
            for step in automaton.steps(*at, letter):
                to = (step.target, letter)
                if to not in came:
                    came[to] = (at, letter)
                    waiting.append(to)
                if step.target == goal:
                    return _word(came, to)
    return []


def _beyond(state: int, reach: dict[int, set[int]]) -> set[int]:
    found: set[int] = set()
    waiting = [*reach[state]]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += reach[one]
    return found


def _may_fail(automaton: Automaton, places: set[int], last: int) -> bool:
    """Return whether some text after these positions ends the attempt without a match."""
    letters = range(len(automaton.alphabet))
    first = (frozenset(places), last)
    seen, waiting = {first}, deque([first])
    while waiting:
        states, before = waiting.popleft()
        for after in (*letters, END):
            if any(automaton.accepts(one, before, after) for one in states):
                continue
            if after == END:
                return True
            following = frozenset(
                step.target for one in states for step in automaton.steps(one, before, after) if not step.unsure
            )
            if not following:
                return True
            if (following, after) not in seen:
                seen.add((following, after))
                waiting.append((following, after))
        if len(seen) > _MAX_SETS:
            return True
    return False


def _pumped(automaton: Automaton, p: int, q: int, last: int, beyond: dict[int, set[int]]) -> list[int] | None:
    """Return a word, by its last letter, that leads from p to p, from p to q, and from q to q."""
    letters = range(len(automaton.alphabet))
    kept = automaton.groups(p)
    start, goal = (last, p, p, q), (last, p, q, q)
    came: dict[Any, Any] = {start: None}
    waiting = deque([start])
    while waiting:
        at = waiting.popleft()
        before, x, y, z = at
        for letter in letters:
            steps = (automaton.steps(x, before, letter), automaton.steps(y, before, letter))
            if not all(steps):
                continue
            for one, two, three in product(*steps, automaton.steps(z, before, letter)):
                to = (letter, one.target, two.target, three.target)
                leaves = (one.leaves | two.leaves) & kept
                back = p in beyond[one.target] and q in beyond[three.target] and q in beyond[two.target]
                if leaves or to in came or not back:
                    continue
                came[to] = (at, letter)
                if to == goal:
                    return _word(came, to)
                waiting.append(to)
    return None


def _word(came: dict[Any, Any], to: Any) -> list[int]:
    word: list[int] = []
    while (step := came[to]) is not None:
        to, letter = step
        word.insert(0, letter)
    return word
