# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the time of a regular expression grows with its input, at worst.

Python's matcher goes back and tries another way wherever there are two for the same text. So the expression is taken
for the automaton that it is (one state for each character that it reads), and the ways are counted: a loop that reads
one text in two ways doubles the time with each turn, and loops that can share one text among each other multiply it by
its length. Sources: A. Weber and H. Seidl, On the degree of ambiguity of finite automata, 1991; N. Weideman and others,
Analyzing matching time behavior of backtracking regular expression matchers, 2016.

PyPI's own checkers were tried: regexploit does not see (a|a)*b, redoctor gives no answer for two loops side by side.

Where it is not exact it errs to the worse side: assertions are taken for granted but for those that an expression
begins with, and a group that is repeated more than COPIES times is taken for one that is repeated for ever.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, NamedTuple, Union

# The parser of re itself: what it reads is what runs.
_parser: Any = importlib.import_module("re._parser")
_constants: Any = importlib.import_module("re._constants")

#: The degree of a time that doubles with a few more characters.
EXPONENTIAL = 99
#: The highest count of a repetition that is written out.
COPIES = 4

# More characters than any text has.
_LONG = 10**8

MATCH, FULL, SEARCH = "match", "fullmatch", "search"

Expression = Union[str, bytes]


class Growth(NamedTuple):
    """The time at worst: the input's length to the power of degree, times factor for loops with a highest count."""

    degree: int
    factor: int = 1

    def steps(self, length: int) -> int:
        """For an input of so many characters."""
        return int(length**self.degree * self.factor)

    def times(self, bound: int | None) -> Growth:
        """With one more loop inside."""
        return Growth(self.degree + 1, self.factor) if bound is None else Growth(self.degree, self.factor * bound)


@dataclass
class _Part:
    """A piece of an expression: how often it can be empty (0, 1, or 2 for more), where it begins and where it ends.

    free: those of last behind which nothing has to hold. bare: whether it can be empty where nothing has to hold.
    """

    empty: int = 1
    first: list[int] = field(default_factory=list)
    last: list[int] = field(default_factory=list)
    free: frozenset[int] = frozenset()
    bare: bool = True


