"""References to container images, and containers in a seed."""

from __future__ import annotations

from typing import Any

import pytest
from seed_samples import LOCAL, changed, faults, seed

from ansible_collections.petal.hpc.plugins.module_utils._seed import fingerprint, images
from ansible_collections.petal.hpc.plugins.module_utils._seed.images import Reference

DIGEST = "sha256:" + "ab" * 32
OTHER = "sha256:" + "cd" * 32


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("ubuntu", Reference("docker", "docker.io", "library/ubuntu", "latest")),
        ("ubuntu:24.04", Reference("docker", "docker.io", "library/ubuntu", "24.04")),
        ("lab/tools:1", Reference("docker", "docker.io", "lab/tools", "1")),
        ("docker://ghcr.io/lab/tools:1", Reference("docker", "ghcr.io", "lab/tools", "1")),
        ("localhost/tools:1", Reference("docker", "localhost", "tools", "1")),
        ("registry:5000/a/b/c", Reference("docker", "registry:5000", "a/b/c", "latest")),
        (f"ghcr.io/lab/tools:1@{DIGEST}", Reference("docker", "ghcr.io", "lab/tools", "", DIGEST)),
        ("oras://ghcr.io/lab/tools:1", Reference("oras", "ghcr.io", "lab/tools", "1")),
        ("file:images/tools.tar", Reference("file", path="images/tools.tar")),
    ],
)
def test_references(text: str, meant: Reference) -> None:
    assert images.image(text) is None
    assert images.parse(text) == meant


@pytest.mark.parametrize("text", ["", "file:/etc/passwd", "file:../x.tar", "http://a/b", "a b", "a:b:c", "-x"])
def test_what_is_no_reference(text: str) -> None:
    assert images.image(text)


def test_a_registry_of_amazon_ecr_is_told_by_its_name() -> None:
    assert images.parse("123456789012.dkr.ecr.eu-west-1.amazonaws.com/lab/a:1").ecr == ("123456789012", "eu-west-1")
    assert images.parse("example.org/lab/a:1").ecr is None


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("a/b:v1.0", "v1.0"),
        ("a/b", "latest"),
        (f"a/b@{DIGEST}", "abababababab"),
        ("file:a.tar", "default"),
        ("a/b:_x", "default"),
    ],
)
def test_a_version_that_nobody_gives(image: str, version: str) -> None:
    assert images.version_of(image) == version


def container(**more: Any) -> dict[str, Any]:
    entry = {"name": "bio", "image": "ghcr.io/lab/bio:v1.0", "modules": ["samtools", "bwa/0.7"], **more}
    return changed(LOCAL, "software", "containers", [entry])


def test_programs_as_a_list_and_as_a_mapping() -> None:
    asked = container(
        modules={"samtools": None, "sort": {"command": "/opt/s/bin/samtools", "args": ["sort", "-@", "2"]}}
    )
    found = seed(asked).software.containers[0]
    assert [(one.name, one.command, one.args) for one in found.modules] == [
        ("samtools/v1.0", "samtools", ()),
        ("sort/v1.0", "/opt/s/bin/samtools", ("sort", "-@", "2")),
    ]
    # What a volume keeps of its seed is a seed.
    again = changed(LOCAL, "software", "containers", seed(asked).to_dict()["software"]["containers"])
    assert seed(again).software.containers == seed(asked).software.containers


@pytest.mark.parametrize(
    ("more", "path", "message"),
    [
        ({"modules": []}, "modules", "no program of the image is named"),
        ({"modules": "samtools"}, "modules", "stands here"),
        ({"modules": ["../x"]}, "modules[0]", "this is no PROGRAM"),
        ({"modules": ["a/1", "a/2"]}, "modules", "a/1 and a/2 would be the same program"),
        ({"modules": {"a": {"command": "a; b"}}}, "modules.a.command", "neither the name of a program"),
        ({"modules": {"a": {"command": "opt/bin/a"}}}, "modules.a.command", "neither the name of a program"),
        ({"modules": {"a": {"command": "/x/../../b"}}}, "modules.a.command", "leads out"),
        ({"env": {"A-B": "1"}}, "env.A-B", "no name of a variable"),
        ({"env": {"LD_PRELOAD": "x"}}, "env.LD_PRELOAD", "the image decides this"),
        ({"env": {"A": 1}}, "env.A", "stands here"),
        ({"binds": ["scratch"]}, "binds[0]", "no DIRECTORY"),
        ({"binds": ["/data:/usr/lib"]}, "binds[0]", "over /usr of the image"),
        ({"binds": ["/a:/x", "/b:/x"]}, "binds[1]", "something else is at /x"),
        ({"version": "../1"}, "version", "no version of a module"),
        ({"image": "file:../bio.tar"}, "image", "empty, '.' or '..'"),
    ],
)
def test_what_is_refused(more: dict[str, Any], path: str, message: str) -> None:
    found = faults(container(**more))
    assert message in found.get(f"software.containers[0].{path}", ""), found


