"""build_volume with Spack packages end to end: real upstream packages and the lab's MPI programs, deployed and used."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import debian_sources
import package_graph
import pytest
import spack_at_hand
import yaml
from modules import run_module
from playing import ROOT, Run, leftovers, loop_devices, mounts, play, why_not_mount
from volume_image import on_volume, unpacked

MOUNT_DIR = Path("/petal-spack-test")
UPSTREAM = ROOT / "tests" / "integration" / "data" / "upstream.yaml"
#: Of the lab's graph: an MPI and the chain of MPI programs on it, and one package without; another MPI with a program
#: that both have, and two versions of a library.
LAB = ["lab-mpi", "lab-r4 ^lab-mpi", "lab-r6", "lab-mpitwo", "lab-r7 ^lab-mpi", "lab-r7 ^lab-mpitwo"]
LAB += ["lab-b5@1.0", "lab-b5@1.1"]


@dataclass(frozen=True)
class Site:
    """What the tests share. compiler: a second gcc of this host such as gcc@11.3.0, or empty. key: the fingerprint of
    what signs the cache.
    """

    seed: Path
    store: Path
    variables: dict[str, Any]
    upstream: list[str]
    compiler: str
    key: str

    def play(self, playbook: str, *arguments: str, **variables: Any) -> Run:
        given = {**self.variables, "seed": str(self.seed), "store": str(self.store), **variables}
        return play(playbook, *arguments, "-e", json.dumps(given))

    def load(self, *modules: str) -> list[str]:
        """Module names in the order in which they must be loaded, the compiler's first."""
        return [*([self.compiler.replace("@", "/")] if self.compiler else []), *modules]


def second_gcc() -> str:
    """A gcc of this host beside its default one, with C++ and Fortran: it opens a level of its own."""
    default = shutil.which("gcc")
    for path in sorted(Path("/usr/bin").glob("gcc-[0-9]*")):
        number = path.name.partition("-")[2]
        others = [Path(f"/usr/bin/{name}-{number}") for name in ("g++", "gfortran")]
        if default and path.resolve() != Path(default).resolve() and all(other.exists() for other in others):
            done = subprocess.run([path, "-dumpfullversion"], capture_output=True, text=True, check=True)
            return f"gcc@{done.stdout.strip()}"
    return ""


def to_be_had() -> list[str]:
    """The upstream packages whose sources are in the mirror, all of them where there is none."""
    specs: list[str] = yaml.safe_load(UPSTREAM.read_text())["software"]["spack_packages"]
    mirror = spack_at_hand.mirror_dir()
    if mirror is None:
        return specs
    texts = debian_sources.recipes(mirror / "spack-packages.git", spack_at_hand.PACKAGES_REF)
    sources = [source for name, text in texts for source in debian_sources.sources_of(name, text)]
    return [
        spec
        for spec in specs
        if any(debian_sources.is_there(source, mirror) for source in debian_sources.candidates(spec, sources))
    ]


def graph(directory: Path) -> Path:
    """The lab's graph with a second MPI, and a second version of a library."""
    repository = package_graph.write(directory)
    packages = repository / "packages"
    mpi = (packages / "lab_mpi" / "package.py").read_text()
    (packages / "lab_mpitwo").mkdir()
    (packages / "lab_mpitwo" / "package.py").write_text(mpi.replace("class LabMpi(", "class LabMpitwo("))
    library = packages / "lab_b5" / "package.py"
    (line,) = re.findall(r"^    version\(.*\)$", library.read_text(), re.MULTILINE)
    (url,) = re.findall(r'^    url = (".*")$', library.read_text(), re.MULTILINE)
    newer = line.replace('"1.0"', '"1.1"').replace("sha256=", f"url={url}, sha256=")
    library.write_text(library.read_text().replace(line, f"{line}\n{newer}"))
    return repository


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if reason := why_not_mount() or spack_at_hand.why_not():
        pytest.skip(reason)
    directory = tmp_path_factory.mktemp("spack")
    upstream, compiler = to_be_had(), second_gcc()
    software: dict[str, Any] = {"spack_packages": [*LAB, *upstream], **spack_at_hand.software()}
    if compiler:
        software["compiler"] = compiler
    seed = {
        "cluster": {"name": "spack-test", "provider": "local"},
        "shared_storage": [{"name": "software", "mount_dir": str(MOUNT_DIR), "ebs_settings": {"size": 8}}],
        "software": software,
    }
    path = directory / "seed.yaml"
    path.write_text(yaml.safe_dump(seed))
    (directory / "cache").mkdir()
    signing_key = {"file": directory / "key", "create": True}
    key = run_module("spack_buildcache_keys", gnupghome=directory / "gpg", signing_key=signing_key)
    variables = {
        "cache": str(directory / "cache"),
        "spack_repositories": {package_graph.NAMESPACE: str(graph(directory / "graph"))},
        "spack_os_compilers": "all",
        "software_volume_own_cache": str(directory / "own"),
        **spack_at_hand.variables(),
    }
    fingerprint = key["signing_key"]["fingerprint"]
    yield Site(path, directory / "store", variables, upstream, compiler, fingerprint)
    assert [line for line in mounts() | loop_devices() if str(directory) in line] == []


