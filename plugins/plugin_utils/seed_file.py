# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a seed from disk. The file may come from anywhere, so everything about it is bounded and checked.

YAML is read event by event into plain JSON types. Nothing is ever constructed from a tag or evaluated. yaml.compose
would read all of a file before anything can be counted, and does not tell a tag that somebody wrote from one that it
found itself, nor where an alias stands.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml

from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import Problem, SeedError
from ansible_collections.petal.hpc.plugins.module_utils._seed.shapes import Path, SourceMap, Unquoted, path_text, shown

SIZE_LIMIT = 1024 * 1024
_TOO_LARGE = f"it is larger than {SIZE_LIMIT // 1024} KiB"
DEPTH_LIMIT = 50
#: Most values in a file, those that aliases repeat included. A large real seed has a few hundred.
NODE_LIMIT = 20_000

_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})", re.ASCII)
_TAG = "tag:yaml.org,2002:"
_TEXT_TAG = _TAG + "str"
_READS_AS = {"timestamp": "a date", "int": "a number of base 2, 8, 16 or 60", "float": "a number", "value": "="}


@dataclass(frozen=True)
class Document:
    """A parsed file: plain data, and where its values stand."""

    data: Any
    source: SourceMap


@dataclass
class _Node:
    """One value of the file. size: how many values it stands for once all aliases are written out."""

    line: int
    column: int
    value: Any = None
    written: str | None = None
    items: list[_Node] | None = None
    pairs: list[tuple[_Node, _Node]] | None = None
    size: int = 1
    open: bool = False


def read_seed_file(path: str | os.PathLike[str]) -> Document:
    """Read a seed. Raises SeedError, with line and column where there is one."""
    name = os.fspath(path)
    return parse_seed(_read(name), name)


def _read(name: str) -> bytes:
    try:
        # A pipe must not block, and what is checked must be what is read: open first, then look.
        descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except (OSError, ValueError) as error:
        raise _unreadable(name, error) from error
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            kind = "a directory" if stat.S_ISDIR(mode) else "no regular file"
            raise _failure(name, f"it is {kind}", "name the seed's YAML file")
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            content = stream.read(SIZE_LIMIT + 1)
    except OSError as error:
        raise _unreadable(name, error) from error
    finally:
        os.close(descriptor)
    if len(content) > SIZE_LIMIT:
        raise _failure(name, _TOO_LARGE)
    return content


def _unreadable(name: str, error: OSError | ValueError) -> SeedError:
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.ENOENT:
        return _failure(name, "there is no such file", "relative paths count from where ansible-playbook was started")
    reason = os.strerror(number) if number else str(error)
    return _failure(name, f"it cannot be read: {reason}")


def _failure(name: str, message: str, hint: str = "", mark: Any = None) -> SeedError:
    line = None if mark is None else mark.line + 1
    column = None if mark is None else mark.column + 1
    return SeedError([Problem("", message, hint=hint, line=line, column=column)], name)


def parse_text(text: str, name: str) -> Document:
    """Read a seed that is no file; name is for messages. Raises SeedError."""
    content = text.encode("utf-8", "surrogatepass")
    if len(content) > SIZE_LIMIT:
        raise _failure(name, _TOO_LARGE)
    return parse_seed(content, name)


