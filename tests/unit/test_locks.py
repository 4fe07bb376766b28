"""What is installed for the product itself: everything by its version, and its digests, in one style."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
#: Files of requirements and what is locked of them.
LOCKS = sorted(path for path in (*ROOT.glob("*.in"), *ROOT.glob("roles/*/files/*.in")))
COLLECTIONS = ROOT / ".collections" / "ansible_collections"


def asked(path: Path) -> list[Requirement]:
    """The requirements of a file, with those of files that it names."""
    found = []
    for line in path.read_text().splitlines():
        if line.startswith("-r "):
            found += asked(path.with_name(line[3:]))
        elif line and not line.startswith("#"):
            found.append(Requirement(line))
    return found


def locked(path: Path) -> dict[str, list[tuple[Requirement, list[str]]]]:
    """A lock: requirements with their digests, by name; one that depends on the Python stands there twice."""
    found: dict[str, list[tuple[Requirement, list[str]]]] = {}
    for entry in re.sub(r"\\\n *", "", path.read_text()).splitlines():
        if entry and not entry.lstrip().startswith("#"):
            text, *digests = entry.split("--hash=")
            requirement = Requirement(text.strip())
            found.setdefault(canonicalize_name(requirement.name), []).append(
                (requirement, [d.strip() for d in digests])
            )
    return found


def label(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_all_of_them_are_looked_at() -> None:
    assert {label(path) for path in LOCKS} >= {
        *("requirements.in", "requirements-dev.in", "requirements-collections.in"),
        *("roles/spack/files/python.in", "roles/spack/files/python-dnf.in"),
    }


@pytest.mark.parametrize("path", LOCKS, ids=label)
def test_a_lock_has_what_is_asked_for_and_digests_of_everything(path: Path) -> None:
    lock = locked(path.with_suffix(".txt"))
    for entries in lock.values():
        for requirement, digests in entries:
            assert re.fullmatch(r"==[^*,]+", str(requirement.specifier)), requirement
            assert digests, requirement
            assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in digests), requirement
    for wanted in asked(path):
        assert re.fullmatch(r"==[^*,]+", str(wanted.specifier)), f"{wanted} of {path} is not pinned"
        versions = {entry.specifier for entry, _digests in lock[canonicalize_name(wanted.name)]}
        assert wanted.specifier in versions, wanted


@pytest.mark.parametrize("path", LOCKS, ids=label)
def test_make_requirements_makes_it(path: Path) -> None:
    name = label(path)
    assert re.search(rf"\$\(LOCK\) .*--output-file {re.escape(name[:-3])}\.txt {re.escape(name)}\n", MAKEFILE)


def test_what_the_tools_need_is_what_the_product_has() -> None:
    ours, tools = locked(ROOT / "requirements.txt"), locked(ROOT / "requirements-dev.txt")
    for name, entries in ours.items():
        assert {str(entry[0].specifier) for entry in entries} == {str(entry[0].specifier) for entry in tools[name]}, (
            name
        )


def test_pip_takes_nothing_without_a_digest() -> None:
    calls = [line for line in MAKEFILE.splitlines() if re.search(r"\bpip\b.* (install|download)\b|\$\(PIP\)", line)]
    assert calls
    assert [line for line in calls if "--require-hashes" not in line] == []


def test_collections_have_the_versions_of_the_bundle() -> None:
    wanted = yaml.safe_load((ROOT / "requirements.yml").read_text())["collections"]
    bundled = re.search(r"^BUNDLED := (.*)$", MAKEFILE, re.MULTILINE)
    assert bundled
    assert {one["name"].replace(".", "/") for one in wanted} == set(bundled[1].split())
    for one in wanted:
        manifest = json.loads((COLLECTIONS / one["name"].replace(".", "/") / "MANIFEST.json").read_text())
        assert manifest["collection_info"]["version"] == one["version"], one


def test_spacks_python_is_what_the_role_says() -> None:
    role = ROOT / "roles" / "spack"
    defaults = yaml.safe_load((role / "defaults" / "main.yml").read_text())["spack_python_packages"]
    variables = yaml.safe_load((role / "vars" / "main.yml").read_text())
    assert variables["spack_wheels"]["locked"] == defaults
    assert [str(one) for one in asked(role / "files" / "python.in")] == defaults
    more = variables["spack_wheels"]["more"]["dnf"]
    assert [str(one) for one in asked(role / "files" / "python-dnf.in")] == defaults + more


def test_the_library_of_parallelcluster_is_locked_in_the_release_that_is_the_default() -> None:
    role = ROOT / "roles" / "pcluster_config"
    version = yaml.safe_load((role / "defaults" / "main.yml").read_text())["pcluster_config_library_version"]
    (wanted,) = asked(role / "files" / f"library-{version}.in")
    assert str(wanted) == f"aws-parallelcluster=={version}"
