# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every regular expression of plugins, roles and playbooks, with the longest text that it can meet and how it is used.

Found are the calls of re in Python, compiled expressions in modules, and the filters and tests of Ansible that take
one. What is put together while it runs is in COMPUTED, or has a reason in ELSEWHERE: what is in neither fails.
"""

from __future__ import annotations

import ast
import functools
import importlib
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import backtracking
import jinja2
import yaml
from backtracking import FULL, MATCH, SEARCH, Expression, Growth
from jinja2 import nodes

from ansible_collections.petal.hpc.plugins.module_utils._audit import secrets, spdx
from ansible_collections.petal.hpc.plugins.module_utils._aws.images import choice
from ansible_collections.petal.hpc.plugins.module_utils._seed import grammar, spec
from ansible_collections.petal.hpc.plugins.module_utils._seed.shapes import TEXT_LIMIT

ROOT = Path(__file__).parents[2]
PACKAGE = "ansible_collections.petal.hpc"

#: Steps of the matcher that an expression may take at worst: some seconds.
STEPS = 10**9

_CALLS = {
    "compile": None,
    "match": MATCH,
    "fullmatch": FULL,
    "search": SEARCH,
    "sub": SEARCH,
    "subn": SEARCH,
    "split": SEARCH,
    "findall": SEARCH,
    "finditer": SEARCH,
}
#: Functions of ours that compile what they are given, and how it is used then.
_OWN_CALLS = {"pattern": FULL}

_MARK = "petal-0123456789abcdef"
#: What is put together while it runs: the file and the expression in the code, and what comes out.
COMPUTED: Mapping[tuple[str, str], Sequence[str]] = {
    ("plugins/module_utils/_aws/cost/estimate.py", "usage"): (".*", "(.*-)?EBS:SnapshotUsage"),
    ("plugins/module_utils/_aws/cost/estimate.py", "unit"): (
        "hrs|hours?",
        "gb-mo(nth)?",
        "iops-mo(nth)?",
        "[gm]i?bps-mo(nth)?",
    ),
    ("plugins/module_utils/_aws/images/choice.py", "pattern"): tuple(
        re.escape(image.name_pattern(architecture)).replace(r"\*", ".*")
        for image in choice.OFFICIAL.values()
        for architecture in ("x86_64", "arm64")
    ),
    ("plugins/module_utils/_check/mpi.py", r"f'^{mark} (\\d+) (\\d+) (\\d+) (\\S+)\\s*$'"): (
        rf"^{_MARK} (\d+) (\d+) (\d+) (\S+)\s*$",
    ),
    ("plugins/module_utils/_check/slurm.py", "pattern"): (
        rf"^{_MARK} begin (\d+)\n(.*?)(?:^{_MARK} end (\d+) (\d+) (\d+)$|\Z)",
    ),
    ("plugins/module_utils/_pcluster/settings.py", "f'{prefix}-([0-9a-f]{{8}}|[0-9a-f]{{17}})'"): (
        "subnet-([0-9a-f]{8}|[0-9a-f]{17})",
    ),
    ("plugins/module_utils/_sharing/keys.py", "f'arn:[a-z-]+:(?:iam|sts)::{account}:.+'"): (
        "arn:[a-z-]+:(?:iam|sts)::123456789012:.+",
    ),
}
#: Where an expression is no text of its own, and why it need not be looked at there.
ELSEWHERE = {
    ("plugins/module_utils/_aws/keep.py", "pattern"): "the compiled ones stand in _NOT_THE_SOFTWARE",
    ("plugins/module_utils/_seed/grammar.py", "expression"): "pattern() itself: its callers are looked at",
    ("plugins/module_utils/_volume/model.py", "pattern"): "it is given the text of compiled ones of the module",
}


#: Characters that an expression meets at most where nothing better is known: a whole file.
LIMIT = 1024 * 1024
#: Where it is less: the file, how the expression begins, the limit, and what holds it.
LIMITS: Sequence[tuple[str, str, int, str]] = (
    ("plugins/module_utils/_audit/place.py", "", 255, "a part of a path: NAME_MAX"),
    ("plugins/module_utils/_audit/secrets.py", "", secrets.KEY_BYTES, "what is read of a file"),
    ("plugins/module_utils/_audit/spdx.py", "", spdx.LENGTH_LIMIT, "standing()"),
    ("plugins/module_utils/_aws/images/choice.py", "", 128, "an image's name: CreateImage of the EC2 API"),
    ("plugins/module_utils/_seed/grammar.py", "", grammar.REQUIREMENT_LIMIT, "plain_requirement(); less in the schema"),
    ("plugins/module_utils/_seed/platforms.py", "", TEXT_LIMIT, "a text of the seed"),
    ("plugins/module_utils/_seed/spec.py", "", spec.LIMIT, "a spec"),
    ("plugins/module_utils/_spack/messages.py", "(?:\\bfatal error", 400, "tail() cuts lines"),
    ("roles/spack/vars/main.yml", "^(?:releases", TEXT_LIMIT, "a Git reference"),
    ("roles/spack_buildcache/templates/mirrors.yaml.j2", "/+$", 500, "an address"),
)
#: What is accepted all the same: the file, how the expression begins, and why it does no harm.
ACCEPTED: Sequence[tuple[str, str, str]] = (
    ("plugins/module_utils/_check/slurm.py", "^petal-", "it cannot fail: where no end stands it takes the rest (\\Z)"),
)


#: How expressions are used that go by another name where that is done. Else nothing is taken for granted.
USED_AS: Mapping[str, tuple[str, ...]] = {
    "_NETRC": (SEARCH,),
    "_PGPASS": (SEARCH,),
    "_PASSWORD_LINE": (SEARCH,),
    "_RULES": (SEARCH,),
}


class NotKnownError(Exception):
    """An expression that can be found by nobody."""


@dataclass(frozen=True)
class Found:
    """One regular expression: where it stands, and with which of match, fullmatch and search it is used."""

    file: str
    line: int
    expression: Expression
    flags: int
    uses: frozenset[str]

    def growth(self) -> Growth:
        """How the time grows at worst: see backtracking.growth()."""
        return max(_growth(self.expression, self.flags, use) for use in self.uses)

    @property
    def limit(self) -> int:
        """How many characters can come at most."""
        return next((limit for file, begin, limit, _why in LIMITS if self.is_at(file, begin)), LIMIT)

    @property
    def is_accepted(self) -> bool:
        """Whether somebody has looked at it: see ACCEPTED."""
        return any(self.is_at(file, begin) for file, begin, _why in ACCEPTED)

    def is_at(self, file: str, begin: str) -> bool:
        """Whether it stands in a file, or below a directory, and begins with a text."""
        text = self.expression if isinstance(self.expression, str) else self.expression.decode("latin-1")
        return self.file.startswith(file) and text.startswith(begin)

    def refusal(self) -> str:
        """Why it cannot stay, or nothing."""
        if self.is_accepted:
            return ""
        try:
            growth = self.growth()
        except NotImplementedError as error:
            return f"{self}: nobody can tell how its time grows: it uses {error}"
        if growth.degree <= 2 and growth.steps(self.limit) <= STEPS:
            return ""
        if growth.degree == backtracking.EXPONENTIAL:
            return f"{self}: its time doubles with a few more characters"
        return f"{self}: its time grows with the power of {growth.degree} of up to {self.limit} characters"

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.expression!r} ({', '.join(sorted(self.uses))})"


_growth = functools.lru_cache(maxsize=None)(backtracking.growth)


def everywhere() -> list[Found]:
    """All of them. Raises NotKnownError with those that nobody can tell."""
    unknown: list[str] = []
    found = [*_in_python(unknown), *_in_ansible(unknown)]
    if unknown:
        raise NotKnownError("\n".join(unknown))
    return found


# -- Python ---------------------------------------------------------------------------------------------------------


def _in_python(unknown: list[str]) -> Iterator[Found]:
    trees = {
        path: ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted([*ROOT.glob("plugins/**/*.py"), *ROOT.glob("roles/*/files/*.py")])
    }
    uses = _uses(trees.values())
    for path, tree in trees.items():
        file = str(path.relative_to(ROOT))
        names = _names(file)
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            if (use := _use(call)) is not None and call.args:
                yield from _of_call(call, use, file, names, unknown)
        for name, value in names.items():
            for compiled in _compiled(value):
                # An imported one is looked at too: where it is used decides how.
                used = frozenset(uses.get(name) or USED_AS.get(name, (FULL, SEARCH)))
                yield Found(file, 1, compiled.pattern, compiled.flags & ~re.UNICODE, used)


def _names(file: str) -> dict[str, Any]:
    if not file.startswith("plugins/"):
        return {"re": re}
    return dict(vars(importlib.import_module(f"{PACKAGE}.{file[: -len('.py')].replace('/', '.')}")))


def _use(call: ast.Call) -> str | None:
    """How a call uses an expression: empty where it only compiles it, None where it takes none."""
    function = call.func
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "re":
        return (_CALLS[function.attr] or "") if function.attr in _CALLS else None
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return _OWN_CALLS.get(name)


def _of_call(call: ast.Call, use: str, file: str, names: dict[str, Any], unknown: list[str]) -> Iterator[Found]:
    written = ast.unparse(call.args[0])
    place = (file, written)
    if place in ELSEWHERE:
        return
    flags = next((word.value for word in call.keywords if word.arg == "flags"), None)
    position = {"sub": 4, "subn": 4, "split": 3, "compile": 1}.get(getattr(call.func, "attr", ""), 2)
    if flags is None and len(call.args) > position:
        flags = call.args[position]
    number = int(_value(flags, names)) if flags is not None and use not in _OWN_CALLS.values() else 0
    if isinstance(call.func, ast.Attribute) and call.func.attr == "pattern":
        number = re.ASCII
    if place in COMPUTED:
        expressions: Iterable[Any] = COMPUTED[place]
    else:
        try:
            expressions = [_value(call.args[0], names)]
        except NameError:
            unknown.append(f"{file}:{call.lineno}: nobody can tell what {written} is: see COMPUTED and ELSEWHERE")
            return
    for expression in expressions:
        # One that is only compiled is found in its module, with how it is used.
        compiled = isinstance(expression, re.Pattern)
        text, kinds = (expression.pattern, expression.flags) if compiled else (expression, number)
        yield Found(file, call.lineno, text, kinds & ~re.UNICODE, frozenset([use or MATCH]))


def _value(expression: ast.expr, names: dict[str, Any]) -> Any:
    # The project's own code, which is run by importing it as well.
    return eval(compile(ast.Expression(expression), "<pattern>", "eval"), dict(names))


def _compiled(value: Any, depth: int = 0) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, (list, tuple)) and depth < 3:
        for item in value:
            yield from _compiled(item, depth + 1)
    elif isinstance(value, dict) and depth < 3 and "__builtins__" not in value:
        for item in value.values():
            yield from _compiled(item, depth + 1)


def _uses(trees: Iterable[ast.AST]) -> dict[str, set[str]]:
    """How compiled expressions are used, by their name: all that bear one name are taken together."""
    found: dict[str, set[str]] = {}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in _CALLS:
                owner = node.value
                name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
                use = _CALLS[node.attr]
                if use and name != "re":
                    found.setdefault(name, set()).add(use)
    return found


# -- YAML and templates -------------------------------------------------------------------------------------------

_FILTERS = {"regex_search": SEARCH, "regex_replace": SEARCH, "regex_findall": SEARCH}
_TESTS = {"match": MATCH, "search": SEARCH, "regex": SEARCH}
_CONDITIONS = re.compile("when|that|until|changed_when|failed_when|break_when")
#: Expressions that come from a variable with no fixed text, and why they do no harm.
FROM_VARIABLES = {
    "(lmod_version | regex_escape) ~ '\\\\.'": "escaped, so it is a plain text",
    "cluster_versions_path ~ '/'": "a path of the role's own",
}


def _in_ansible(unknown: list[str]) -> Iterator[Found]:
    for path in sorted([*ROOT.glob("roles/**/*.yml"), *ROOT.glob("playbooks/**/*.yml")]):
        if "molecule" in path.parts:
            continue
        for text in _templates(yaml.load(path.read_text(encoding="utf-8"), _Loader)):
            yield from _in_template(text, path, unknown)
    for path in sorted(ROOT.glob("roles/**/*.j2")):
        yield from _in_template(path.read_text(encoding="utf-8"), path, unknown)


class _Loader(yaml.SafeLoader):
    """Takes Ansible's tags for what they stand at."""