def test_modules_have_names_of_their_own() -> None:
    two = [
        {"name": "a", "image": "x/a:1", "modules": ["samtools"]},
        {"name": "b", "image": "x/b:1", "modules": ["samtools"]},
    ]
    found = faults(changed(LOCAL, "software", "containers", two))
    assert "is the module samtools/1 already" in found["software.containers[1].modules"]
    apart = changed(LOCAL, "software", "containers", [two[0], {**two[1], "modules": ["samtools/1.18"]}])
    assert faults(apart) == {}
    taken = changed(container(), "software", "python_environments", [{"name": "samtools", "packages": ["six"]}])
    assert "a Python environment has this name" in faults(taken)["software.containers[0].modules"]


def test_a_package_of_the_same_name_is_a_warning() -> None:
    found = {
        one.path: one.message for one in seed(changed(container(), "software", "spack_packages", ["samtools"])).warnings
    }
    assert "a Spack package has the name samtools" in found["software.containers[0].modules"]


@pytest.mark.parametrize(("os", "said"), [("rocky9", True), ("debian12", False), ("ubuntu2404", False)])
def test_a_system_without_packages_of_the_tools_is_a_warning(os: str, said: bool) -> None:
    found = {one.path: one.message for one in seed(changed(container(), "cluster", "os", os)).warnings}
    assert found.get("software.containers", "").startswith(f"{os} has no packages of what brings images") == said


def test_the_fingerprint_goes_by_what_a_tag_stands_for() -> None:
    asked = seed(container())
    assert fingerprint.unresolved(asked) == ["ghcr.io/lab/bio:v1.0"]
    known = {"ghcr.io/lab/bio:v1.0": DIGEST}
    assert fingerprint.unresolved(asked, known) == []
    first, moved = (fingerprint.fingerprint(asked, {"ghcr.io/lab/bio:v1.0": digest}) for digest in (DIGEST, OTHER))
    assert first != moved
    # The same image from another registry is the same software.
    elsewhere = seed(container(image="example.org/mirror/bio:v1.0"))
    assert fingerprint.fingerprint(elsewhere, {"example.org/mirror/bio:v1.0": DIGEST}) == first
    pinned = seed(container(image=f"ghcr.io/lab/bio@{DIGEST}", version="v1.0"))
    assert fingerprint.unresolved(pinned) == []
    assert fingerprint.fingerprint(pinned) == first


@pytest.mark.parametrize(
    "more",
    [
        {"modules": ["samtools"]},
        {"modules": ["bwa/0.7", "samtools/1.17"]},
        {"modules": {"samtools": {"args": ["view"]}, "bwa/0.7": None}},
        {"env": {"A": "1"}},
        {"gpu": True},
        {"binds": ["/data"]},
        {"name": "biology"},
        {"version": "2"},
    ],
)
def test_whatever_changes_programs_changes_the_fingerprint(more: dict[str, Any]) -> None:
    known = {"ghcr.io/lab/bio:v1.0": DIGEST}
    assert fingerprint.fingerprint(seed(container(**more)), known) != fingerprint.fingerprint(seed(container()), known)


def test_the_order_of_containers_and_programs_changes_nothing() -> None:
    one = {"name": "a", "image": f"x/a@{DIGEST}", "modules": ["p", "q"], "binds": ["/x", "/y"]}
    two = {"name": "b", "image": f"x/b@{OTHER}", "modules": ["r"]}
    here = changed(LOCAL, "software", "containers", [one, two])
    there = changed(LOCAL, "software", "containers", [two, {**one, "modules": ["q", "p"], "binds": ["/y", "/x"]}])
    assert fingerprint.fingerprint(seed(here)) == fingerprint.fingerprint(seed(there))
