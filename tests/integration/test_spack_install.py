"""Roles spack and spack_buildcache with few recipes: installs left to themselves, caches that lie."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import few_recipes
import package_graph
import pytest
import spack_at_hand
import yaml
from modules import run_module
from playing import Run, play

# One of the lab's graph with what it needs, and one that has its own prefix in it.
SPECS = ["lab-r6", "petal-rooted"]
RECIPE = '''\
from spack_repo.builtin.build_systems.makefile import MakefilePackage

from spack.package import *


class {class_name}(MakefilePackage):
    """A program of a test."""

    url = "file://{archive}"
    version("1.0", sha256="{digest}")
    depends_on("c", type="build")

    def build(self, spec, prefix):
        make("PREFIX=" + prefix)

    def install(self, spec, prefix):
        make("PREFIX=" + prefix, "install")
'''
MAKEFILE = """\
{name}: main.c
\tsleep {seconds}
\tcc -DPREFIX='"$(PREFIX)"' -o $@ main.c
install:
\tmkdir -p $(PREFIX)/bin
\tcp {name} $(PREFIX)/bin/
"""
#: Where Debian has it.
LMOD = Path("/usr/share/lmod/lmod/init/bash")
MAIN = "#include <stdio.h>\nint main(void) { puts(PREFIX); return 0; }\n"


@dataclass(frozen=True)
class Lab:
    """A directory with what a play left."""

    root: Path

    def told(self, name: str) -> dict[str, Any]:
        told: dict[str, Any] = json.loads((self.root / name).read_text())
        return told


def write_package(repository: Path, sources: Path, name: str, seconds: int) -> None:
    """A program that says where it is; its build takes so many seconds."""
    full = f"petal-{name}"
    home = sources / f"{full}-1.0"
    home.mkdir(parents=True)
    (home / "Makefile").write_text(MAKEFILE.format(name=full, seconds=seconds))
    (home / "main.c").write_text(MAIN)
    archive = sources / f"{full}-1.0.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(home, home.name)
    recipe = repository / "packages" / full.replace("-", "_") / "package.py"
    recipe.parent.mkdir(parents=True)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    recipe.write_text(RECIPE.format(class_name=f"Petal{name.capitalize()}", archive=archive, digest=digest))


def host_compiler() -> str:
    done = subprocess.run(["gcc", "-dumpfullversion"], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def write_compiler(repository: Path) -> None:
    recipe = repository / "packages" / "gcc" / "package.py"
    recipe.parent.mkdir(parents=True)
    # And one like the host's, which is built where a spec asks for what the host's is not.
    recipe.write_text(few_recipes.compiler(f'version("{host_compiler()}")'))


def commit(repository: Path) -> None:
    git = ["git", "-C", str(repository), "-c", "user.name=test", "-c", "user.email=test@example.com"]
    for arguments in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message=few"], ["tag", "v1"]):
        subprocess.run([*git, *arguments], check=True, capture_output=True)


def role(name: str, entry: str = "main", **variables: Any) -> dict[str, Any]:
    return {"ansible.builtin.include_role": {"name": f"petal.hpc.{name}", "tasks_from": entry}, "vars": variables}


def keep(path: Path, **values: str) -> dict[str, Any]:
    """A task that writes down what expressions are by then."""
    told = ", ".join(f"{name!r}: {expression}" for name, expression in values.items())
    return {"ansible.builtin.copy": {"content": f"{{{{ {{{told}}} | to_json }}}}", "dest": str(path)}}


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Variables of role spack for a Spack with few recipes."""
    if os.geteuid() != 0:
        pytest.skip("the role installs packages of the operating system, which needs root")
    mirror = spack_at_hand.mirror_dir()
    if mirror is None:
        pytest.skip(f"{spack_at_hand.no_mirror()}, to take a few recipes from")
    root = tmp_path_factory.mktemp("recipes")
    few_recipes.write(mirror, root / "packages.git", [])
    commit(root / "packages.git")
    graph = package_graph.write(root / "graph")
    for name, seconds in (("rooted", 0), ("slow", 6)):
        write_package(graph, root / "sources", name, seconds)
    write_compiler(graph)
    return {
        **spack_at_hand.variables(),
        "spack_repositories": {package_graph.NAMESPACE: str(graph)},
        "spack_packages_git_url": f"file://{root}/packages.git",
        "spack_packages_version": "v1",
        # The tools that there are recipes of.
        "spack_os_tools": ["gmake"],
        "spack_wait": 60,
    }


