# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Spack specs: read as Spack 1.x reads them, and written in one canonical form.

Two texts that Spack takes for the same spec have the same canonical form, whatever their spaces, quotes and
order. What no seed can mean is refused although Spack parses it: specs and dependencies without a name, files,
several specs in one text, and words that mean something else on every host (``os=frontend``).
Whether a package, version or variant exists only Spack with its repository can tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import itemgetter

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._seed.versions import VersionError, Versions

#: Longest spec accepted, in characters.
LIMIT = 1000

#: Compilers, as packages of Spack. The first one among a seed's packages builds the rest.
COMPILERS = (
    "gcc",
    "llvm",
    "intel-oneapi-compilers",
    "intel-oneapi-compilers-classic",
    "nvhpc",
    "aocc",
    "acfl",
    "llvm-amdgpu",
    "apple-clang",
    "cce",
    "fj",
    "nag",
    "xl",
)

#: Names that compilers had before Spack 1.0; behind % they still work.
LEGACY_COMPILERS = {
    "clang": "llvm",
    "oneapi": "intel-oneapi-compilers",
    "rocmcc": "llvm-amdgpu",
    "intel": "intel-oneapi-compilers-classic",
    "arm": "acfl",
}

# Variants that compilers alone have, and that one may want to say of them. Source: their recipes of June 2026.
_OWN_VARIANTS: Mapping[str, re.Pattern[str]] = {
    "gcc": re.compile("binutils|bootstrap|build_type|graphite|languages|mold|nvptx|piclibs|profiled|strip"),
    "llvm": re.compile("clang|flang|gold|libcxx|libomptarget|libunwind|lldb?|mlir|offload|polly|targets"),
    "intel-oneapi-compilers": re.compile("amd|nvidia"),
}

_FLAG_NAMES = ("cflags", "cppflags", "cxxflags", "fflags", "ldflags", "ldlibs")
_ARCH_NAMES = {
    "arch": "arch",
    "architecture": "arch",
    "platform": "platform",
    "os": "os",
    "operating_system": "os",
    "target": "target",
}
#: Keys of Spack itself: they cannot be propagated to dependencies.
_RESERVED = frozenset((*_ARCH_NAMES, "branch", "commit", "dev_path", "namespace", "patches", "ref", "tag"))
#: Words that mean something else on every host.
_HOST_WORDS = frozenset(("default_os", "default_target", "frontend", "fe", "backend", "be"))
_DEPENDENCY_TYPES = ("build", "link", "run", "test")


class SpecError(PetalError):
    """A text is no usable spec.

    reason: what is wrong, in a few words. text: the spec. position: where in it, from 0. width: of the fault.
    """

    def __init__(self, reason: str, text: str, position: int, width: int = 1) -> None:
        self.reason = reason
        self.text = text
        self.position = position
        self.width = width
        super().__init__(f"{reason}\n{self.caret()}")

    def caret(self) -> str:
        """Two lines: the spec, or what surrounds the fault in a long one, and carets below the fault."""
        start = max(0, self.position - 50)
        piece = self.text[start : self.position + 50]
        piece = "".join(c if c.isprintable() else "?" for c in piece)
        width = max(1, min(self.width, len(piece) - (self.position - start)))
        return f"{piece}\n{' ' * (self.position - start)}{'^' * width}"


@dataclass(frozen=True)
class Variant:
    """``+name``, ``name=a,b``, ``name:=a`` (exactly a), doubled for dependencies too."""

    name: str
    value: bool | tuple[str, ...]
    propagate: bool = False
    exact: bool = False

    def __str__(self) -> str:
        if isinstance(self.value, bool):
            return ("+" if self.value else "~") * (2 if self.propagate else 1) + self.name
        sign = (":" if self.exact else "") + ("==" if self.propagate else "=")
        return f"{self.name}{sign}{_quoted(','.join(self.value) if self.value else '*')}"


