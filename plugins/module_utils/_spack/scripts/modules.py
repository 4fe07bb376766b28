# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks Spack about its Lmod hierarchy; run as ``spack python modules.py JSON`` (Spack 1.0 to 1.2).

JSON: roots (hash of each package that somebody asked for -> the stacks that did, an empty text for the list of all),
stacks (their names in order), state (file in which the last answer is kept), commands (name of an external -> its
command on a node), describe (whether to answer in full), rebuild (directory of the module tree, which is written anew
before; empty to leave it), checker (the volume's Lua file that says what a node cannot run, which each module asks).

Prints one line of JSON: current (whether the module tree fits what is installed), mark (hashes of compilers whose
modules users must see), clashes (as modules.yaml has it: exclude, the packages that shall have no module; rules, what
stands behind names that would be the same; defaults, the modules that are taken where nobody says which), circular
(file and level of modules that open the level in which they are themselves), and, where it is current or asked for,
modules and requires as a manifest has them, and targets (see Tree.targets).

This file travels as text and is run by Spack's own Python, so it imports nothing of the collection.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import re
import shutil
import stat
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

SET = "default"
#: So many switches at most tell builds of one list apart in their names; otherwise their hashes do.
SWITCHES = 3
#: Ask a program for no more than this: nobody has been found that writes a file or waits for input then.
QUESTIONS = (("--version",), ("--help",), ("-h",))
SECONDS = 20
PROGRAMS = 8
NOBODY = 65534
#: Prefixes of the operating system's own.
SYSTEM = ("/", "/usr")
#: Families of processors of which /proc/cpuinfo tells what they run.
FAMILIES = ("x86_64", "aarch64")
#: At the head of a module: the volume's file, and targets.
CHECK = """\
-- Whether this node can run it.
if mode() == "load" then
    local why = loadfile({checker})
    why = why and why({needs})
    if why then LmodError(myModuleFullName() .. " " .. why) end
end
"""


def spack(name: str) -> Any:
    """A module of Spack, whose types nobody knows outside of it."""
    return importlib.import_module(f"spack.{name}")


class Module:
    """One installed package and where its module is, as Spack's own configuration says."""

    def __init__(self, record: Any, explicit: bool) -> None:
        self.spec: Any = record.spec
        self.explicit = explicit
        lmod = spack("modules.lmod")
        make = getattr(lmod.LmodConfiguration, "make_layout", None) or lmod.make_layout
        self.layout: Any = make(self.spec, SET, explicit)
        self.conf: Any = self.layout.conf

    @property
    def visible(self) -> bool:
        return not (self.conf.excluded or self.conf.hidden)

    @property
    def name(self) -> str:
        return str(self.layout.use_name)

    @property
    def file(self) -> str:
        return str(self.layout.filename)

    @property
    def plain_file(self) -> str:
        """Its file without the suffix that was given to it here (see Tree.clashes)."""
        given = self.conf.conf
        suffixes = given.get("suffixes") or {}
        try:
            self.conf.conf = {**given, "suffixes": {k: v for k, v in suffixes.items() if not str(k).startswith("/")}}
            return self.file
        finally:
            self.conf.conf = given

    @property
    def switches(self) -> set[str]:
        """The variants that are on."""
        return {str(name) for name, variant in self.spec.variants.items() if variant.value is True}

    @property
    def level(self) -> str:
        """The directory by which the module is found."""
        return self.file[: -len(f"/{self.name}.lua")]

    @property
    def opens(self) -> list[str]:
        """The directories that the module opens."""
        return [str(Path(*parts)) for parts in self.layout.unlocked_paths[None]]

    @property
    def is_circular(self) -> bool:
        """Whether it opens the level in which it is: Lmod takes it for the way to all that is there, and to itself."""
        return self.level in self.opens

    @property
    def is_needless(self) -> bool:
        """Whether it is of the operating system and leads nowhere, whatever its hash and whoever compiled it.

        The core compiler opens the first level, which everybody has. What else is below /usr is on everybody's PATH: a
        module matters only where it opens a level, as that of another compiler of the host or of an MPI does.
        """
        return bool(self.spec.external) and (self.is_circular or (str(self.spec.prefix) in SYSTEM and not self.opens))

    @property
    def needs(self) -> str:
        """The targets, mostly one, that a processor must run for this package and all that it uses."""
        mine = {
            str(spec.target): spec.target for spec in self.spec.traverse(deptype=("link", "run")) if not spec.external
        }
        ours = [target for target in mine.values() if str(target.family) in FAMILIES]
        newest = [target for target in ours if not any(target in other.ancestors for other in ours)]
        return " ".join(sorted(map(str, newest)))

    def compiler(self) -> Any:
        """What compiled it, None for a compiler of the first level."""
        value = self.conf.requires["compiler"]
        return None if self.layout.token_to_path("compiler", value) == "Core" else value


class Tree:
    """All modules of an installation, by hash.

    :param roots: by hash, the stacks that ask for a package.
    :param stacks: their names in order.
    :param checker: the file that says what a node cannot run; empty where no module shall ask.
    """

    def __init__(self, roots: Mapping[str, Sequence[str]], stacks: Sequence[str] = (), checker: str = "") -> None:
        self.checker = checker
        database = spack("store").STORE.db
        records = database.query_local(installed=True)
        by_hash = {s.dag_hash(): database.query_local_by_spec_hash(s.dag_hash()) for s in records}
        self.modules = {h: Module(r, bool(r.explicit) or h in roots) for h, r in by_hash.items()}
        self.recorded = {h: bool(r.explicit) for h, r in by_hash.items()}
        self.roots = [h for h in roots if h in self.modules]
        own = {str(m.spec.prefix): m for m in self.modules.values() if not m.spec.external}
        #: Externals that stand for a package of this very store, such as a compiler that was built before the rest.
        twins = {h: own.get(str(m.spec.prefix)) for h, m in self.modules.items() if m.spec.external}
        self.twins = {h: m for h, m in twins.items() if m is not None}
        #: Those that shall have no module.
        self.without = {*self.twins, *(h for h, m in self.modules.items() if m.is_needless)}
        #: The first list that has a package, for itself or for others: 0 is the one of all, then come the stacks.
        self.lists: dict[str, int] = {}
        self.stacks = ["", *stacks]
        for number, stack in enumerate(self.stacks):
            for h in (h for h in self.roots if stack in roots[h]):
                for spec in self.modules[h].spec.traverse(deptype=("link", "run")):
                    self.lists.setdefault(spec.dag_hash(), number)

    def find(self, spec: Any) -> Module | None:
        """The module of a concrete package."""
        return self.twins.get(spec.dag_hash()) or self.modules.get(spec.dag_hash())

    def load(self, module: Module, seen: tuple[str, ...] = ()) -> list[str]:
        """Names in the order in which they must be loaded."""
        order: list[str] = []
        for level in ("compiler", "mpi", *sorted(set(module.conf.hierarchy_tokens) - {"compiler", "mpi"})):
            needed = module.compiler() if level == "compiler" else module.conf.requires.get(level)
            opener = self.find(needed) if needed is not None else None
            if opener is not None and opener is not module and opener.name not in seen:
                order += self.load(opener, (*seen, module.name))
        return list(dict.fromkeys([*order, module.name]))

    def compilers(self) -> list[Module]:
        """Compilers that open a level in which there is something to see."""
        found = {}
        for module in self.modules.values():
            value = module.compiler() if module.explicit else None
            opener = self.find(value) if value is not None else None
            if opener is not None:
                found[opener.spec.dag_hash()] = opener
        return list(found.values())

    def marks(self) -> list[str]:
        openers = [opener.spec.dag_hash() for opener in self.compilers()]
        return sorted(h for h in {*openers, *self.roots} if not self.recorded[h] and h not in self.without)

    def clashes(self) -> dict[str, Any]:
        """How modules of one name are told apart, and which of them is taken where nobody says which."""
        seen = {h: m for h, m in self.modules.items() if m.visible and h not in self.without}
        plain = {h: module.plain_file for h, module in seen.items()}
        alike: dict[str, list[str]] = defaultdict(list)
        for h, file in plain.items():
            alike[file].append(h)
        suffixes: dict[str, str] = {}
        taken = set(alike)
        for file, hashes in sorted(alike.items()):
            for h, suffix in self.apart(hashes).items() if len(hashes) > 1 else ():
                # Another version may be called so already.
                unique = suffix if not suffix or with_suffix(file, suffix) not in taken else f"{suffix}-{h[:7]}"
                taken.add(with_suffix(file, unique))
                if unique:
                    suffixes[h] = unique
        defaults = self.defaults(plain, suffixes)
        return {
            "exclude": [f"/{h}" for h in sorted(self.without)],
            "rules": {f"/{h}": {"suffixes": {f"/{h}": suffix}} for h, suffix in sorted(suffixes.items())},
            "defaults": [f"/{h}" for h in sorted(defaults)],
        }

    def apart(self, hashes: Sequence[str]) -> dict[str, str]:
        """What stands behind the same name of several packages, by hash: nothing behind that of the list which is the
        first to have one, the name of its stack behind any other. Those of one list differ by what is on in them.
        """
        by_list: dict[int, list[str]] = defaultdict(list)
        for h in sorted(hashes):
            by_list[self.lists.get(h, 0)].append(h)
        found = {}
        for number, mine in by_list.items():
            stack = [self.stacks[number]] if number != min(by_list) else []
            for h, word in self.differences(mine).items():
                found[h] = "-".join([*stack, *([word] if word else [])])
        common = {suffix for suffix in found.values() if list(found.values()).count(suffix) > 1}
        return {h: "-".join([suffix, h[:7]]) if suffix in common else suffix for h, suffix in found.items()}

    def differences(self, hashes: Sequence[str]) -> dict[str, str]:
        """What tells packages of one list apart: switches that are on in one and off in another, targets, or hashes."""
        if len(hashes) == 1:
            return dict.fromkeys(hashes, "")
        on = {h: self.modules[h].switches for h in hashes}
        differ = {
            switch for mine in on.values() for switch in mine if not all(switch in other for other in on.values())
        }
        switches = {h: "-".join(sorted(on[h] & differ)) for h in hashes}
        targets = {h: str(self.modules[h].spec.target) for h in hashes}
        for words, many in ((switches, len(differ) > SWITCHES), (targets, False)):
            if not many and len(set(words.values())) == len(hashes):
                return words
        return {h: h[:7] for h in hashes}

    def defaults(self, plain: Mapping[str, str], suffixes: Mapping[str, str]) -> list[str]:
        """Of packages that different lists have in one level: the module of the first list, there and in all levels.

        Lmod takes what is marked before anything else, and the nearest level's of what is marked. What nobody marks is
        its own choice, the highest version.
        """
        levels: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for h, file in plain.items():
            levels[self.modules[h].spec.name][str(Path(file).parent)].append(h)
        found = []
        for places in levels.values():
            if any(len({self.lists.get(h, 0) for h in hashes}) > 1 for hashes in places.values()):
                for hashes in places.values():
                    first = min(self.lists.get(h, 0) for h in hashes)
                    mine = [h for h in sorted(hashes) if self.lists.get(h, 0) == first]
                    newest = max(self.modules[h].spec.version for h in mine)
                    mine = [h for h in mine if self.modules[h].spec.version == newest]
                    found.append(min(mine, key=lambda h: len(suffixes.get(h, ""))))
        return found

    def targets(self) -> dict[str, Any]:
        """What decides which modules a node can run: built (all that modules need), modules (name, level, file, what it
        needs, and numbers of its list and its version, newer ones the higher), processors and vendors of archspec's.
        """
        specs = [spec for m in self.modules.values() for spec in m.spec.traverse(deptype=("link", "run"))]
        used = {str(spec.target): spec.target for spec in specs}
        built = sorted({name for module in self.modules.values() for name in module.needs.split()})
        seen = sorted((m.file, h) for h, m in self.modules.items() if m.visible and h not in self.without)
        versions = sorted({self.modules[h].spec.version for _file, h in seen})
        modules = []
        for file, h in seen:
            module = self.modules[h]
            place = {"name": module.name, "level": module.level, "file": file, "needs": module.needs}
            numbers = {"list": self.lists.get(h, 0), "version": versions.index(module.spec.version)}
            modules.append({**place, **numbers})
        return {"built": built, "modules": modules, **processors([used[name] for name in built])}

    def circular(self) -> list[dict[str, str]]:
        """Built compilers that stand for the one which built them: they are not needed to see what is beside them."""
        found = [m for h, m in self.modules.items() if h not in self.without and not m.conf.excluded and m.is_circular]
        return [{"file": m.file, "level": m.level} for m in sorted(found, key=lambda m: m.file)]

    def digest(self) -> str:
        """Changes with what is installed and with how modules are made of it."""
        state = sorted((h, m.file, self.recorded[h], m.visible) for h, m in self.modules.items())
        settings = spack("config").get("modules")
        text = json.dumps([state, settings], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def complete(self) -> bool:
        files = {m.file: self.check_of(m) for m in self.modules.values() if not m.conf.excluded}
        there = all(Path(file).is_file() and check in Path(file).read_text() for file, check in files.items())
        return there and not any(f'"{m["level"]}"' in Path(m["file"]).read_text() for m in self.circular())

    def check_of(self, module: Module) -> str:
        """What a module does before it is loaded on a node that may not run its package."""
        needs = module.needs
        return CHECK.format(checker=json.dumps(self.checker), needs=json.dumps(needs)) if self.checker and needs else ""

    def write_checks(self) -> None:
        """Let all modules do so."""
        for module in self.modules.values():
            file = Path(module.file)
            if not module.conf.excluded and file.is_file():
                file.write_text(self.check_of(module) + file.read_text())

    def requires(self, commands: Mapping[str, str]) -> list[dict[str, str]]:
        """What a node must have of its own for what was asked for, and for the compilers of the hierarchy."""
        users: dict[str, set[str]] = defaultdict(set)
        for h in self.roots:
            for spec in self.modules[h].spec.traverse(deptype=("link", "run")):
                if spec.external and spec.name in commands:
                    users[f"{spec.prefix}/bin/{commands[spec.name]}"].add(self.modules[h].name)
                elif spec.external and str(spec.prefix) != "/usr":
                    users[str(spec.prefix)].add(self.modules[h].name)
                elif spec.external and (opener := self.modules.get(spec.dag_hash())) and opener.opens:
                    # Such as an MPI of the operating system: its programs are where everybody's are.
                    for path in programs(opener)[:1]:
                        users[str(path)].add(self.modules[h].name)
        for opener in self.compilers():
            if opener.spec.external:
                for path in opener.spec.extra_attributes.get("compilers", {}).values():
                    users[path].add(opener.name)
        reasons = {path: f"{', '.join(sorted(names)[:3])} uses it" for path, names in sorted(users.items())}
        return [{"path": path, "reason": reason} for path, reason in reasons.items()]


def processors(targets: Sequence[Any]) -> dict[str, Any]:
    """What archspec, which comes with Spack, knows of the families of targets, and the vendors of Arm's by codes."""
    families = {str(target.family) for target in targets}
    known, vendors = archspec(targets[0]) if targets else ({}, {})
    ours = {str(target): target for target in (*known.values(), *targets) if str(target.family) in families}
    found = {
        name: {
            "family": str(target.family),
            "vendor": str(target.vendor),
            "features": sorted(target.features),
            "ancestors": [str(one) for one in target.ancestors],
        }
        for name, target in sorted(ours.items())
    }
    return {"processors": found, "vendors": dict(vendors)}


def archspec(target: Any) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    """The processors and vendors of the library that a target is of."""
    package = type(target).__module__.rpartition(".")[0]
    conversions = importlib.import_module(f"{package}.schema").TARGETS_JSON["conversions"]
    return importlib.import_module(f"{package}.microarchitecture").TARGETS, conversions["arm_vendors"]


def with_suffix(file: str, suffix: str) -> str:
    """The file of a module with something behind its name, as Spack makes it."""
    path = Path(file)
    return str(path.with_name(f"{path.name[: -len(path.suffix)]}-{suffix}{path.suffix}")) if suffix else file


def programs(module: Module) -> list[Path]:
    """The programs of a package, the one that is called like it first."""
    spec = module.spec
    plain = re.sub(r"^(py|perl|r|lua)-", "", spec.name)
    directory = Path(str(spec.prefix)) / "bin"
    if spec.external:
        named = list((getattr(spec, "extra_attributes", None) or {}).get("compilers", {}).values())
        own = [Path(path) for path in named] or [directory / name for name in (spec.name, plain, "mpirun", "mpicc")]
        return [path for path in own if path.is_file()]
    try:
        found = [p for p in sorted(directory.iterdir()) if p.is_file() and os.access(str(p), os.X_OK)]
    except OSError:
        return []
    alike = [name for name in (spec.name, plain) if (directory / name) in found]
    others = sorted((p for p in found if p.name not in alike), key=lambda p: (not p.name.startswith(plain), p.name))
    return [*(directory / name for name in dict.fromkeys(alike)), *others][:PROGRAMS]


def libraries(module: Module) -> list[Path]:
    root = Path(str(module.spec.prefix))
    if module.spec.external:
        return []
    return sorted({p.resolve() for d in ("lib", "lib64") for p in (root / d).glob("*.so*") if is_elf(p)})[:PROGRAMS]


def is_elf(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"\x7fELF"
    except OSError:
        return False


class Trial:
    """Runs commands as a user of the module would, but as nobody, without input, in a directory of its own."""

    def __init__(self, module: Module, directory: str) -> None:
        env = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8", "TERM": "dumb"}
        spack("user_environment").environment_modifications_for_specs(module.spec).apply_modifications(env)
        env.update(HOME=directory, TMPDIR=directory)
        self.prefix = ["--kill-after=5", str(SECONDS), "env", "-i", f"--chdir={directory}"]
        self.prefix += [f"{key}={value}" for key, value in env.items()]
        if os.geteuid() == 0:
            self.prefix += ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]

    def says(self, argv: Sequence[str], something: bool = True) -> bool:
        """Whether a command ends well, and says something."""
        run = spack("util.executable").Executable("timeout")
        run.ignore_quotes = True
        try:
            said = run(
                *self.prefix, *argv, input=os.devnull, output=str, error=str, fail_on_error=False, ignore_quotes=True
            )
        except UnicodeDecodeError:  # bzip2 --version goes on to compress what it reads: nothing to promise
            return False
        return run.returncode == 0 and bool(said.strip() or not something)


# A program or a library whose libraries are all found.
LINKED = 'ldd "$0" >/dev/null && ! ldd "$0" | grep "not found"'
LINKED_PROGRAM = 'p=$(command -v "$0") && ldd "$p" >/dev/null && ! ldd "$p" | grep "not found"'


def check(module: Module, trial: Trial) -> list[str]:
    """A command that shows that a package works and changes nothing; it is tried before it is promised."""
    for candidate, probe, something in candidates(module):
        if trial.says(probe, something):
            return candidate
    return ["test", "-d", str(module.spec.prefix)]


def candidates(module: Module) -> Iterator[tuple[list[str], list[str], bool]]:
    """What to promise, what to try for it, and whether that must say something; the best first."""
    for name in python_imports(module):
        line = "import " + name
        yield ["python3", "-c", line], ["python3", "-c", line], False
    found = programs(module)
    for program in found:
        for question in QUESTIONS:
            yield [program.name, *question], [str(program), *question], True
    for program in filter(is_elf, found):
        yield ["sh", "-c", LINKED_PROGRAM, program.name], ["sh", "-c", LINKED_PROGRAM, str(program)], False
    for library in libraries(module):
        yield ["sh", "-c", LINKED, str(library)], ["sh", "-c", LINKED, str(library)], False


def python_imports(module: Module) -> list[str]:
    if not module.spec.name.startswith("py-"):
        return []
    try:
        names = {name.split(".")[0] for name in module.spec.package.import_modules}
    except Exception:
        return []
    plain = module.spec.name[3:].replace("-", "_")
    good = [name for name in names if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name)]
    return sorted(good, key=lambda name: (name.lower() != plain, name))[:3]


def describe(tree: Tree, commands: Mapping[str, str]) -> dict[str, Any]:
    modules = []
    defaults = tree.clashes()["defaults"]
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO)
        for h, module in sorted(tree.modules.items()):
            if not module.visible:
                continue
            modules.append(
                {
                    "name": module.name,
                    "kind": "spack",
                    "load": tree.load(module),
                    "check": check(module, Trial(module, directory)),
                    "default": f"/{h}" in defaults,
                    "summary": summary(module),
                    "package": module.spec.name,
                    "version": str(module.spec.version),
                    "hash": h,
                }
            )
    return {
        "modules": sorted(modules, key=lambda m: (m["name"], m["load"])),
        "requires": tree.requires(commands),
        "targets": tree.targets(),
    }


