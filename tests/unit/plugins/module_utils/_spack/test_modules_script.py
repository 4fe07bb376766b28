# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The script about Spack's Lmod hierarchy, with a Spack of a few packages: what is loaded, marked, and promised."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._spack.scripts import modules
from ansible_collections.petal.hpc.plugins.module_utils._spack.scripts.modules import Tree, Trial


class Target(str):
    """A processor of archspec's family x86_64: those before it are its ancestors."""

    GENERATIONS = ("x86_64", "x86_64_v2", "x86_64_v3", "x86_64_v4")
    family = "x86_64"
    vendor = "generic"

    @property
    def ancestors(self) -> list[Target]:
        return [Target(name) for name in self.GENERATIONS[: self.GENERATIONS.index(self)]]

    @property
    def features(self) -> set[str]:
        return {f"of_{name}" for name in (*self.ancestors, self)}


class Spec:
    """A concrete package: its hash is its key, repeated, which is its name unless it says otherwise."""

    def __init__(self, name: str, version: str = "1", prefix: str = "", **more: Any) -> None:
        self.name = name
        self.version = version
        self.external = bool(prefix)
        self.prefix = prefix or f"/opt/{name}"
        self.extra_attributes = more.pop("attributes", {})
        self.package = SimpleNamespace(__doc__=more.pop("doc", None), import_modules=more.pop("imports", ()))
        self.needs: list[Spec] = more.pop("needs", [])
        switches = more.pop("on", ()), more.pop("off", ())
        self.variants = {
            **{one: SimpleNamespace(value=on) for names, on in zip(switches, (True, False)) for one in names},
            "build_system": SimpleNamespace(value="generic"),
        }
        self.target = Target(more.pop("target", "x86_64_v3"))
        self.key = more.pop("key", name)
        self.place = more

    def dag_hash(self, length: int = 32) -> str:
        return str(self.key * 32)[:length]

    def traverse(self, deptype: tuple[str, ...]) -> list[Spec]:
        assert deptype == ("link", "run")
        return [self, *self.needs]


class Spack:
    """What of Spack the script asks: a database, module layouts, settings."""

    def __init__(self, root: Path, *explicit: Spec, hidden: tuple[Spec, ...] = ()) -> None:
        self.root = root
        self.specs = {spec.dag_hash(): spec for spec in (*explicit, *hidden)}
        self.explicit = {spec.dag_hash() for spec in explicit}
        self.hidden = {spec.dag_hash() for spec in hidden}
        #: As modules.yaml has them.
        self.suffixes: dict[str, dict[str, str]] = {}

    def __call__(self, name: str) -> Any:
        return {
            "store": SimpleNamespace(STORE=SimpleNamespace(db=self)),
            "modules.lmod": SimpleNamespace(LmodConfiguration=None, make_layout=self.layout),
            "config": {"modules": {"default": {}}},
        }[name]

    def query_local(self, installed: bool) -> list[Spec]:
        assert installed
        return list(self.specs.values())

    def query_local_by_spec_hash(self, key: str) -> Any:
        return SimpleNamespace(spec=self.specs[key], explicit=key in self.explicit)

    def layout(self, spec: Spec, _set: str, _explicit: bool) -> Any:
        compiler, opens = spec.place.get("compiler"), spec.place.get("opens")
        level = compiler.name if compiler else "Core"
        name = spec.place.get("module", f"{spec.name}/{spec.version}")
        conf = SimpleNamespace(
            conf={"suffixes": dict(self.suffixes.get(spec.dag_hash(), {}))},
            excluded=False,
            hidden=spec.dag_hash() in self.hidden,
            requires={"compiler": compiler},
            hierarchy_tokens=["compiler", "mpi"],
        )
        return Layout(
            conf=conf,
            name=name,
            level=f"{self.root}/{level}",
            unlocked_paths={None: [(str(self.root), opens)] if opens else []},
            token_to_path=lambda _token, value: value.name if value else "Core",
        )


class Layout(SimpleNamespace):
    """Where a module is, by its settings at the time of the question."""

    @property
    def use_name(self) -> str:
        return "-".join([self.name, *self.conf.conf["suffixes"].values()])

    @property
    def filename(self) -> str:
        return f"{self.level}/{self.use_name}.lua"


