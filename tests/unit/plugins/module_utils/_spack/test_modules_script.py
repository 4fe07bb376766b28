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


class Spec:
    """A concrete package: its hash is its name, repeated."""

    def __init__(self, name: str, version: str = "1", prefix: str = "", **more: Any) -> None:
        self.name = name
        self.version = version
        self.external = bool(prefix)
        self.prefix = prefix or f"/opt/{name}"
        self.extra_attributes = more.pop("attributes", {})
        self.package = SimpleNamespace(__doc__=more.pop("doc", None), import_modules=more.pop("imports", ()))
        self.needs: list[Spec] = more.pop("needs", [])
        self.place = more

    def dag_hash(self, length: int = 32) -> str:
        return (self.name * 32)[:length]

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
            excluded=False,
            hidden=spec.dag_hash() in self.hidden,
            requires={"compiler": compiler},
            hierarchy_tokens=["compiler", "mpi"],
        )
        return SimpleNamespace(
            conf=conf,
            use_name=name,
            filename=f"{self.root}/{level}/{name}.lua",
            unlocked_paths={None: [(str(self.root), opens)] if opens else []},
            token_to_path=lambda _token, value: value.name if value else "Core",
        )


def tree(monkeypatch: pytest.MonkeyPatch, spack: Spack, *roots: Spec) -> Tree:
    monkeypatch.setattr(modules, "spack", spack)
    return Tree([spec.dag_hash() for spec in roots])


GCC = Spec("gcc", "13", "/usr/local/gcc", opens="gcc", attributes={"compilers": {"c": "/usr/local/gcc/bin/gcc"}})
ZLIB = Spec("zlib", compiler=GCC)


def test_a_module_is_loaded_behind_its_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = tree(monkeypatch, Spack(tmp_path, ZLIB, hidden=(GCC,)), ZLIB)
    assert found.load(found.modules[ZLIB.dag_hash()]) == ["gcc/13", "zlib/1"]
    assert [module.name for module in found.compilers()] == ["gcc/13"]
    # It is only a dependency, and has to be seen all the same.
    assert found.marks() == [GCC.dag_hash()]


def test_two_modules_of_one_name_get_their_hashes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    one, other = Spec("zlib", module="zlib/1"), Spec("zlib", module="zlib/1")
    other.dag_hash = lambda length=32: ("other" * 7)[:length]  # type: ignore[method-assign]
    assert tree(monkeypatch, Spack(tmp_path, one)).clashes() == []
    assert tree(monkeypatch, Spack(tmp_path, one, other)).clashes() == ["zlib@=1"]


def test_what_leads_nowhere_but_to_the_system_has_no_module(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    system = Spec("openssl", "3", "/usr")
    found = tree(monkeypatch, Spack(tmp_path, system))
    assert found.clashes() == [f"/{system.dag_hash()}"]
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
        [sys.executable, "-I", modules.__file__, json.dumps({"roots": [], "state": "/nowhere"})],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "No module named 'spack'" in done.stderr