def summary(module: Module) -> str:
    """The first sentence of what the package's recipe says of it."""
    text = " ".join((module.spec.package.__doc__ or module.spec.name).split())
    return re.split(r"(?<=[.!?])\s", text)[0][:200]


def rebuild(directory: Path) -> None:
    """Write the modules of all that is installed, in the place of those of before.

    Not by Spack's --delete-tree: it takes the directory itself away, which its user may not make again.
    """
    for path in directory.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    spack("main").SpackCommand("module")("lmod", "refresh", "--yes-to-all")


def main() -> None:
    wanted = json.loads(sys.argv[1])
    state = Path(wanted["state"])
    if wanted.get("rebuild"):
        rebuild(Path(wanted["rebuild"]))
    tree = Tree(wanted["roots"], wanted.get("stacks", ()), wanted.get("checker", ""))
    if wanted.get("rebuild"):
        tree.write_checks()
    now = {"digest": tree.digest(), "roots": {h: wanted["roots"][h] for h in sorted(tree.roots)}, "stacks": tree.stacks}
    answer = {
        "current": False,
        "mark": tree.marks(),
        "clashes": tree.clashes(),
        "circular": tree.circular(),
        "modules": [],
        "requires": [],
        "targets": {},
    }
    try:
        kept = json.loads(state.read_text())
    except (OSError, ValueError):
        kept = {}
    if {key: kept.get(key) for key in now} == now and not answer["mark"] and tree.complete():
        answer.update(kept["answer"], current=True)
    elif wanted.get("describe"):
        answer.update(describe(tree, wanted["commands"]))
        answer_kept = {key: answer[key] for key in ("clashes", "modules", "requires", "targets")}
        new = state.with_suffix(".new")
        new.write_text(json.dumps({**now, "answer": answer_kept}))
        new.replace(state)
    sys.stdout.write("PETAL " + json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