_Loader.add_multi_constructor("!", lambda loader, _tag, node: loader.construct_scalar(node))


def _templates(value: Any, key: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _templates(item, str(name))
            if name == "regexp" and isinstance(item, str):
                yield "{{ x is search(" + repr(re.sub(r"\{\{.*?\}\}", "x", item)) + ") }}"
    elif isinstance(value, list):
        for item in value:
            yield from _templates(item, key)
    elif isinstance(value, str):
        yield "{{ " + value + " }}" if _CONDITIONS.fullmatch(key) and "{{" not in value else value


def _in_template(text: str, path: Path, unknown: list[str]) -> Iterator[Found]:
    if not any(word in text for word in (*_FILTERS, *_TESTS)):
        return
    file = str(path.relative_to(ROOT))
    with warnings.catch_warnings():
        # Expressions with a single backslash: Jinja and Ansible take them as they are.
        warnings.simplefilter("ignore", DeprecationWarning)
        tree = jinja2.Environment(extensions=["jinja2.ext.do"]).parse(text)
    found: list[Any] = list(tree.find_all((nodes.Filter, nodes.Test)))
    for node in found:
        kinds = _FILTERS if isinstance(node, nodes.Filter) else _TESTS
        arguments = list(node.args or ())
        use = kinds.get(node.name)
        first = arguments[0] if arguments else None
        # map('regex_replace', …), select('match', …), reject('search', …)
        if node.name in ("map", "select", "reject", "selectattr", "rejectattr"):
            at = 1 if node.name.endswith("attr") else 0
            word = arguments[at].value if len(arguments) > at and isinstance(arguments[at], nodes.Const) else None
            use = (_FILTERS if node.name == "map" else _TESTS).get(str(word))
            first = arguments[at + 1] if use and len(arguments) > at + 1 else None
        if use is None or first is None:
            continue
        expression = _constant(first, path)
        if expression is None:
            written = _written(first)
            if written not in FROM_VARIABLES:
                unknown.append(f"{file}: nobody can tell what {written} is: see FROM_VARIABLES")
            continue
        yield Found(file, node.lineno, expression, 0, frozenset([use]))


def _constant(node: nodes.Node, path: Path) -> str | None:
    if isinstance(node, nodes.Const):
        return str(node.value)
    role = ROOT.joinpath(*path.relative_to(ROOT).parts[:2])
    # A name, or a key of one.
    name, key = (node.node, node.attr) if isinstance(node, nodes.Getattr) else (node, "")
    if isinstance(name, nodes.Name):
        for variables in (role / "vars/main.yml", role / "defaults/main.yml"):
            if variables.exists():
                value = yaml.load(variables.read_text(encoding="utf-8"), _Loader).get(name.name)
                value = value.get(key) if key and isinstance(value, dict) else value
                if isinstance(value, str) and "{{" not in value:
                    return value
    return None


def _written(node: nodes.Node) -> str:
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Const):
        return repr(node.value)
    if isinstance(node, nodes.Filter):
        return f"({_written(node.node) if node.node else ''} | {node.name})"
    if isinstance(node, nodes.Concat):
        return " ~ ".join(map(_written, node.nodes))
    return repr(node)


# -- the worst texts ------------------------------------------------------------------------------------------------


def read_hostile(told: Path) -> None:
    """Let every expression read its hostile texts. What is read next stands at the end of a file."""
    seen: set[tuple[Expression, int]] = set()
    number = 0
    with told.open("w", encoding="utf-8") as stream:
        for one in everywhere():
            if (one.expression, one.flags) in seen:
                continue
            seen.add((one.expression, one.flags))
            compiled: Any = re.compile(one.expression, one.flags)
            # An eighth of a file is enough: its square is more than any process does before it is killed.
            for text in backtracking.hostile(one.expression, one.flags, min(one.limit, LIMIT // 8)):
                print(one, repr(text[:80]), file=stream, flush=True)
                number += 1
                for use in one.uses:
                    if use == SEARCH:
                        # As findall(), sub() and split() do: on from the end of what was found.
                        for _match in compiled.finditer(text):
                            pass
                    else:
                        getattr(compiled, use)(text)
        print(number, "texts", file=stream)


if __name__ == "__main__":
    read_hostile(Path(sys.argv[1]))