def tree(monkeypatch: pytest.MonkeyPatch, spack: Spack, *roots: Spec, **stacks: list[Spec]) -> Tree:
    """The modules of packages: ``roots`` are those that are asked for, ``stacks`` those that stacks ask for."""
    monkeypatch.setattr(modules, "spack", spack)
    asked: dict[str, list[str]] = {}
    for name, specs in {"": roots, **stacks}.items():
        for spec in specs:
            asked.setdefault(spec.dag_hash(), []).append(name)
    return Tree(asked, list(stacks))


@pytest.fixture(autouse=True)
def processors(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {name: Target(name) for name in Target.GENERATIONS}
    monkeypatch.setattr(modules, "archspec", lambda _target: (known, {}))


def renamed(found: Tree) -> dict[str, str]:
    """What stands behind names, by the key of the package."""
    keys = {h: module.spec.key for h, module in found.modules.items()}
    rules = found.clashes()["rules"]
    assert all(rule == {"suffixes": {name: next(iter(rule["suffixes"].values()))}} for name, rule in rules.items())
    return {keys[name[1:]]: rule["suffixes"][name] for name, rule in rules.items()}


def defaults(found: Tree) -> list[str]:
    keys = {h: module.spec.key for h, module in found.modules.items()}
    return sorted(keys[name[1:]] for name in found.clashes()["defaults"])


GCC = Spec("gcc", "13", "/usr/local/gcc", opens="gcc", attributes={"compilers": {"c": "/usr/local/gcc/bin/gcc"}})
ZLIB = Spec("zlib", compiler=GCC)


def test_a_module_is_loaded_behind_its_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = tree(monkeypatch, Spack(tmp_path, ZLIB, hidden=(GCC,)), ZLIB)
    assert found.load(found.modules[ZLIB.dag_hash()]) == ["gcc/13", "zlib/1"]
    assert [module.name for module in found.compilers()] == ["gcc/13"]
    # It is only a dependency, and has to be seen all the same.
    assert found.marks() == [GCC.dag_hash()]


def test_a_name_that_is_unique_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = Spec("zlib", "1.2", key="other")
    found = tree(monkeypatch, Spack(tmp_path, Spec("zlib"), other, ZLIB, hidden=(GCC,)), other, ZLIB)
    assert found.clashes() == {"exclude": [], "rules": {}, "defaults": []}


def test_builds_of_one_list_differ_by_what_is_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plain = Spec("hdf5", key="plain", on=["shared"], off=["cuda", "fortran"])
    cuda = Spec("hdf5", key="cuda", on=["shared", "cuda"], off=["fortran"])
    both = Spec("hdf5", key="both", on=["shared", "cuda", "fortran"])
    found = tree(monkeypatch, Spack(tmp_path, plain, cuda, both), plain, cuda, both)
    assert renamed(found) == {"cuda": "cuda", "both": "cuda-fortran"}
    # Lmod takes the highest version, as it does of all.
    assert defaults(found) == []


@pytest.mark.parametrize(
    ("one", "other", "names"),
    [
        ({"target": "x86_64_v3"}, {"target": "x86_64_v4"}, {"one": "x86_64_v3", "other": "x86_64_v4"}),
        # They differ in what they depend on, or in more than a name can say.
        ({}, {}, {"one": "oneoneo", "other": "otherot"}),
        ({"on": "abcd"}, {"off": "abcd"}, {"one": "oneoneo", "other": "otherot"}),
    ],
)
def test_or_by_their_target_or_hash(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, one: Any, other: Any, names: dict[str, str]
) -> None:
    builds = Spec("hdf5", key="one", **one), Spec("hdf5", key="other", **other)
    assert renamed(tree(monkeypatch, Spack(tmp_path, *builds), *builds)) == names


def test_the_first_list_keeps_the_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    flat, gnu, new = (Spec("hdf5", key=key) for key in ("flat", "gnu", "new"))
    spack = Spack(tmp_path, flat, gnu, new)
    assert renamed(tree(monkeypatch, spack, flat, gnu=[gnu], new=[new])) == {"gnu": "gnu", "new": "new"}
    assert defaults(tree(monkeypatch, spack, flat, gnu=[gnu], new=[new])) == ["flat"]
    # Without one in the list of all it is that of the first stack.
    spack = Spack(tmp_path, gnu, new)
    assert renamed(tree(monkeypatch, spack, new=[new], gnu=[gnu])) == {"gnu": "gnu"}
    # What several ask for is the first's.
    spack = Spack(tmp_path, flat, gnu)
    assert renamed(tree(monkeypatch, spack, flat, gnu=[gnu, flat], new=[gnu])) == {"gnu": "gnu"}
    # Two of one stack.
    cuda = Spec("hdf5", key="cuda", on=["cuda"])
    spack = Spack(tmp_path, flat, gnu, cuda)
    assert renamed(tree(monkeypatch, spack, flat, gnu=[gnu, cuda])) == {"gnu": "gnu", "cuda": "gnu-cuda"}


def test_what_nobody_named_is_of_the_list_that_needs_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As an MPI is, which everybody sees."""
    one, other = Spec("mpich", key="one"), Spec("mpich", key="other")
    first, second = Spec("hdf5", key="first", needs=[one]), Spec("netcdf", key="second", needs=[other])
    found = tree(monkeypatch, Spack(tmp_path, first, second, one, other), first, more=[second])
    assert renamed(found) == {"other": "more"}
    assert defaults(found) == ["one"]


def test_no_suffix_makes_a_name_that_there_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    flat, gnu, named = Spec("hdf5", key="flat"), Spec("hdf5", key="gnu"), Spec("hdf5", "1-gnu", key="named")
    found = tree(monkeypatch, Spack(tmp_path, flat, gnu, named), flat, named, gnu=[gnu])
    assert renamed(found) == {"gnu": "gnu-gnugnug"}
    # A switch may be called like a stack.
    switch, plain = Spec("hdf5", key="switch", on=["gnu"]), Spec("hdf5", key="plain", off=["gnu"])
    found = tree(monkeypatch, Spack(tmp_path, switch, plain, gnu), switch, plain, gnu=[gnu])
    assert renamed(found) == {"switch": "gnu-switchs", "gnu": "gnu-gnugnug"}


def test_names_are_the_same_once_they_are_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    flat, gnu = Spec("hdf5", key="flat"), Spec("hdf5", key="gnu")
    spack = Spack(tmp_path, flat, gnu)
    spack.suffixes = {gnu.dag_hash(): {"+cuda": "cuda"}, flat.dag_hash(): {"+cuda": "cuda"}}
    before = tree(monkeypatch, spack, flat, gnu=[gnu]).clashes()
    assert before["rules"]
    spack.suffixes[gnu.dag_hash()] = {"+cuda": "cuda", f"/{gnu.dag_hash()}": "gnu"}
    after = tree(monkeypatch, spack, flat, gnu=[gnu])
    assert after.clashes() == before
    assert after.modules[gnu.dag_hash()].name == "hdf5/1-cuda-gnu"


def test_hidden_modules_have_hashes_of_spacks_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    one, other = Spec("hdf5", key="one"), Spec("hdf5", key="other")
    assert renamed(tree(monkeypatch, Spack(tmp_path, one, hidden=(other,)), one)) == {}


def test_the_default_is_marked_in_each_level(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A mark goes before what has none: one in the first level alone would hide what a compiler opens."""
    old, new, stack = (
        Spec("hdf5", "1.10", key="old"),
        Spec("hdf5", "1.14", key="new"),
        Spec("hdf5", "1.15", key="stack"),
    )
    below = Spec("hdf5", "1.14", key="below", compiler=GCC)
    spack = Spack(tmp_path, old, new, stack, below, hidden=(GCC,))
    # Of one list the newest, whatever stacks have.
    assert defaults(tree(monkeypatch, spack, old, new, more=[stack], mine=[below])) == ["below", "new"]
    # Where one level has no more than one list asks for, all is as it was.
    assert defaults(tree(monkeypatch, spack, old, new, stack, mine=[below])) == []


def test_what_nodes_can_run_is_decided_by_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    old, new = Spec("hdf5", key="old", target="x86_64_v3"), Spec("hdf5", "2", key="new", target="x86_64_v4")
    hidden = Spec("zlib", key="hidden", target="x86_64_v2")
    found = tree(monkeypatch, Spack(tmp_path, old, new, GCC, hidden=(hidden,)), old, more=[new]).targets()
    assert found["built"] == ["x86_64_v2", "x86_64_v3", "x86_64_v4"]
    core = f"{tmp_path}/Core"
    assert found["modules"] == [
        {
            "name": "gcc/13",
            "level": core,
            "file": f"{core}/gcc/13.lua",
            "needs": "",
            "list": 0,
            "version": 1,
        },
        {
            "name": "hdf5/1",
            "level": core,
            "file": f"{core}/hdf5/1.lua",
            "needs": "x86_64_v3",
            "list": 0,
            "version": 0,
        },
        {
            "name": "hdf5/2",
            "level": core,
            "file": f"{core}/hdf5/2.lua",
            "needs": "x86_64_v4",
            "list": 1,
            "version": 2,
        },
    ]
    assert list(found["processors"]) == list(Target.GENERATIONS)
    assert found["processors"]["x86_64_v2"] == {
        "family": "x86_64",
        "vendor": "generic",
        "features": ["of_x86_64", "of_x86_64_v2"],
        "ancestors": ["x86_64"],
    }
    assert tree(monkeypatch, Spack(tmp_path, GCC)).targets()["processors"] == {}


def test_a_package_needs_what_its_libraries_need(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    newer, older = Spec("zlib", target="x86_64_v4"), Spec("zstd", target="x86_64_v2")
    app = Spec("app", needs=[newer, older, GCC])
    found = tree(monkeypatch, Spack(tmp_path, app, newer, older, GCC), app)
    assert {module.spec.name: module.needs for module in found.modules.values()} == {
        "app": "x86_64_v4",
        "zlib": "x86_64_v4",
        "zstd": "x86_64_v2",
        # It is the node's own.
        "gcc": "",
    }


def test_modules_ask_whether_the_node_can_run_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tool = Spec("tool")
    monkeypatch.setattr(modules, "spack", Spack(tmp_path, tool, GCC))
    found = Tree({tool.dag_hash(): [""]}, (), "/volume/targets.lua")
    for module in found.modules.values():
        file = Path(module.file)
        file.parent.mkdir(parents=True)
        file.write_text('whatis("of Spack")\n')
    assert not found.complete()
    found.write_checks()
    assert found.complete()
    written = Path(found.modules[tool.dag_hash()].file).read_text()
    assert 'loadfile("/volume/targets.lua")\n' in written
    assert 'why("x86_64_v3")\n' in written
    assert written.endswith('end\nwhatis("of Spack")\n')
    assert Path(found.modules[GCC.dag_hash()].file).read_text() == 'whatis("of Spack")\n'


def test_what_a_default_is_shows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    flat, gnu = Spec("hdf5", key="flat"), Spec("hdf5", "2", key="gnu")
    found = tree(monkeypatch, Spack(tmp_path, flat, gnu), flat, gnu=[gnu])
    monkeypatch.setattr(modules, "check", lambda *_arguments: ["true"])
    monkeypatch.setattr(modules, "Trial", lambda *_arguments: None)
    told = modules.describe(found, {})["modules"]
    assert [(module["name"], module["default"]) for module in told] == [("hdf5/1", True), ("hdf5/2", False)]


def test_what_leads_nowhere_but_to_the_system_has_no_module(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    system = Spec("openssl", "3", "/usr")
    found = tree(monkeypatch, Spack(tmp_path, system))
    assert found.clashes() == {"exclude": [f"/{system.dag_hash()}"], "rules": {}, "defaults": []}
    assert found.marks() == []


def test_a_compiler_that_opens_its_own_level_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = Spec("gcc", "13", opens="Core")
    found = tree(monkeypatch, Spack(tmp_path, first))
    file = tmp_path / "Core" / "gcc" / "13.lua"
    assert found.circular() == [{"file": str(file), "level": str(tmp_path / "Core")}]
    assert not found.complete()
    file.parent.mkdir(parents=True)
    file.write_text(f'prepend_path("MODULEPATH", "{tmp_path}/Core")')
    assert not found.complete()
    file.write_text("")
    assert found.complete()


def test_nodes_need_what_is_of_the_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    slurm, libc = Spec("slurm", "24", "/opt/slurm"), Spec("glibc", "2", "/usr")
    app = Spec("app", compiler=GCC, needs=[slurm, libc])
    found = tree(monkeypatch, Spack(tmp_path, app, hidden=(GCC, slurm, libc)), app)
    assert found.requires({"slurm": "srun"}) == [
        {"path": "/opt/slurm/bin/srun", "reason": "app/1 uses it"},
        {"path": "/usr/local/gcc/bin/gcc", "reason": "gcc/13 uses it"},
    ]
    assert {entry["path"] for entry in found.requires({})} == {"/opt/slurm", "/usr/local/gcc/bin/gcc"}


def test_nodes_need_the_mpi_of_the_operating_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # By the first of its programs that is there.
    mpi = Spec("sh", "4", "/usr", opens="mpi")
    app = Spec("app", needs=[mpi, Spec("glibc", "2", "/usr")])
    found = tree(monkeypatch, Spack(tmp_path, app, hidden=(mpi, *app.needs)), app)
    assert found.requires({}) == [{"path": "/usr/bin/sh", "reason": "app/1 uses it"}]


class Says(Trial):
    """A trial in which only some commands work."""

    def __init__(self, *works: str) -> None:
        self.works = works

    def says(self, argv: Any, something: bool = True) -> bool:
        return something is not None and any(word in " ".join(argv) for word in self.works)


def test_only_what_was_tried_is_promised(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("tool", "other"):
        (tmp_path / "bin" / name).write_bytes(b"\x7fELF")
        (tmp_path / "bin" / name).chmod(0o755)
    spec = Spec("tool")
    spec.prefix = str(tmp_path)
    module = tree(monkeypatch, Spack(tmp_path, spec)).modules[spec.dag_hash()]
    assert modules.check(module, Says("bin/tool --help")) == ["tool", "--help"]
    assert modules.check(module, Says("bin/other --version")) == ["other", "--version"]
    assert modules.check(module, Says("ldd")) == ["sh", "-c", modules.LINKED_PROGRAM, "tool"]
    assert modules.check(module, Says()) == ["test", "-d", str(tmp_path)]


def test_a_python_package_is_imported_by_its_own_name_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    spec = Spec("py-scikit-learn", imports=["zz.inner", "sklearn", "scikit_learn.base", "no-name"])
    module = tree(monkeypatch, Spack(tmp_path, spec)).modules[spec.dag_hash()]
    assert modules.python_imports(module) == ["scikit_learn", "sklearn", "zz"]


def summarised(doc: str | None) -> str:
    module: Any = SimpleNamespace(spec=Spec("tool", doc=doc))
    return modules.summary(module)


def test_a_summary_is_one_sentence() -> None:
    assert summarised("It does\n   this. And that.") == "It does this."
    assert summarised(None) == "tool"


def test_it_runs_alone_and_says_that_it_needs_spack() -> None:
    done = subprocess.run(
        [sys.executable, "-I", modules.__file__, json.dumps({"roots": {}, "state": "/nowhere"})],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "No module named 'spack'" in done.stderr


def test_modules_are_written_anew_in_a_directory_that_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").write_text("")
    tree = tmp_path / "modules"
    (tree / "Core" / "tool").mkdir(parents=True)
    (tree / "Core" / "tool" / "1.0.lua").write_text("")
    (tree / "link").symlink_to(elsewhere)
    (tree / "module-index.yaml").write_text("")
    number, calls = tree.stat().st_ino, []

    def command(name: str) -> Any:
        return lambda *arguments: calls.append((name, *arguments, list(tree.iterdir())))

    monkeypatch.setattr(modules, "spack", lambda _name: SimpleNamespace(SpackCommand=command))
    modules.rebuild(tree)
    assert calls == [("module", "lmod", "refresh", "--yes-to-all", [])]
    assert tree.stat().st_ino == number
    assert (elsewhere / "file").exists()