def parse_seed(content: bytes, name: str = "") -> Document:
    """Read a seed's bytes; name is for messages. Raises SeedError."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SeedError([Problem("", "it is not UTF-8 text", line=line)], name) from error
    try:
        root = _Reader(name).read(text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        message = f"the character U+{error.character:04X} is not allowed in YAML"
        raise SeedError([Problem("", message, line=line)], name) from error
    except yaml.MarkedYAMLError as error:
        reason = ", ".join(part for part in (error.context, error.problem) if part)
        mark = error.problem_mark or error.context_mark
        raise _failure(name, f"this is no valid YAML: {reason}", mark=mark) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise _failure(name, f"this is no valid YAML: {type(error).__name__}") from error
    return _Builder(name).build(root)


class _Reader:
    """Events to nodes, with all bounds."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.anchors: dict[str, _Node] = {}
        self.resolve: Callable[[type[yaml.Node], str, tuple[bool, bool]], str] = yaml.resolver.Resolver().resolve
        self.count = 0

    def read(self, text: str) -> _Node:
        root: _Node | None = None
        stack: list[_Node] = []
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.DocumentStartEvent) and root is not None:
                self.fail(event, "a seed is one YAML document, a second one begins here")
            if isinstance(event, yaml.CollectionEndEvent):
                self.close(stack.pop())
            if not isinstance(event, yaml.NodeEvent):
                continue
            node = self.node(event)
            self.count += node.size
            if self.count > NODE_LIMIT:
                self.fail(event, f"it holds more than {NODE_LIMIT} values, with aliases written out")
            if stack:
                self.attach(stack[-1], node)
            else:
                root = node
            if isinstance(event, yaml.CollectionStartEvent):
                if len(stack) == DEPTH_LIMIT:
                    self.fail(event, f"it is nested more than {DEPTH_LIMIT} levels deep")
                stack.append(node)
        if root is None:
            raise _failure(self.name, "it is empty", "a seed needs at least cluster: and its name:")
        return root

    def fail(self, event: yaml.Event, message: str) -> NoReturn:
        raise _failure(self.name, message, mark=event.start_mark)

    def node(self, event: yaml.NodeEvent) -> _Node:
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event)
        mark = event.start_mark
        node = _Node(mark.line + 1, mark.column + 1) if mark else _Node(0, 0)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        if isinstance(event, yaml.ScalarEvent):
            if event.tag not in (None, _TEXT_TAG):
                self.fail(event, "tags are not allowed in a seed")
            plain = event.tag is None and event.implicit[0]
            node.value = self.scalar(event.value) if plain else event.value
            node.written = event.value if plain else None
        elif isinstance(event, yaml.CollectionStartEvent):
            if event.tag is not None:
                self.fail(event, "tags are not allowed in a seed")
            node.open = True
            node.items = []
            if isinstance(event, yaml.MappingStartEvent):
                node.pairs = []
        return node

    def alias(self, event: yaml.AliasEvent) -> _Node:
        name = str(event.anchor)
        node = self.anchors.get(name)
        if node is None:
            self.fail(event, f"the alias {shown('*' + name)} has no anchor before it")
        if node.open:
            self.fail(event, f"the alias {shown('*' + name)} holds itself")
        return node

    @staticmethod
    def attach(parent: _Node, node: _Node) -> None:
        """Add a value to its parent. A mapping keeps a key in items until its value comes."""
        items = parent.items = parent.items or []
        if parent.pairs is not None and items:
            parent.pairs.append((items.pop(), node))
        else:
            items.append(node)

    @staticmethod
    def close(node: _Node) -> None:
        node.open = False
        children: Iterable[_Node] = node.items or ()
        if node.pairs is not None:
            node.items = None
            children = [child for pair in node.pairs for child in pair]
        node.size += sum(child.size for child in children)

    def scalar(self, text: str) -> Any:
        """An unquoted scalar as YAML 1.1 reads it, as far as JSON has it."""
        kind = self.resolve(yaml.ScalarNode, text, (True, False))[len(_TAG) :]
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() in ("yes", "true", "on")
        if kind == "int":
            if _INT.fullmatch(text):
                return int(text)
            return Unquoted(text, "a huge number" if re.fullmatch(r"[-+]?[1-9][0-9]*", text) else _READS_AS["int"])
        if kind == "float" and re.fullmatch(r"[-+]?[0-9]+\.[0-9]*", text, re.ASCII) and len(text) < 30:
            return float(text)
        return Unquoted(text, _READS_AS[kind]) if kind in _READS_AS else text


@dataclass
class _Builder:
    """Nodes to plain data, with the place of every value."""

    name: str
    lines: dict[Path, int] = field(default_factory=dict)
    texts: dict[Path, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def build(self, root: _Node) -> Document:
        data = self.value(root, ())
        if self.problems:
            raise SeedError(self.problems, self.name)
        return Document(data, SourceMap(self.name, self.lines, self.texts))

    def value(self, node: _Node, path: Path) -> Any:
        self.lines[path] = node.line
        if node.pairs is not None:
            return self.mapping(node, path)
        if node.items is not None:
            return [self.value(item, (*path, index)) for index, item in enumerate(node.items)]
        if node.written is not None:
            self.texts[path] = node.written
        return node.value

    def mapping(self, node: _Node, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        places: dict[str, _Node] = {}
        for key, child in self.merged(node, path):
            if not isinstance(key.value, str):
                self.note(path, key, "a key must be a text", 'quote it: "…"')
            elif key.value in places:
                self.note((*path, key.value), key, f"this key stands on line {places[key.value].line} already")
            else:
                places[key.value] = key
                result[key.value] = self.value(child, (*path, key.value))
                self.lines[(*path, key.value)] = key.line
        return result

    def merged(self, node: _Node, path: Path, depth: int = 0) -> list[tuple[_Node, _Node]]:
        """The pairs of a mapping, with those that << brings in; its own come first and win."""
        own = [pair for pair in node.pairs or () if pair[0].written != "<<"]
        names = {key.value for key, _child in own if isinstance(key.value, str)}
        for key, child in node.pairs or ():
            if key.written != "<<":
                continue
            for other in [child] if child.items is None else child.items:
                if other.pairs is None or depth > DEPTH_LIMIT:
                    self.note(path, key, "<< wants a mapping, or a list of mappings")
                    continue
                more = [pair for pair in self.merged(other, path, depth + 1) if pair[0].value not in names]
                own += more
                names |= {pair[0].value for pair in more if isinstance(pair[0].value, str)}
        return own

    def note(self, path: Path, node: _Node, message: str, hint: str = "") -> None:
        self.problems.append(Problem(path_text(path), message, hint=hint, line=node.line, column=node.column))