@dataclass(frozen=True)
class Flag:
    """Compiler flags of one kind: ``cflags='-O3 -g'``, with == those meant for dependencies too."""

    name: str
    flags: tuple[str, ...]
    propagate: bool = False

    def __str__(self) -> str:
        return f"{self.name}{'==' if self.propagate else '='}{_quoted(' '.join(self.flags))}"


@dataclass(frozen=True)
class Edge:
    """A dependency: direct (%) or anywhere below (^).

    propagate: %%. virtuals: what it is used as, ``%c,cxx=gcc``. types: build, link, run, test; empty for any.
    when: condition under which it holds.
    """

    spec: Spec
    direct: bool
    propagate: bool = False
    virtuals: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    when: Spec | None = None

    def __str__(self) -> str:
        sigil = "%%" if self.propagate else "%" if self.direct else "^"
        if self.virtuals and not self.types and self.when is None:
            return f"{sigil}{','.join(self.virtuals)}={self.spec}"
        properties = []
        if self.when is not None:
            properties.append(f"when='{self.when}'")
        if self.types:
            properties.append("deptypes=" + ",".join(self.types))
        if self.virtuals:
            properties.append("virtuals=" + ",".join(self.virtuals))
        return sigil + (f"[{' '.join(properties)}] " if properties else "") + str(self.spec)


@dataclass(frozen=True)
class Spec:
    """A parsed spec; ``str()`` is its canonical form."""

    name: str = ""
    namespace: str = ""
    versions: Versions = field(default_factory=Versions)
    variants: tuple[Variant, ...] = ()
    flags: tuple[Flag, ...] = ()
    platform: str = ""
    os: str = ""
    target: str = ""
    hash: str = ""
    dependencies: tuple[Edge, ...] = ()

    def __str__(self) -> str:
        text = f"{self.namespace}.{self.name}" if self.namespace and self.name else self.name
        if not self.versions.is_any:
            text += f"@{self.versions}"
        text += "".join(str(variant) for variant in self.variants if isinstance(variant.value, bool))
        words = [str(variant) for variant in self.variants if not isinstance(variant.value, bool)]
        words += [str(flag) for flag in self.flags]
        if self.namespace and not self.name:
            words.append(f"namespace={self.namespace}")
        words += [f"{key}={getattr(self, key)}" for key in ("platform", "os", "target") if getattr(self, key)]
        words += [f"/{self.hash}"] if self.hash else []
        words += [str(edge) for edge in self.dependencies]
        return " ".join([text, *words]) if text else " ".join(words)

    def traverse(self) -> Iterator[Spec]:
        """This spec and all of its dependencies, in the order of the text."""
        yield self
        for edge in self.dependencies:
            yield from edge.spec.traverse()

    def with_compilers_last(self) -> Spec:
        """The same with what stands behind a compiler at the package that it builds: ``x %gcc@12 +pic`` → ``x+pic
        %gcc@12``. Variants that compilers have of their own, and what the package says itself, stay.
        """
        spec = replace(self, dependencies=())
        edges = []
        for edge in self.dependencies:
            mine = edge.spec.with_compilers_last()
            if edge.direct and mine.name in COMPILERS:
                spec, mine = _handed_up(spec, mine)
            edges.append(replace(edge, spec=mine))
        return replace(spec, dependencies=tuple(edges))


def parse(text: str) -> Spec:
    """Read one spec of a named package. Raises SpecError."""
    spec = _Parser(text).single()
    if not spec.name:
        raise SpecError("the name of a package is missing", text, 0)
    return spec


def canonical(text: str) -> str:
    """The canonical form of a spec. Raises SpecError."""
    return str(parse(text))


# -- reading ----------------------------------------------------------------------------------------------------