def run(directory: Path, tasks: list[dict[str, Any]], variables: dict[str, Any]) -> Run:
    """Play tasks with a Spack below a directory."""
    (directory / "volume").mkdir()
    path = directory / "play.yml"
    given = {**variables, "spack_mount_dir": str(directory / "volume"), "spack_work_dir": str(directory / "work")}
    path.write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "vars": given, "tasks": tasks}]))
    return play(str(path))


@pytest.fixture(scope="module")
def filled(variables: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """An install that nobody waits for is taken over and fills a cache; then somebody moves something in that."""
    root = tmp_path_factory.mktemp("f")
    (root / "cache").mkdir()
    signing_key = {"file": root / "key", "create": True}
    run_module("spack_buildcache_keys", gnupghome=root / "gpg", signing_key=signing_key)
    status = {"spack": str(root / "work/bin/spack"), "work_dir": str(root / "work"), "name": "petal", "state": "status"}
    ask = {"petal.hpc.spack_environment": status, "register": "asked"}
    look = {"ansible.builtin.stat": {"path": str(root / "volume/.petal/spack.lock")}, "register": "lock"}
    seen = {"result": "spack_result", "asked": "asked", "lock": "lock.stat.exists"}
    specs = [*SPECS, "petal-slow"]
    manifest = "{{{{ manifests.files | map(attribute='path') | select('search', '/{}-1') | first }}}}"
    specs_of_cache = {"paths": f"{root}/cache/v3/manifests/spec", "recurse": True}
    move = {"remote_src": True, "src": manifest.format("lab-b5"), "dest": manifest.format("petal-rooted")}
    liar = {"spack_environment_name": "liar", "spack_specs": ["petal-rooted", "lab-b2"]}
    # Older than the host's, so that the rest can be solved only when it is there.
    older = {"spack_environment_name": "older", "spack_compiler": "gcc@9.0", "spack_specs": ["petal-rooted"]}
    same = {"spack_environment_name": "same", "spack_specs": [f"gcc@{host_compiler()} languages:=c"]}
    seed = {"cluster": {"name": "older"}, "software": {"build_from_source": []}}
    tasks = [
        role("spack"),
        role("spack", "environment", spack_specs=specs, spack_detach=True, spack_wait=1),
        ask,
        look,
        keep(root / "left", **seen, more="spack_packages is defined"),
        role("spack_buildcache"),
        role("spack_buildcache", "install", spack_specs=specs),
        ask,
        look,
        keep(root / "taken", **seen, packages="spack_packages"),
        role("spack_buildcache", "push"),
        role("spack_buildcache", "install", spack_buildcache_seed=seed, **older),
        keep(root / "older", modules="spack_modules", chosen="spack_concretized"),
        role("spack_buildcache", "install", **same),
        keep(root / "same", modules="spack_modules"),
        # Signed packages in the places of others, and a package that is not there yet.
        {"ansible.builtin.find": specs_of_cache, "register": "manifests"},
        {"ansible.builtin.copy": move},
        {
            "block": [role("spack_buildcache", "install", **liar)],
            "rescue": [
                {"ansible.builtin.find": {"paths": f"{root}/work/envs/liar"}, "register": "files"},
                keep(
                    root / "refused",
                    said="ansible_failed_result.msg",
                    files="files.files | map(attribute='path') | map('basename')",
                ),
            ],
        },
    ]
    given = {"spack_buildcache_url": str(root / "cache"), "spack_buildcache_signing_key_file": str(root / "key")}
    done = run(root, tasks, {**variables, **given})
    assert done.rc == 0, done.output
    return Lab(root)


def test_an_install_can_be_left_to_itself(filled: Lab) -> None:
    left = filled.told("left")
    assert left["result"]["finished"] is False
    assert (left["asked"]["status"], left["asked"]["changed"]) == ("running", False)
    assert left["asked"]["progress"]["total"] == 6
    assert (left["lock"], left["more"]) == (False, False)
    taken = filled.told("taken")
    assert taken["result"]["finished"] is True
    assert taken["result"]["solves"] == 1
    assert taken["asked"]["status"] == "finished"
    assert taken["lock"] is True
    assert {package["name"]: package["origin"] for package in taken["packages"]}["petal-slow"] == "source"


def test_a_compiler_that_comes_first_is_guarded_pushed_and_has_one_module(filled: Lab) -> None:
    told = filled.told("older")
    assert (told["chosen"]["name"], told["chosen"]["apart"]) == ("older", False)
    modules = {module["name"]: module["load"] for module in told["modules"]}
    assert [name for name in modules if name.startswith("gcc/9")] == ["gcc/9.0"]
    assert ["gcc/9.0", "petal-rooted/1.0"] in [module["load"] for module in told["modules"]]
    assert list(filled.root.glob("cache/v3/manifests/spec/gcc/gcc-9.0-*.spec.manifest.json"))
    assert (filled.root / "cache/petal/seeds/older-compiler.json").is_file()


def test_no_module_opens_the_level_in_which_it_is(filled: Lab) -> None:
    name = f"gcc/{host_compiler()}"
    assert [module["load"] for module in filled.told("same")["modules"] if module["name"] == name] == [[name]]
    files = [path for path in filled.root.glob("volume/modules/spack/**/*.lua") if path.name != ".modulerc.lua"]
    # Built, and the only one: the host's own has none.
    assert [path.name for path in files if path.parent.name == "gcc" and path.stem.startswith(host_compiler())] == [
        f"{host_compiler()}.lua"
    ]
    opened = re.compile(r'^prepend_path\("MODULEPATH", "(.+)"\)$', re.MULTILINE)
    levels = {path: opened.findall(path.read_text()) for path in files}
    assert [path for path, level in levels.items() if str(path.parent.parent) in level] == []
    # Those that lead somewhere do: the older compiler's.
    assert any(levels.values())


def test_a_module_of_a_compiler_leaves_every_other_compiler_usable(filled: Lab, tmp_path: Path) -> None:
    """A variable GCC_ROOT means something to each gcc: where it lies itself."""
    (file,) = filled.root.glob("volume/modules/spack/**/Core/gcc/9.0.lua")
    other = next(filled.root.glob("volume/modules/spack/**/petal-rooted/1.0*.lua"))
    given = dict(re.findall(r'^setenv\("(\w+)", "(.*)"\)$', file.read_text(), re.MULTILINE))
    assert "GCC_ROOT" not in given
    assert "PETAL_ROOTED_ROOT" in other.read_text()
    (tmp_path / "t.c").write_text("#include <stddef.h>\nint main(void) { return (int)sizeof(size_t) - 8; }\n")
    environment = {"PATH": "/usr/bin:/bin", **given}
    subprocess.run(["gcc", "t.c", "-o", "t"], cwd=tmp_path, env=environment, check=True)
    subprocess.run([tmp_path / "t"], check=True)


def test_one_compiler_takes_the_place_of_the_other_and_of_what_it_built(filled: Lab) -> None:
    """With Lmod as an administrator tries it: compilers are a family, and below each is its own build."""
    if not LMOD.exists():
        pytest.skip("no Lmod here: the operating system's package lmod")
    newer = f"gcc/{host_compiler()}"
    (core,) = filled.root.glob("volume/modules/spack/**/Core")
    where = "readlink -f $(command -v gcc petal-rooted)"
    for change in (f"module load {newer}", f"module swap gcc/9.0 {newer}"):
        lines = [
            f"export HOME={filled.root} MODULEPATH={core}",
            f". {LMOD}",
            "set -e",
            "module load gcc/9.0 petal-rooted",
        ]
        lines += [where, change, where, "module --redirect -t list"]
        done = subprocess.run(["bash", "-c", "\n".join(lines)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        compiler, program, compiler_after, program_after, *loaded = done.stdout.splitlines()
        assert "/gcc-9.0-" in compiler
        assert f"/gcc-{host_compiler()}-" in compiler_after
        assert program != program_after
        assert sorted(loaded) == [newer, "petal-rooted/1.0"]


def test_a_cache_that_lies_stops_a_build_before_anything_is_installed(filled: Lab) -> None:
    refused = filled.told("refused")
    assert re.search(r"^petal-rooted@1\.0/\w{7} in build cache site must not be installed", refused["said"])
    assert re.search(r"it is lab-b5/\w{7} under another package's name\. Spack would not notice", refused["said"])
    assert "spack.lock" in refused["files"]
    assert "install.log" not in refused["files"]
    assert not list(filled.root.glob("volume/spack/opt/**/lab-b2-*"))