@pytest.fixture(scope="module")
def built(site: Site) -> Site:
    """Built from source, and pushed to a cache that was empty."""
    began = time.monotonic()
    done = site.play("build_volume", spack_buildcache_signing_key_file=str(site.seed.parent / "key"))
    print(f"from source, and pushed: {time.monotonic() - began:.0f} s")
    assert done.rc == 0, done.output
    assert "Built: snap-" in done.output
    return site


@pytest.fixture(scope="module")
def deployed(built: Site) -> Iterator[Site]:
    try:
        done = built.play("deploy_cluster")
        assert done.rc == 0, done.output
        yield built
    finally:
        gone = built.play("delete_cluster")
    assert gone.rc == 0, gone.output
    MOUNT_DIR.rmdir()


def login(command: str) -> subprocess.CompletedProcess[str]:
    """What an ordinary user gets who logs in and types a line."""
    arguments = ["runuser", "--login", "--shell", "/bin/bash", "nobody", "--command", command]
    return subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def test_a_second_build_finds_the_first(built: Site) -> None:
    again = built.play("build_volume")
    assert again.rc == 0, again.output
    assert "Found: snap-" in again.output
    assert leftovers(built.store) == []


def kept_of(archive: Path) -> tuple[dict[str, Any], str]:
    """The manifest in a snapshot, and the report of its build."""
    with tempfile.TemporaryDirectory(dir=archive.parent) as scratch:
        image = unpacked(archive.parent, Path(scratch))
        return json.loads(on_volume(image, "manifest.json")), on_volume(image, "report.html").decode()


def the_timeline_is_of_all(page: str, packages: dict[str, Any], origin: str) -> None:
    """That of each package it was noted when it was installed, and what it takes."""
    assert len(re.findall(rf'<rect class="{origin}(?: critical)?"', page)) == len(packages)
    assert "The longest chain" in page
    assert "Without known times" not in page
    for package in packages.values():
        assert f"<title>{package['name']}@{package['version']}: " in page


def test_from_the_cache_nothing_is_compiled_at_another_prefix(built: Site) -> None:
    """The same packages for another mount directory, in their place and padded, by somebody who trusts a key and has
    neither one nor a cache of the host's own.
    """
    (first,) = built.store.glob("snapshots/snap-*/volume.tar.zst")
    seed = yaml.safe_load(built.seed.read_text())
    seed["cluster"]["name"] = "spack-test-again"
    seed["shared_storage"][0]["mount_dir"] = "/petal-spack-test-elsewhere"
    seed["software"]["spack"] = {"padded_length": 112}
    path = built.seed.with_name("again.yaml")
    path.write_text(yaml.safe_dump(seed))
    directory = built.seed.parent
    keys = [{"name": "lab", "fingerprint": built.key, "file": f"{directory}/key.pub"}]
    began = time.monotonic()
    done = built.play(
        "build_volume",
        seed=str(path),
        store=str(directory / "store-again"),
        spack_buildcache_keys=keys,
        spack_buildcache_signing_key_file="",
        software_volume_own_cache="",
    )
    print(f"from the cache, at another prefix: {time.monotonic() - began:.0f} s")
    assert done.rc == 0, done.output
    (again,) = directory.glob("store-again/snapshots/snap-*/volume.tar.zst")
    kept = [kept_of(archive) for archive in (first, again)]
    before, after = (
        {each["hash"]: each for each in manifest["packages"] if each["manager"] == "spack"}
        for manifest, _report in kept
    )
    the_timeline_is_of_all(kept[0][1], before, "source")
    the_timeline_is_of_all(kept[1][1], after, "cache")
    assert {each["origin"] for each in before.values()} == {"source"}
    assert {each["origin"] for each in after.values()} == {"cache"}
    assert set(after) == set(before)
    root = f"{MOUNT_DIR}/spack/opt"
    assert {len(each["prefix"]) - len(before[key]["prefix"]) for key, each in after.items()} == {112 - len(root)}
    assert all(each["prefix"].startswith(f"{root}/{each['name']}-") for each in before.values())
    assert leftovers(directory / "store-again") == []
    shutil.rmtree(directory / "store-again")
    Path(seed["shared_storage"][0]["mount_dir"]).rmdir()