_ID = r"[A-Za-z0-9_][A-Za-z0-9_-]*"
_DOTTED = rf"{_ID}(?:\.{_ID})+"
_KEY = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_ASSIGNMENT = rf"(?P<{{0}}virtuals>{_ID}(?:,{_ID})*)=(?P<{{0}}package>{_DOTTED}|{_ID})"
_VALUE = r"[A-Za-z0-9_+*.,:=%^~/\\-]+"
_QUOTED = r"""'(?:[^']|(?<=\\)')*'|"(?:[^"]|(?<=\\)")*\""""
_VERSION = r"=?[A-Za-z0-9_][A-Za-z0-9_.-]*\b"
_RANGE = rf"(?:{_VERSION})?:(?:{_VERSION}(?!\s*=))?"
_VERSION_LIST = rf"(?:{_RANGE}|{_VERSION})(?:\s*,\s*(?:{_RANGE}|{_VERSION}))*"
_GIT = r"git\.[A-Za-z0-9_][A-Za-z0-9_./-]*|[A-Fa-f0-9]{40}"

# In order of preference: the first that matches wins, as in Spack.
_KINDS = (
    ("edge", r"(?:\^|%%?)\["),
    ("edge_end", r"\](?:\s*" + _ASSIGNMENT.format("e_") + ")?"),
    ("sigil", r"(?:\^|%%?)(?:\s*" + _ASSIGNMENT.format("s_") + ")?"),
    ("version", rf"@(?:(?:{_GIT})={_VERSION}|(?:{_GIT})|\s*{_VERSION_LIST})"),
    ("switch", rf"(?:\+\+|~~|--|[+~-])\s*{_KEY}"),
    ("pair", rf"{_KEY}:?==?(?:{_VALUE}|{_QUOTED})"),
    ("file", r"(?:\.|/|[A-Za-z0-9_-]*/)[A-Za-z0-9_./-]*(?:\.json|\.yaml)"),
    ("name", rf"{_DOTTED}|{_ID}|\*"),
    ("hash", r"/[A-Za-z0-9_]+"),
    ("space", r"\s+"),
)
_TOKEN = re.compile("|".join(f"(?P<{kind}>{expression})" for kind, expression in _KINDS), re.ASCII)


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    position: int
    virtuals: tuple[str, ...] = ()
    package: str = ""


def _tokens(text: str) -> Iterator[_Token]:
    if len(text) > LIMIT:
        raise SpecError(f"it is longer than {LIMIT} characters", text, LIMIT)
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise SpecError(f"unexpected {text[position]!r}", text, position)
        kind = match.lastgroup or ""  # the one around all others
        if kind != "space":
            virtuals = match["s_virtuals"] or match["e_virtuals"]
            yield _Token(
                kind,
                match[0],
                position,
                tuple(virtuals.split(",")) if virtuals else (),
                match["s_package"] or match["e_package"] or "",
            )
        position = match.end()


