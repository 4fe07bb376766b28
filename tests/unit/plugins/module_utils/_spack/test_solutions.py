"""A solution is taken again for the very same inputs alone, and only one that is as from nothing is kept."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from git_repository import git

from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._spack import solutions_api
from ansible_collections.petal.hpc.plugins.module_utils._spack.command_api import Spack
from ansible_collections.petal.hpc.plugins.module_utils._spack.model import EnvironmentRequest, Probe
from ansible_collections.petal.hpc.plugins.module_utils._spack.solutions_api import Solutions

KEY = "a" * 32
LOCK = {
    "_meta": {"file-type": "spack-lockfile", "lockfile-version": 7},
    "roots": [{"hash": KEY, "spec": "bzip2", "group": "default"}],
    "concrete_specs": {KEY: {"name": "bzip2", "version": "1.0.8", "dependencies": []}},
}
WANTED = EnvironmentRequest("one", ("bzip2",))
FIGURES = {"concretize_s": 12.5, "pruned": True, "solves": 2, "several": False, "otherwise": ["zlib@1 (gcc@12)"]}


def run(args: list[str], **_options: Any) -> tuple[int, str, str]:
    done = subprocess.run(args, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


class Site:
    """Spack, its packages, a site's recipes and the work directory, as a build has them."""

    def __init__(self, root: Path) -> None:
        self.root, self.packages, self.recipes = root / "spack", root / "spack" / "packages", root / "recipes"
        self.own, self.work, self.draft = root / "own", root / "work", root / "draft"
        self.settings = self.root / "etc" / "spack" / "site" / "packages.yaml"
        self.python = root / "venv" / "bin" / "python3"
        self.clingo = root / "venv" / "lib" / "python3.11" / "site-packages" / "clingo-5.8.0.dist-info"
        for path in (self.packages, self.recipes, self.work / "bin", self.draft, self.settings.parent):
            path.mkdir(parents=True)
        for path in (self.python.parent, self.clingo):
            path.mkdir(parents=True)
        (self.recipes / "package.py").write_text("one")
        self.settings.write_text("packages: {}")
        (self.root / "bin.py").write_text("spack")
        (self.packages / "package.py").write_text("recipe")
        (self.work / "bin" / "spack").write_text(f"#!/bin/sh\nSPACK_PYTHON='{self.python}'\nexec spack\n")
        for place, name in ((self.root, "bin.py"), (self.packages, "package.py")):
            git(place, "init", "--quiet")
            git(place, "add", name)
            self.commit(place)
        self.probe = Probe((1, 2, 0), root=str(self.root), repositories=(str(self.packages),), repeatable=True)

    def commit(self, place: Path) -> None:
        git(place, "commit", "--quiet", "--all", "--allow-empty", "--message=all")
        git(place, "checkout", "--quiet", "--detach")

    def solutions(self, own: str | None = None, prune: bool = True) -> Solutions:
        spack = Spack(Host(run), str(self.work / "bin" / "spack"), self.work)
        sources = [str(path) for path in (self.root, self.packages, self.recipes)]
        return Solutions(spack, str(self.own) if own is None else own, sources, prune)

    def put(self, **probe: Any) -> None:
        (self.draft / "spack.yaml").write_text("spack: {}")
        (self.draft / "spack.lock").write_text(json.dumps(LOCK))
        self.solutions().put(WANTED, self.draft, Probe(**{**vars(self.probe), **probe}), FIGURES)

    def taken(self, wanted: EnvironmentRequest = WANTED, prune: bool = True) -> bool:
        target = self.work / "draft"
        target.mkdir(exist_ok=True)
        return self.solutions(prune=prune).take(wanted, target) is not None


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_the_same_is_taken_for_another_environment_too(site: Site) -> None:
    assert not site.taken()
    site.put()
    target = site.work / "other"
    target.mkdir()
    found = site.solutions().take(EnvironmentRequest("another", ("bzip2",)), target)
    assert found is not None
    assert found.figures == {"concretize_s": 0.0, "pruned": True, "solves": 0}
    assert (found.probe.version, found.probe.root) == ((1, 2, 0), str(site.root))
    assert found.probe.repositories == (str(site.packages),)
    assert not found.several
    assert found.otherwise == ("zlib@1 (gcc@12)",)
    assert json.loads((target / "spack.lock").read_text()) == LOCK
    assert (target / "spack.yaml").read_text() == "spack: {}"


def system(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    del site
    facts = {**solutions_api.host_facts(), "libc": "glibc 9.99"}
    monkeypatch.setattr(solutions_api, "host_facts", lambda: facts)


CHANGES: dict[str, Callable[[Site], Any]] = {
    "settings": lambda site: site.settings.write_text("packages: {all: {}}"),
    "recipes of the site": lambda site: (site.recipes / "package.py").write_text("two"),
    "another recipe": lambda site: (site.recipes / "more.py").write_text("two"),
    "commit of Spack": lambda site: site.commit(site.root),
    "commit of packages": lambda site: site.commit(site.packages),
    "solver": lambda site: site.clingo.rename(site.clingo.with_name("clingo-5.9.0.dist-info")),
    "python": lambda site: site.python.symlink_to("/usr/bin/env"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_decides_has_changed(site: Site, change: str) -> None:
    site.put()
    assert site.taken()
    CHANGES[change](site)
    assert not site.taken()


def test_what_does_not_decide_may_change(site: Site) -> None:
    site.put()
    noted = site.root / "etc" / "spack" / "petal" / "packages.yaml"
    noted.parent.mkdir()
    noted.write_text("packages: {}")
    site.settings.with_name("mirrors.yaml").write_text("mirrors: {}")
    assert site.taken()


def test_another_host_or_wish_is_another_solution(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.put()
    assert not site.taken(prune=False)
    assert not site.taken(EnvironmentRequest("one", ("bzip2@1.0.7",)))
    assert not site.taken(EnvironmentRequest("one", ("bzip2",), "gcc@13"))
    assert site.taken()
    system(site, monkeypatch)
    assert not site.taken()


def test_what_others_decide_too_is_not_kept(site: Site) -> None:
    site.put(repeatable=False)
    assert not site.own.exists()


@pytest.mark.parametrize("place", ["root", "packages"])
def test_of_a_changed_checkout_nothing_is_kept(site: Site, place: str) -> None:
    file = site.root / "bin.py" if place == "root" else site.packages / "package.py"
    file.write_text("changed")
    site.put()
    assert not site.own.exists()


def test_a_recipe_more_is_a_change_of_packages_and_settings_are_none_of_spack(site: Site) -> None:
    (site.packages / "mine").mkdir()
    (site.packages / "mine" / "package.py").write_text("mine")
    site.put()
    assert not site.own.exists()


def test_what_is_damaged_is_not_taken(site: Site) -> None:
    site.put()
    (lock,) = site.own.rglob("spack.lock")
    lock.write_text("{")
    assert not site.taken()


def test_without_a_cache_or_where_python_is_not_known_nothing_is_kept(site: Site) -> None:
    (site.draft / "spack.lock").write_text(json.dumps(LOCK))
    site.solutions(own="").put(WANTED, site.draft, site.probe, FIGURES)
    (site.work / "bin" / "spack").write_text("#!/bin/sh\n")
    site.put()
    assert not site.own.exists()


def test_where_others_can_write_nothing_is_taken(site: Site) -> None:
    site.put()
    (site.own / "solutions").chmod(0o777)
    assert not site.taken()


def test_of_the_host_counts_what_stays_as_it_is() -> None:
    assert solutions_api.host_facts() == solutions_api.host_facts()
    assert solutions_api.host_facts()["system"]