def test_the_manifest_names_what_was_built_from_upstreams_sources(deployed: Site) -> None:
    manifest = json.loads((MOUNT_DIR / ".petal" / "manifest.json").read_text())
    packages = {package["name"]: package for package in manifest["packages"] if package["manager"] == "spack"}
    wanted = dict(debian_sources.wanted_of(spec) for spec in deployed.upstream)
    assert {name: packages[name]["version"] for name in wanted} == wanted
    assert all(re.fullmatch("[a-z0-9]{32}", packages[name]["hash"]) for name in wanted)
    assert {packages[name]["origin"] for name in [*wanted, "lab-mpi", "lab-r4"]} == {"source"}
    assert (MOUNT_DIR / ".petal" / "spack.lock").is_file()
    assert len(wanted) >= 10, "too few upstream sources in the mirror: make debian-sources"


def test_it_verifies_as_an_ordinary_user(deployed: Site) -> None:
    verified = deployed.play("verify_cluster")
    assert verified.rc == 0, verified.output
    for name in ("lab-mpi/1.0", "lab-r4/1.0", "lz4/1.10.0"):
        assert re.search(rf"^ok +{re.escape(name)} ", verified.output, re.MULTILINE), verified.output


def test_compiler_then_mpi_then_application(deployed: Site) -> None:
    names = deployed.load("lab-mpi/1.0", "lab-r4/1.0")
    ran = login(f"module load {' '.join(names)} && mpiexec -n 1 lab-r4")
    assert ran.stdout.strip() == "lab-r4 3 on 1", ran.stderr
    early = login("module load lab-r4/1.0")
    assert early.returncode != 0, "the application is visible before the MPI that it was built with"
    spider = login("module --redirect spider lab-r4/1.0")
    assert "lab-mpi/1.0" in spider.stdout


def ways_in(said: str) -> list[list[str]]:
    """Each way to a module that ``module spider NAME/VERSION`` names: the modules to load before it, none for some."""
    below = said.partition("any one of the lines below before the")[2].partition("\n\n")[2].partition("Help:")[0]
    ways = [line.split() for line in below.splitlines() if line.strip()]
    return [[], *ways] if "can be loaded directly" in said else ways


@pytest.mark.usefixtures("deployed")
def test_every_module_names_a_way_in_that_leads_to_it() -> None:
    manifest = json.loads((MOUNT_DIR / ".petal" / "manifest.json").read_text())
    names = sorted({module["name"] for module in manifest["modules"]})
    assert {"lab-mpi/1.0", "lab-r4/1.0", "lab-r6/1.0"} <= set(names)
    for name in names:
        said = login(f"module --redirect spider {name}").stdout
        assert ways_in(said), said
        for way in ways_in(said):
            loaded = login(f"module load {' '.join([*way, name])} && module --redirect -t list")
            assert name in loaded.stdout.split(), (way, loaded.stderr)


def test_no_module_opens_its_own_level_and_the_operating_system_has_none(deployed: Site) -> None:
    tree = MOUNT_DIR / "modules" / "spack"
    files = [path for path in tree.rglob("*.lua") if path.name != ".modulerc.lua"]
    assert files
    for path in files:
        opened = re.findall(r'^prepend_path\("MODULEPATH", "(.+)"\)$', path.read_text(), re.MULTILINE)
        # It is NAME/VERSION.lua in its level.
        assert str(path.parent.parent) not in opened, path
    lock = json.loads((MOUNT_DIR / ".petal" / "spack.lock").read_text())
    of_system = [node for node in lock["concrete_specs"].values() if "external" in node]
    assert "gcc" in {node["name"] for node in of_system}
    # A compiler beside the default one opens a level of its own.
    needed = {f"{name}.lua" for name in deployed.load()}
    names = {f"{node['name']}/{node['version']}" for node in of_system}
    # What is hidden bears its hash.
    names |= {f"{node['name']}/{node['version']}-{node['hash'][:7]}" for node in of_system}
    there = {str(path.relative_to(path.parent.parent)) for path in files}
    assert there & {f"{name}.lua" for name in names} == needed