class _Draft:
    """A spec being read."""

    def __init__(self, text: str, start: int) -> None:
        self.text = text
        self.start = start
        self.name = ""
        # namespace, platform, os, target, hash: what there can be only one of
        self.words: dict[str, str] = {}
        self.versions: Versions | None = None
        self.variants: dict[str, Variant] = {}
        self.flags: dict[str, list[tuple[str, bool]]] = {}
        self.edges: list[tuple[Edge, _Draft]] = []

    def fault(self, reason: str, token: _Token) -> SpecError:
        return SpecError(reason, self.text, token.position, len(token.text))

    def set_name(self, name: str) -> None:
        namespace, _dot, self.name = name.rpartition(".")
        if namespace:
            self.words["namespace"] = namespace

    def set_versions(self, token: _Token) -> None:
        if self.versions is not None:
            raise self.fault("a second version", token)
        try:
            self.versions = Versions.parse(token.text[1:])
        except VersionError as error:
            raise self.fault(str(error), token) from error

    def add_switch(self, token: _Token) -> None:
        sign = re.match(r"[+~-]+", token.text)
        width = sign.end() if sign else 0
        name = token.text[width:].strip()
        if name in _ARCH_NAMES or name in _FLAG_NAMES or name == "namespace":
            raise self.fault(f"{name} wants a value: {name}=…", token)
        if width == 2 and name in _RESERVED:
            raise self.fault(f"{name} cannot be propagated", token)
        self._add_variant(Variant(name, token.text[0] == "+", width == 2, True), token)

    def add_pair(self, token: _Token) -> None:
        key, sign, value = _split(token.text)
        exact, propagate = sign.startswith(":"), sign.endswith("==")
        value = _unquoted(value)
        if any(not c.isprintable() for c in value) or value.endswith("\\") or ("'" in value and '"' in value):
            raise self.fault("this value cannot be quoted", token)
        if propagate and key in _RESERVED:
            raise self.fault(f"{key} cannot be propagated", token)
        if key in _ARCH_NAMES:
            self._set_architecture(_ARCH_NAMES[key], value, token)
        elif key == "namespace":
            if not re.fullmatch(rf"{_DOTTED}|{_ID}", value, re.ASCII):
                raise self.fault("this is no namespace", token)
            self.words["namespace"] = value
        elif key in _FLAG_NAMES:
            self.flags.setdefault(key, []).extend((flag, propagate) for flag in value.split())
        elif value.lower() in ("true", "false"):
            self._add_variant(Variant(key, value.lower() == "true", propagate, True), token)
        else:
            values = () if value == "*" else tuple(sorted(set(value.split(","))))
            if "*" in values:
                raise self.fault("* stands for any value and cannot be one of several", token)
            self._add_variant(Variant(key, values, propagate, exact and bool(values)), token)

    def set_hash(self, token: _Token) -> None:
        if "hash" in self.words:
            raise self.fault("a second hash", token)
        self.words["hash"] = token.text[1:]

    def _add_variant(self, variant: Variant, token: _Token) -> None:
        if variant.name in self.variants:
            raise self.fault(f"the variant {variant.name} is given twice", token)
        self.variants[variant.name] = variant

    def _set_architecture(self, key: str, value: str, token: _Token) -> None:
        parts = {key: value}
        if key == "arch":
            words = value.split("-")
            parts = dict(zip(("platform", "os", "target"), words)) if len(words) == 3 else {"target": value}
            if {"platform", "os", "target"} & set(self.words):
                raise self.fault("a second architecture", token)
        for name, part in parts.items():
            if not re.fullmatch(r"[A-Za-z0-9_.:,*-]+", part, re.ASCII):
                raise self.fault(f"this is no {name}", token)
            if part in _HOST_WORDS:
                raise self.fault(f"{part} means something else on every host", token)
            if name in self.words:
                raise self.fault(f"a second {name}", token)
            self.words[name] = part

    def depend(self, edge: Edge, draft: _Draft, token: _Token) -> _Draft:
        """Add a dependency, or narrow the one of that name. Returns the draft that now stands for it."""
        name = draft.name
        same_name = [(index, old, of) for index, (old, of) in enumerate(self.edges) if of.name == name]
        for index, old, of in same_name:
            if (old.types, old.when) == (edge.types, edge.when):
                of.narrow(draft, token)
                virtuals = tuple(sorted({*old.virtuals, *edge.virtuals}))
                self.edges[index] = (replace(old, virtuals=virtuals), of)
                return of
        if any(_clash(old.types, edge.types) for _index, old, _of in same_name) and all(
            old.when == edge.when for _index, old, _of in same_name
        ):
            raise self.fault(f"{name} is a dependency twice, with types that exclude each other", token)
        self.edges.append((edge, draft))
        return draft

    def narrow(self, other: _Draft, token: _Token) -> None:
        """Take on what another draft of the same package asks for."""
        twice = f"{self.name} stands here twice"
        for key, word in other.words.items():
            if self.words.setdefault(key, word) != word:
                raise self.fault(f"{twice}, with another {key}", token)
        try:
            if self.versions is not None and other.versions is not None:
                self.versions = self.versions.intersection(other.versions)
        except VersionError as error:
            raise self.fault(f"{twice}: {error}", token) from error
        self.versions = self.versions or other.versions
        for name, variant in other.variants.items():
            merged = _merged(self.variants.get(name, variant), variant)
            if merged is None:
                raise self.fault(f"{twice}, with another {name}", token)
            self.variants[name] = merged
        for kind, flags in other.flags.items():
            mine = self.flags.setdefault(kind, [])
            mine += [flag for flag in flags if flag not in mine]

    def finish(self) -> Spec:
        """The finished spec, everything in canonical order."""
        edges = [replace(edge, spec=draft.finish()) for edge, draft in self.edges]
        return Spec(
            name=self.name,
            versions=self.versions or Versions(),
            variants=tuple(self.variants[name] for name in sorted(self.variants)),
            flags=tuple(
                Flag(name, tuple(flag for flag, _propagate in flags), propagate)
                for name in sorted(self.flags)
                for propagate, flags in groupby(self.flags[name], key=itemgetter(1))
            ),
            # What hangs on the spec itself comes first: behind a ^, a % would belong to that dependency.
            dependencies=tuple(sorted(edges, key=lambda edge: (not edge.direct, str(edge)))),
            **self.words,
        )


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(_tokens(text))
        self.next = 0

    def peek(self, *kinds: str) -> _Token | None:
        """The next token, when it is of one of these kinds (or of any, when none is named)."""
        if self.next < len(self.tokens) and (not kinds or self.tokens[self.next].kind in kinds):
            return self.tokens[self.next]
        return None

    def take(self, *kinds: str) -> _Token | None:
        token = self.peek(*kinds)
        self.next += token is not None
        return token

    def single(self) -> Spec:
        """The one spec in the text; it may be without a name, as conditions are."""
        if not self.tokens:
            raise SpecError("it is empty", self.text, 0)
        root = self.node()
        current = root
        while (token := self.take("edge", "sigil")) is not None:
            edge, package = self.edge(token)
            draft = self.node(package)
            if not draft.name:
                raise SpecError("the name of a package is missing behind this", self.text, token.position)
            if edge.direct:
                draft.name = LEGACY_COMPILERS.get(draft.name, draft.name)
                current.depend(edge, draft, token)
            else:
                current = root.depend(edge, draft, token)
        extra = self.peek()
        if extra is not None:
            several = extra.kind == "name"
            reason = "a second spec; write each into an entry of its own" if several else f"unexpected {extra.text!r}"
            raise SpecError(reason, self.text, extra.position, len(extra.text))
        return root.finish()

    def edge(self, token: _Token) -> tuple[Edge, str]:
        """A dependency's sigil and properties, and the package where they name it (``%c=gcc``)."""
        direct, propagate = token.text[0] == "%", token.text.startswith("%%")
        if token.kind == "sigil":
            return Edge(Spec(), direct, propagate, tuple(sorted(set(token.virtuals)))), token.package
        properties: dict[str, str] = {}
        while (pair := self.take("pair")) is not None:
            key, sign, value = _split(pair.text)
            if key not in ("deptypes", "virtuals", "when") or sign.endswith("=="):
                raise SpecError("only deptypes=, virtuals= and when= can stand here", self.text, pair.position)
            properties[key] = _unquoted(value).strip()
        end = self.take("edge_end")
        if end is None:
            raise SpecError("] is missing", self.text, self._here())
        return (
            Edge(
                Spec(),
                direct,
                propagate,
                tuple(sorted({*self._virtuals(properties.get("virtuals"), token), *end.virtuals})),
                self._types(properties.get("deptypes"), token),
                self._condition(properties.get("when", ""), token),
            ),
            end.package,
        )

    def node(self, package: str = "") -> _Draft:
        draft = _Draft(self.text, self._here())
        name = None if package else self.take("name", "file")
        if name is not None and name.kind == "file":
            raise SpecError("a file instead of a spec", self.text, name.position, len(name.text))
        if package or (name is not None and name.text != "*"):
            draft.set_name(package or (name.text if name else ""))
        actions = {
            "version": draft.set_versions,
            "switch": draft.add_switch,
            "pair": draft.add_pair,
            "hash": draft.set_hash,
        }
        while (token := self.take(*actions)) is not None:
            actions[token.kind](token)
        return draft

    def _here(self) -> int:
        token = self.peek()
        return len(self.text) if token is None else token.position

    def _virtuals(self, text: str | None, token: _Token) -> list[str]:
        words = [] if text is None else text.split(",")
        for word in words:
            if not re.fullmatch(_ID, word, re.ASCII):
                raise SpecError(f"{word!r} is no virtual package", self.text, token.position)
        return words

    def _types(self, text: str | None, token: _Token) -> tuple[str, ...]:
        words = [] if text is None else text.split(",")
        for word in words:
            if word not in _DEPENDENCY_TYPES:
                reason = f"{word!r} is no type of dependency ({', '.join(_DEPENDENCY_TYPES)})"
                raise SpecError(reason, self.text, token.position)
        return tuple(word for word in _DEPENDENCY_TYPES if word in words)

    def _condition(self, text: str, token: _Token) -> Spec | None:
        if not text:
            return None
        if any(c in text for c in "'\","):
            # Spack itself cuts a condition at the first comma.
            raise SpecError("quotes and commas cannot stand in a condition", self.text, token.position)
        try:
            return _Parser(text).single()
        except SpecError as error:
            raise SpecError(f"the condition is no spec: {error.reason}", self.text, token.position) from error