class _Automaton:
    """The states of an expression. A state is a character read: which ones it takes, and which states follow.

    A follower that stands there twice can be reached in two ways without reading anything in between.
    """

    def __init__(self, flags: int, binary: bool) -> None:
        self.flags = flags
        self.binary = binary
        more = () if binary else (0x17F, 0x212A, 0x660, 0x2003, 0x2028, 0x4E00, 0x1F600)
        self.letters = [chr(code) for code in (*range(256), *more)]
        self.takes: list[int] = []
        self.follows: list[list[int]] = []
        # How many characters a loop can read at most, by its states.
        self.bounds: dict[int, int] = {}
        self.inside: list[tuple[Any, int]] = []

    def state(self, takes: int) -> _Part:
        self.takes.append(takes)
        self.follows.append([])
        here = len(self.takes) - 1
        return _Part(0, [here], [here], frozenset([here]), False)

    # -- which characters -------------------------------------------------------------------------------------------

    def those(self, test: Callable[[str], bool]) -> int:
        return sum(1 << index for index, letter in enumerate(self.letters) if test(letter))

    def by_expression(self, expression: str, flags: int) -> int:
        kinds = flags & (re.ASCII | re.IGNORECASE | re.DOTALL)
        if self.binary:
            compiled = re.compile(expression.encode("ascii"), kinds & ~re.ASCII)
            return self.those(lambda letter: bool(compiled.fullmatch(letter.encode("latin-1"))))
        texts = re.compile(expression, kinds)
        return self.those(lambda letter: bool(texts.fullmatch(letter)))

    def literal(self, code: int, flags: int) -> int:
        if chr(code) not in self.letters:
            self.letters.append(chr(code))
        same = {chr(code), *((chr(code).lower(), chr(code).upper()) if flags & re.IGNORECASE else ())}
        return self.those(lambda letter: letter in same)

    def between(self, low: int, high: int, folded: bool) -> int:
        return self.those(
            lambda letter: any(low <= ord(one) <= high for one in (letter, *(letter.swapcase() if folded else "")))
        )

    def within(self, items: Sequence[tuple[Any, Any]], flags: int) -> int:
        found, negated = 0, False
        for kind, value in items:
            name = str(kind)
            if name == "NEGATE":
                negated = True
            elif name == "LITERAL":
                found |= self.literal(value, flags)
            elif name == "RANGE":
                low, high = value
                found |= self.between(low, high, bool(flags & re.IGNORECASE))
            elif name == "CATEGORY":
                found |= self.by_expression(_CATEGORIES[str(value)], flags)
            else:
                raise NotImplementedError(f"{name} in a set")
        return ~found & self.everything() if negated else found

    def everything(self) -> int:
        return (1 << len(self.letters)) - 1

    def ending(self, anything: _Part, takes: int) -> _Part:
        """Anything that ends with one of these characters, or nothing."""
        found = self.joined(anything, self.state(takes))
        return _Part(1, found.first, found.last, found.free)

    # -- pieces -------------------------------------------------------------------------------------------------------

    def joined(self, one: _Part, two: _Part) -> _Part:
        for state in one.last:
            self.follows[state] += two.first
        return _Part(
            min(2, one.empty * two.empty),
            one.first + two.first * min(2, one.empty),
            two.last + one.last * min(2, two.empty),
            two.free | (one.free if two.bare else frozenset()),
            one.bare and two.bare,
        )

    def looped(self, body: _Part, at_least_once: bool) -> _Part:
        for state in body.last:
            self.follows[state] += body.first
        empty = body.empty if at_least_once else 1
        return _Part(empty, body.first, body.last, body.free, body.bare or not at_least_once)

    def sequence(self, items: Iterable[tuple[Any, Any]], flags: int) -> _Part:
        found = _Part()
        for kind, value in items:
            found = self.joined(found, self.piece(str(kind), value, flags))
        return found

    def piece(self, kind: str, value: Any, flags: int) -> _Part:
        if kind == "LITERAL":
            return self.state(self.literal(value, flags))
        if kind == "NOT_LITERAL":
            return self.state(~self.literal(value, flags) & self.everything())
        if kind == "ANY":
            return self.state(self.by_expression(".", flags))
        if kind == "IN":
            return self.state(self.within(value, flags))
        if kind == "SUBPATTERN":
            _group, added, removed, body = value
            return self.sequence(body, (flags | added) & ~removed)
        if kind == "BRANCH":
            parts = [self.sequence(branch, flags) for branch in value[1]]
            return _Part(
                min(2, sum(part.empty for part in parts)),
                [state for part in parts for state in part.first],
                [state for part in parts for state in part.last],
                frozenset(state for part in parts for state in part.free),
                any(part.bare for part in parts),
            )
        if kind in ("MAX_REPEAT", "MIN_REPEAT"):
            low, high, body = value
            return self.repeated(low, high, body, flags)
        if kind == "AT":
            return _Part(bare=False)
        if kind in ("ASSERT", "ASSERT_NOT"):
            self.inside.append((value[1], flags))
            return _Part(bare=False)
        # References to groups, possessive and atomic ones: nobody here needs them, and managed nodes have Python 3.9.
        raise NotImplementedError(kind)

    def repeated(self, low: int, high: Any, body: Any, flags: int) -> _Part:
        if int(high) > COPIES:
            before = len(self.takes)
            part = self.looped(self.sequence(body, flags), low > 0)
            widest = int(high) * body.getwidth()[1]
            for state in range(before, len(self.takes)):
                self.bounds.pop(state, None)
                if widest < _LONG:
                    self.bounds[state] = widest
            return part
        found = _Part()
        for _copy in range(int(high) - low):
            inner = self.joined(self.sequence(body, flags), found)
            found = _Part(min(2, inner.empty + 1), inner.first, inner.last, inner.free)
        for _copy in range(low):
            found = self.joined(self.sequence(body, flags), found)
        return found

    # -- counting ways ------------------------------------------------------------------------------------------------

    def growth(self, without: Iterable[int]) -> Growth:
        """How the time grows; without: states in which the match is made, so that there is no way back."""
        gone = set(without)
        self.edges = [
            [] if state in gone else [follower for follower in follows if follower not in gone]
            for state, follows in enumerate(self.follows)
        ]
        loops = [loop for loop in _components(self.edges) if any(set(self.edges[one]) & set(loop) for one in loop)]
        if any(self.doubles(set(loop)) for loop in loops):
            return Growth(EXPONENTIAL)
        reached = {state: _closure(self.edges, [state]) for loop in loops for state in loop}
        ahead: list[Growth] = []
        # Those that lead to no other come first.
        for index, loop in enumerate(loops):
            best = Growth(1)
            for other in range(index):
                if loops[other][0] in reached[loop[0]]:
                    more = ahead[other]
                    if self.share(loop, loops[other], reached):
                        more = more.times(self.turns(loop, loops[other]))
                    best = max(best, more)
            ahead.append(best)
        return max(ahead, default=Growth(1))

    def turns(self, *loops: Sequence[int]) -> int | None:
        """How many turns two loops can share: None where neither has a highest count."""
        return min((self.bounds[loop[0]] for loop in loops if all(one in self.bounds for one in loop)), default=None)

    def doubles(self, loop: set[int]) -> bool:
        """Whether there is a text that leads from a state of the loop to itself in two ways."""
        edges = {state: [follower for follower in self.edges[state] if follower in loop] for state in loop}
        if any(len(set(followers)) < len(followers) for followers in edges.values()):
            return True
        steps: dict[tuple[int, int], list[tuple[int, int]]] = {}
        back: dict[tuple[int, int], list[tuple[int, int]]] = {}
        ahead = {(state, state) for state in loop}
        todo = list(ahead)
        while todo:
            pair = todo.pop()
            steps[pair] = [
                (one, two) for one, two in product(edges[pair[0]], edges[pair[1]]) if self.takes[one] & self.takes[two]
            ]
            for following in steps[pair]:
                back.setdefault(following, []).append(pair)
                if following not in ahead:
                    ahead.add(following)
                    todo.append(following)
        todo = [(state, state) for state in loop]
        home = set(todo)
        while todo:
            for before in back.get(todo.pop(), ()):
                if before not in home:
                    home.add(before)
                    todo.append(before)
        return any(one != two for one, two in home)

    def share(self, loop: Sequence[int], other: Sequence[int], reached: dict[int, set[int]]) -> bool:
        """Whether one text can turn both loops and lead from the first to the second."""
        return any(self.shared(one, two, set(loop), set(other), reached) for one in loop for two in other)

    def shared(self, one: int, two: int, loop: set[int], other: set[int], reached: dict[int, set[int]]) -> bool:
        between = reached[one]
        start, end = (one, one, two), (one, two, two)
        seen = {start}
        todo = [start]
        while todo:
            first, middle, last = todo.pop()
            for step in product(self.edges[first], self.edges[middle], self.edges[last]):
                if step[0] not in loop or step[2] not in other or step[1] not in between or step in seen:
                    continue
                if self.takes[step[0]] & self.takes[step[1]] & self.takes[step[2]]:
                    if step == end:
                        return True
                    seen.add(step)
                    todo.append(step)
        return False