def test_each_level_opens_the_next(deployed: Site) -> None:
    def listed(*names: str) -> set[str]:
        load = f"module load {' '.join(names)} && " if names else ""
        return set(login(f"{load}module --redirect -t avail 2>/dev/null").stdout.split())

    core = listed()
    assert "lab-r4/1.0" not in core
    if not deployed.compiler:
        assert "lab-mpi/1.0" in core
        return
    compiler = deployed.load()[0]
    assert compiler in core
    assert "lab-mpi/1.0" not in core
    below = listed(compiler)
    assert {"lab-mpi/1.0", "lab-r6/1.0"} <= below
    assert "lab-r4/1.0" not in below
    assert "lab-r4/1.0" in listed(compiler, "lab-mpi/1.0")


def test_one_mpi_takes_the_place_of_the_other_and_of_what_stands_on_it(deployed: Site) -> None:
    """As an administrator tries it: a family has one member, and what both have is changed with it."""
    first = " ".join(deployed.load("lab-mpi/1.0", "lab-r7/1.0", "lab-r4/1.0"))
    for change in ("ml lab-mpitwo", "ml swap lab-mpi lab-mpitwo", "module swap lab-mpi/1.0 lab-mpitwo/1.0"):
        where = "readlink -f $(command -v lab-r7 mpiexec)"
        changed = login(f"module load {first} && {where} && {change} && {where} && lab-r7 && module --redirect -t list")
        assert changed.returncode == 0, changed.stderr
        before, mpi_before, after, mpi_after, said, *loaded = changed.stdout.splitlines()
        assert "lab-mpi-" in mpi_before
        assert "lab-mpitwo-" in mpi_after
        assert before != after
        assert said == "lab-r7 2 on 1"
        assert {"lab-mpitwo/1.0", "lab-r7/1.0"} <= set(loaded)
        assert not {"lab-mpi/1.0", "lab-r4/1.0"} & set(loaded)
        # What the other one lacks waits for its return.
        assert "lab-r4" in changed.stderr.partition("Inactive Modules")[2], changed.stderr


def test_the_newest_is_the_default_and_takes_the_place_of_another(deployed: Site) -> None:
    load = f"module load {' '.join(deployed.load())} && " if deployed.load() else ""
    assert "lab-b5/1.1" in login(f"{load}module load lab-b5 && module --redirect -t list").stdout.split()
    listed = login(f"{load}module --redirect avail lab-b5").stdout
    assert re.search(r"lab-b5/1\.1 +\(D\)", listed), listed
    assert re.search(r"lab-b5/1\.0(?! +\(D)", listed), listed
    older = login(f"{load}ml lab-b5 && ml lab-b5/1.0 && module --redirect -t list && command -v lab-b5")
    assert "lab-b5/1.0" in older.stdout.split(), older.stderr
    assert "lab-b5/1.1" not in older.stdout.split()
    assert "lab-b5-1.0-" in older.stdout.split()[-1]
    # Below the MPIs there is one of that name for each, and none of them is the default of the other's level.
    assert len(re.findall(r"lab-r7/1\.0", login("module --redirect -t spider lab-r7").stdout)) == 1


def test_a_module_says_what_it_is(deployed: Site) -> None:
    load = f"module load {' '.join(deployed.load('lab-mpi/1.0'))} && "
    for name in ("lab-b5/1.1", "lab-r4/1.0"):
        package, _slash, version = name.partition("/")
        whatis = login(f"{load}module --redirect whatis {name}").stdout
        assert re.search(rf"Name : {package}$", whatis, re.MULTILINE), whatis
        assert re.search(rf"Version : {re.escape(version)}$", whatis, re.MULTILINE)
        assert "A small C package of petal.hpc's tests." in whatis
        told = login(f"{load}module --redirect help {name}").stdout
        assert "A small C package of petal.hpc's tests." in told, told
    # Also of what cannot be loaded yet, and by its words.
    assert "A small C package of petal.hpc's tests." in login("module --redirect spider lab-r4/1.0").stdout
    assert "lab-mpitwo" in login("module --redirect keyword petal.hpc").stdout


def test_upstream_programs_run(deployed: Site) -> None:
    if "lz4@1.10.0" not in deployed.upstream:
        pytest.skip("no source of lz4 in the mirror: make debian-sources")
    names = deployed.load("lz4/1.10.0")
    ran = login(f"module load {' '.join(names)} && echo petal | lz4 -c | lz4 -dc && command -v lz4")
    assert ran.stdout.split()[0] == "petal", ran.stderr
    assert ran.stdout.split()[1].startswith(str(MOUNT_DIR))