def _split(pair: str) -> tuple[str, str, str]:
    """Key, sign and value of ``key=value``. A value is never empty: in ``x==`` it is the second sign."""
    match = re.fullmatch(r"([^:=]+)(:?==?)(.+)", pair, re.DOTALL)
    return (match[1], match[2], match[3]) if match else (pair, "=", "")


def _handed_up(package: Spec, compiler: Spec) -> tuple[Spec, Spec]:
    """A package and its compiler, with the words at the compiler that are the package's given to that."""
    own = _OWN_VARIANTS.get(compiler.name, re.compile("(?!)"))
    there = {variant.name for variant in package.variants}
    moved = [each for each in compiler.variants if each.name not in there and not own.fullmatch(each.name)]
    kinds = {flag.name for flag in package.flags}
    flags = [flag for flag in compiler.flags if flag.name not in kinds]
    before = package
    package = replace(
        package,
        variants=tuple(sorted([*package.variants, *moved], key=lambda variant: variant.name)),
        flags=tuple(sorted([*package.flags, *flags], key=lambda flag: flag.name)),
        platform=package.platform or compiler.platform,
        os=package.os or compiler.os,
        target=package.target or compiler.target,
    )
    compiler = replace(
        compiler,
        variants=tuple(variant for variant in compiler.variants if variant not in moved),
        flags=tuple(flag for flag in compiler.flags if flag not in flags),
        platform=compiler.platform if before.platform else "",
        os=compiler.os if before.os else "",
        target=compiler.target if before.target else "",
    )
    return package, compiler


def _clash(one: tuple[str, ...], two: tuple[str, ...]) -> bool:
    """Whether two dependencies of one name and these types cannot stand side by side."""
    runtime = {"link", "run"}
    return bool(set(one) & set(two)) or bool(runtime & set(one) and runtime & set(two))


def _merged(one: Variant, two: Variant) -> Variant | None:
    """What satisfies both, or None."""
    if one.value == two.value:
        return replace(one, propagate=one.propagate and two.propagate, exact=one.exact or two.exact)
    if isinstance(one.value, bool) or isinstance(two.value, bool):
        # name=* asks for any value: the other one decides.
        decided = one if two.value == () else two if one.value == () else None
        return decided and replace(decided, propagate=one.propagate and two.propagate)
    every = tuple(sorted({*one.value, *two.value}))
    for variant in (one, two):
        if variant.exact and variant.value != every:
            return None
    return Variant(one.name, every, one.propagate and two.propagate, one.exact or two.exact)


def _unquoted(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1].replace("\\" + text[0], text[0])
    return text


def _quoted(text: str) -> str:
    if re.fullmatch(r"(?!=)[A-Za-z0-9,/_.*+:=-]+", text, re.ASCII):
        return text
    return f'"{text}"' if "'" in text else f"'{text}'"
