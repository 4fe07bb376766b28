"""The limits of the house: how large its roles are, and what makes them hard to read. Ends with a line of figures.

make house          every limit that is passed, a line each, and the figures; status 1 where one is passed
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import layers
import yaml

ROOT = Path(__file__).resolve().parents[2]
TASKS = 1100
NAMES = 110
EXPRESSION = 120
FILE = 600
#: Keys whose value is an expression without braces.
_CONDITIONS = {"when", "that", "until", "changed_when", "failed_when", "break_when"}
_EXPRESSION = re.compile(r"\{\{(.*?)\}\}|\{%(.*?)%\}", re.DOTALL)
_COMMENT = re.compile(r"^\s*#.*$", re.MULTILINE)
_STRING = re.compile(r"'[^']*'|\"[^\"]*\"")
#: Neither what is called nor what a call names: default in lookup('env', 'HOME', default='/').
_READ = re.compile(r"(?<![.\w])([a-z_][a-z0-9_]*)\b(?!\s*(?:\(|=(?!=)))")


@dataclass(frozen=True)
class Figures:
    """What the last line says: lines of tasks and names of the largest role, expressions and files that are too long,
    imports that point upwards, defaults of roles that read a variable without a prefix."""

    largest_role: int
    names: int
    long_jinja: int
    longest_file: int
    knots: int
    unprefixed: int

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in vars(self).items())


def roles() -> list[Path]:
    return sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())


def tasks_of(role: Path) -> int:
    """Lines of a role's tasks."""
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in role.glob("tasks/**/*.yml"))


def names_of(role: Path) -> set[str]:
    """The variables of a role, by its prefix: what a reader has to tell from each other."""
    files = [*role.glob("tasks/**/*.yml"), *role.glob("defaults/*.yml"), *role.glob("vars/*.yml")]
    files += role.glob("templates/**/*.j2")
    # A key of what another name holds, a module or a filter is no variable.
    variable = re.compile(rf"(?<![.\w/'-]){role.name}_\w+(?![\w(])")
    return {name for path in files for name in variable.findall(_COMMENT.sub("", path.read_text(encoding="utf-8")))}


def long_expressions() -> Iterator[str]:
    """Where an expression in YAML is too long, with its length."""
    files = [*ROOT.glob("roles/*/*/**/*.yml"), *ROOT.glob("playbooks/**/*.yml")]
    for path in sorted(path for path in files if "molecule" not in path.parts):
        for text in _expressions(yaml.load(path.read_text(encoding="utf-8"), _Loader)):
            plain = " ".join(text.split())
            if len(plain) > EXPRESSION:
                yield f"{path.relative_to(ROOT)}: {len(plain)} characters: {plain[:60]}…"


class _Loader(yaml.SafeLoader):
    """Takes Ansible's tags for what they stand at."""


_Loader.add_multi_constructor("!", lambda loader, _tag, node: loader.construct_scalar(node))


def _expressions(value: Any, key: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _expressions(item, str(name))
    elif isinstance(value, list):
        for item in value:
            yield from _expressions(item, key)
    elif isinstance(value, str):
        if key in _CONDITIONS and "{{" not in value:
            yield value
        for one in _EXPRESSION.finditer(value):
            yield one[1] or one[2] or ""


def names_read(expression: str) -> set[str]:
    """The variables, and the words of Jinja, in an expression."""
    # What stands behind a bar or is is a filter or a test.
    return {*_READ.findall(re.sub(r"(\||\bis\b(?: not)?)\s*[\w.]+", ",", _STRING.sub("''", expression)))}


def unprefixed() -> Iterator[str]:
    """Defaults of roles that read what has no role's prefix, nor the collection's."""
    known = tuple(f"{role.name}_" for role in roles())
    theirs = {
        "groups",
        "hostvars",
        "inventory_hostname",
        "inventory_hostname_short",
        "playbook_dir",
        "role_path",
        "item",
    }
    theirs |= {
        "ansible_facts",
        "ansible_check_mode",
        "if",
        "else",
        "is",
        "in",
        "not",
        "and",
        "or",
        "true",
        "false",
        "none",
    }
    for role in roles():
        for name, value in (yaml.safe_load((role / "defaults" / "main.yml").read_text(encoding="utf-8")) or {}).items():
            for text in _expressions(value):
                for one in sorted(names_read(text) - theirs):
                    if not one.startswith((*known, "petal_")) and one != "lookup":
                        yield f"{role.name}: {name} reads {one}"


def main() -> int:
    """Print what is passed, and the figures."""
    sizes = {role.name: tasks_of(role) for role in roles()}
    names = {role.name: len(names_of(role)) for role in roles()}
    files = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in ROOT.glob("plugins/**/*.py")}
    long, knots, bare = [*long_expressions()], layers.knots(), [*unprefixed()]
    for role in sorted(sizes, key=lambda name: -sizes[name]):
        print(f"{role:20} {sizes[role]:5} lines of tasks {names[role]:4} names")
    wrong = [f"role {name}: {lines} lines of tasks, at most {TASKS}" for name, lines in sizes.items() if lines > TASKS]
    wrong += [f"role {name}: {number} names, at most {NAMES}" for name, number in names.items() if number > NAMES]
    wrong += [
        f"{path.relative_to(ROOT)}: {lines} lines, at most {FILE}" for path, lines in files.items() if lines > FILE
    ]
    wrong += [*long, *knots, *bare]
    print("\n".join(wrong))
    print(Figures(max(sizes.values()), max(names.values()), len(long), max(files.values()), len(knots), len(bare)))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