_CATEGORIES = {
    "CATEGORY_DIGIT": r"\d",
    "CATEGORY_NOT_DIGIT": r"\D",
    "CATEGORY_SPACE": r"\s",
    "CATEGORY_NOT_SPACE": r"\S",
    "CATEGORY_WORD": r"\w",
    "CATEGORY_NOT_WORD": r"\W",
}


def _closure(edges: Sequence[Sequence[int]], starts: Iterable[int]) -> set[int]:
    found: set[int] = set()
    todo = list(starts)
    while todo:
        for follower in edges[todo.pop()]:
            if follower not in found:
                found.add(follower)
                todo.append(follower)
    return found


def _components(edges: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Sets of states that reach each other, those that lead nowhere else first."""
    reached = [_closure(edges, [state]) for state in range(len(edges))]
    done: set[int] = set()
    for state in sorted(range(len(edges)), key=lambda one: len(reached[one])):
        if state not in done:
            found = [state, *(other for other in reached[state] - {state} if state in reached[other])]
            done.update(found)
            yield found


def growth(expression: Expression, flags: int = 0, use: str = FULL) -> Growth:
    """How the time of an expression grows at worst.

    :param use: FULL, MATCH or SEARCH. What is searched for is begun at every place; what needs no certain end has been
        found before there is a way back.
    """
    parsed = _parser.parse(expression, flags)
    flags = parsed.state.flags
    # The alphabet grows while the expression is read, so that is done twice.
    letters = _read(expression, parsed, flags, use, ())[0].letters
    automaton, whole = _read(expression, parsed, flags, use, letters)
    found = [automaton.growth(() if use == FULL else whole.free)]
    while automaton.inside:
        body, own = automaton.inside.pop()
        inner, part = _read(expression, body, own, MATCH, letters)
        automaton.inside += inner.inside
        found.append(inner.growth(part.free))
    return max(found)


def _read(expression: Expression, items: Any, flags: int, use: str, letters: Iterable[str]) -> tuple[_Automaton, _Part]:
    automaton = _Automaton(flags, isinstance(expression, bytes))
    automaton.letters = list(letters) or automaton.letters
    begin = _Part() if use != SEARCH else None
    items = list(items)
    if begin is None:
        begin, items = _before(automaton, items, flags)
    whole = automaton.sequence(items, flags)
    automaton.joined(begin, whole)
    return automaton, whole


def _before(automaton: _Automaton, items: list[tuple[Any, Any]], flags: int) -> tuple[_Part, list[tuple[Any, Any]]]:
    """What a search passes over before the expression begins: anything, what ends as it must, or nothing. And the rest
    of the expression."""
    anything = automaton.looped(automaton.state(automaton.everything()), False)
    kind = ""
    value: Any = None
    if items:
        kind, value = str(items[0][0]), items[0][1]
    if kind == "AT" and str(value) == "AT_BEGINNING_STRING":
        return _Part(), items[1:]
    if kind == "AT" and str(value) == "AT_BEGINNING":
        if not flags & re.MULTILINE:
            return _Part(), items[1:]
        return automaton.ending(anything, automaton.literal(ord("\n"), flags)), items[1:]
    if kind == "AT" and str(value) == "AT_BOUNDARY":
        words = automaton.by_expression(r"\w", flags)
        probe, part = _read(b"" if automaton.binary else "", items[1:], flags, MATCH, automaton.letters)
        if not part.empty and all(not probe.takes[state] & ~words for state in part.first):
            return automaton.ending(anything, automaton.everything() & ~words), items[1:]
    if kind in ("ASSERT", "ASSERT_NOT") and value[0] < 0:
        if kind == "ASSERT":
            return automaton.joined(anything, automaton.sequence(value[1], flags)), items[1:]
        if len(value[1]) == 1 and str(value[1][0][0]) in ("IN", "LITERAL"):
            one = value[1][0]
            refused = automaton.within(one[1] if str(one[0]) == "IN" else [one], flags)
            return automaton.ending(anything, automaton.everything() & ~refused), items[1:]
    return anything, items


# -- hostile texts --------------------------------------------------------------------------------------------------


def hostile(expression: Expression, flags: int, length: int) -> Iterator[Expression]:
    """Texts at which the expression would have to try: each of its loops turned as often as there is room.

    Before the loop stands the shortest text that leads there, behind it what can end no match.
    """
    binary = isinstance(expression, bytes)
    seen = set()
    for before, turn in _pumps(_parser.parse(expression, flags)):
        for end in ("\0", "\n", "!", "a", ""):
            text = (before + turn * (max(0, length - len(before) - 1) // max(1, len(turn))) + end)[:length]
            whole = (before + turn) * (length // max(1, len(before + turn))) + end
            for one in (text, whole[:length]):
                if one not in seen:
                    seen.add(one)
                    yield one.encode("latin-1", "replace") if binary else one


def _pumps(items: Any, before: str = "") -> Iterator[tuple[str, str]]:
    """The loops of an expression: the shortest text before each, and one turn of it in several spellings."""
    for kind, value in items:
        name = str(kind)
        if name in ("MAX_REPEAT", "MIN_REPEAT"):
            low, high, body = value
            for choice in range(3):
                turn = _shortest(body, choice)
                if int(high) > COPIES and turn:
                    yield before, turn
            yield from _pumps(body, before)
            before += _shortest(body, 0) * low
        elif name == "SUBPATTERN":
            yield from _pumps(value[3], before)
            before += _shortest(value[3], 0)
        elif name == "BRANCH":
            for branch in value[1]:
                yield from _pumps(branch, before)
            before += _shortest(value[1][0], 0)
        else:
            before += _shortest([(kind, value)], 0)


def _shortest(items: Any, choice: int) -> str:
    text = ""
    for kind, value in items:
        name = str(kind)
        if name == "LITERAL":
            text += chr(value)
        elif name in ("ANY", "NOT_LITERAL"):
            text += next(one for one in "a-1"[choice:] + "b" if name == "ANY" or ord(one) != value)
        elif name == "IN":
            text += _one_of(value, choice)
        elif name == "SUBPATTERN":
            text += _shortest(value[3], choice)
        elif name == "BRANCH":
            text += _shortest(value[1][choice % len(value[1])], choice)
        elif name in ("MAX_REPEAT", "MIN_REPEAT"):
            text += _shortest(value[2], choice) * max(int(value[0]), min(choice, int(value[1])))
    return text


def _one_of(items: Any, choice: int) -> str:
    negated = any(str(kind) == "NEGATE" for kind, _value in items)
    options = []
    for kind, value in items:
        name = str(kind)
        if name == "LITERAL":
            options.append(chr(value))
        elif name == "RANGE":
            options.append(chr(value[0]))
        elif name == "CATEGORY":
            options.append({"DIGIT": "1", "SPACE": " ", "WORD": "a"}.get(str(value).rsplit("_", 1)[-1], "a"))
    if negated:
        return next(one for one in "a1- \n" if one not in options)
    return options[choice % len(options)]
