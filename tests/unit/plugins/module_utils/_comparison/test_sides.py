"""What stands beside a snapshot is read as far as it is about that snapshot; what others wrote is never believed."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from stored import FINGERPRINT, ID, record_of

from ansible_collections.petal.hpc.plugins.module_utils._comparison.choice import (
    Asked,
    NothingToCompareError,
    answer,
    difference,
    pair,
)
from ansible_collections.petal.hpc.plugins.module_utils._comparison.model import (
    ASKED,
    COMPONENTS,
    IMAGES,
    INSIDE,
    LOCKS,
    MODULES,
    NAMES,
    PACKAGES,
    TOOLS,
    Difference,
    Side,
    Value,
    compare,
)
from ansible_collections.petal.hpc.plugins.module_utils._comparison.reading import (
    ComparisonError,
    of_ebs,
    of_seed,
    of_snapshot,
)
from ansible_collections.petal.hpc.plugins.module_utils._provenance.model import checked, statement
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import Snapshot, parse_snapshot

RECORD = b"the record"
SNAPSHOT = parse_snapshot(record_of(b"archive"))
MANIFEST: dict[str, Any] = {
    "fingerprint": FINGERPRINT,
    "build_id": "20261122T000000Z-00000000",
    "started": "2026-11-22T00:00:00Z",
    "mount_dir": "/shared",
    "seed": {
        "cluster": {"name": "quickstart", "os": "debian12", "architecture": "x86_64"},
        "software": {"spack_packages": ["zlib@1.3.1"], "spack": {"version": "develop"}},
    },
    "versions": {"petal": "0.2.0", "ansible": "2.19.14", "uv": "0.13.9"},
    "packages": [
        {
            "name": "zlib",
            "version": "1.3.1",
            "manager": "spack",
            "hash": "z" * 32,
            "origin": "source",
            "variants": "+pic +shared",
        },
        {"name": "six", "version": "1.17.0", "manager": "pypi", "hash": f"sha256:{'5' * 64}"},
    ],
    "modules": [
        {"name": "zlib/1.3.1", "load": ["gcc/12", "zlib/1.3.1"], "default": True, "summary": "A compression library"}
    ],
    "components": [
        {
            "name": "spack",
            "version": "develop",
            "manager": "git",
            "origin": "volume",
            "commit": "a" * 40,
            "url": "https://github.com/spack/spack.git",
        }
    ],
    "locks": {".petal/spack.lock": f"sha256:{'7' * 64}"},
}
SYSTEM = [{"name": "gcc", "version": "12.2.0", "hash": "g" * 32, "origin": "external"}]


def documents(manifest: dict[str, Any] | None = None, snapshot: Snapshot = SNAPSHOT, /, **given: Any) -> list[bytes]:
    """Statement and manifest as a build writes them."""
    manifest = MANIFEST if manifest is None else manifest
    text = json.dumps(manifest)
    files = {"manifest.json": f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"}
    build = checked({"manifest": manifest, "files": files, "system": SYSTEM, **given})
    found = statement(build, snapshot, hashlib.sha256(RECORD).hexdigest(), "host")
    return [json.dumps(found).encode(), text.encode()]


def read(statement_: bytes | None, manifest: bytes | None = None) -> Side:
    return of_snapshot(SNAPSHOT, RECORD, statement_, manifest)


def test_all_of_what_was_built_here() -> None:
    parts = read(*documents(inputs={"lmod_method": "package"})).parts
    assert parts[PACKAGES] == {
        "zlib": {Value("1.3.1", f"/{'z' * 32}", ("+pic", "+shared"))},
        "six": {Value("1.17.0", f"sha256:{'5' * 64}")},
    }
    assert parts[MODULES] == {"gcc/12 zlib/1.3.1": {Value("A compression library (default)")}}
    assert parts[COMPONENTS] == {"spack": {Value("develop", "a" * 40)}, "gcc": {Value("12.2.0")}}
    assert parts[LOCKS] == {".petal/spack.lock": {Value("", f"sha256:{'7' * 64}")}}
    assert parts[TOOLS] == {
        "petal.hpc": {Value("0.2.0")},
        "ansible-core": {Value("2.19.14")},
        "uv": {Value("0.13.9")},
    }
    assert parts[ASKED]["spack version"] == {Value("develop", "a" * 40)}
    assert parts[ASKED]["of the site lmod_method"] == {Value("package")}
    assert parts[NAMES] == {"six": {Value("1.17.0")}}


def contained(digest: str, *packages: str, version: str = "1.20") -> dict[str, Any]:
    """The manifest with an image."""
    inside = [dict(zip(("name", "version"), one.split("@")), manager="deb") for one in packages]
    image = {
        "name": "samtools",
        "version": version,
        "image": "quay.io/bio/samtools:1",
        "digest": f"sha256:{digest * 64}",
    }
    return {**MANIFEST, "images": [{**image, "packages": inside}]}


def test_images_and_what_is_inside_of_them() -> None:
    old = read(*documents(contained("a", "libc6@2.36-9", "zlib1g@1.2")))
    assert old.parts[IMAGES] == {"samtools": {Value("1.20", f"sha256:{'a' * 64}")}}
    assert "samtools" not in old.parts[PACKAGES] and "samtools" not in old.parts[COMPONENTS]
    found = compare(old, read(*documents(contained("b", "libc6@2.36-10", "curl@8"))))
    assert [str(row) for row in found.sections[IMAGES].rows] == [
        f"~ samtools 1.20 sha256:{'a' * 12}… → 1.20 sha256:{'b' * 12}…"
    ]
    assert [str(row) for row in found.sections[INSIDE].rows] == [
        "+ samtools:curl 8",
        "~ samtools:libc6 2.36-9 → 2.36-10",
        "- samtools:zlib1g 1.2",
    ]
    assert any("packages inside of images" in line for line in found.brief())


def test_what_is_inside_of_images_from_elsewhere_is_not_known() -> None:
    side = read(documents(contained("a", "libc6@2.36-9"))[0])
    assert (
        compare(side, read(*documents(contained("a", "libc6@1"))))
        .not_compared[0]
        .startswith("packages inside of images")
    )
    # Where there are none, nobody misses that.
    assert not any("inside" in one for one in compare(read(documents()[0]), read(*documents())).not_compared)


def test_what_came_from_elsewhere_has_its_provenance() -> None:
    side = read(documents()[0])
    assert set(side.parts) >= {PACKAGES, ASKED, COMPONENTS}
    assert MODULES not in side.parts
    assert "has no manifest beside its record" in side.why(MODULES)
    # Variants are not known then, and two that were built in the same way are the same.
    assert compare(side, read(*documents())).different is None


def test_what_an_earlier_release_built() -> None:
    side = read(None)
    assert set(side.parts) == {NAMES, "sizes"}
    assert "an earlier release built it" in side.why(PACKAGES)


def test_a_manifest_that_is_another_one_is_not_read() -> None:
    said, text = documents()
    assert "not the one of its provenance" in read(said, text + b" ").why(MODULES)
    for wrong in (b"[", b"[]"):
        value = json.loads(said)
        value["predicate"]["runDetails"]["byproducts"][0]["digest"]["sha256"] = hashlib.sha256(wrong).hexdigest()
        assert MODULES not in read(json.dumps(value).encode(), wrong).parts


@pytest.mark.parametrize("wrong", [b"", b"[]", b"{}", b"{" * 99999, b"\xff"])
def test_a_provenance_that_is_none_counts_for_nothing(wrong: bytes) -> None:
    side = read(wrong, documents()[1])
    assert set(side.parts) == {NAMES, "sizes"}
    assert "counts for nothing" in side.why(PACKAGES)


def test_one_of_another_snapshot_counts_for_nothing() -> None:
    other = parse_snapshot(record_of(b"another archive"))
    assert PACKAGES not in of_snapshot(other, RECORD, *documents()).parts
    assert PACKAGES not in of_snapshot(SNAPSHOT, b"another record", *documents()).parts


@pytest.mark.parametrize("value", [None, 7, "x", [], [7], {"a": 7}])
def test_whatever_stands_where_something_else_is_expected(value: Any) -> None:
    found = json.loads(documents()[0])
    for keys in (
        ("buildDefinition", "resolvedDependencies"),
        ("buildDefinition", "externalParameters"),
        ("runDetails", "byproducts"),
    ):
        wrong = json.loads(json.dumps(found))
        wrong["predicate"][keys[0]][keys[1]] = value
        read(json.dumps(wrong).encode(), documents()[1])
    for number, _one in enumerate(found["predicate"]["buildDefinition"]["resolvedDependencies"]):
        for key in ("name", "uri", "digest", "annotations"):
            wrong = json.loads(json.dumps(found))
            wrong["predicate"]["buildDefinition"]["resolvedDependencies"][number][key] = value
            assert read(json.dumps(wrong).encode()).snapshot == SNAPSHOT


def test_tags_of_aws() -> None:
    tagged = parse_snapshot(record_of(b"", packages=["six@1.17.0"], tags={"petal:packages": "six@1.17.0"}))
    side = of_ebs(tagged)
    assert side.parts[NAMES] == {"six": {Value("1.17.0")}}
    assert "no more of a snapshot than its tags" in side.why(MODULES)
    cut = parse_snapshot(record_of(b"", packages=["six@1.17.0"], tags={"petal:packages": "six@1.17.0 +7 more"}))
    assert NAMES not in of_ebs(cut).parts
    found = compare(of_ebs(cut), side)
    assert found.different is None
    assert any("has not all of them" in one for one in found.not_compared)


PLAN: dict[str, Any] = {
    "fingerprints": ["sha256:" + "c" * 64],
    "name": "quickstart",
    "seed": {**MANIFEST["seed"], "software": {"spack_packages": ["zlib@1.3"], "spack": {"version": "develop"}}},
    "inputs": {},
    "mount_dir": "/shared",
    "resolved_refs": {"spack": "b" * 40},
}


def test_a_seed_against_a_snapshot() -> None:
    found = compare(read(*documents()), of_seed(PLAN))
    assert [str(row) for row in found.sections[ASKED].rows] == [
        f"~ spack version develop {'a' * 19}… → develop {'b' * 19}…",
        "~ spack_packages zlib @1.3.1 → @1.3",
    ]
    assert found.not_compared == (
        "packages, container images, packages inside of images, modules, what it runs by, locks, built with, sizes: "
        "there is no snapshot of the seed of quickstart yet",
    )
    assert set(found.sections) == {ASKED}


def test_a_seed_that_is_built_has_all_that_its_snapshot_has() -> None:
    found = compare(read(*documents()), of_seed(PLAN, read(*documents())))
    assert found.not_compared == ()
    assert found.to_dict()["new"]["snapshot_id"] == ID


@pytest.mark.parametrize("wrong", [{}, {"fingerprints": []}, {"fingerprints": [1], "seed": 7}])
def test_what_is_no_plan(wrong: dict[str, Any]) -> None:
    with pytest.raises(ComparisonError, match="seed_info"):
        of_seed(wrong)


def snapshots(*names: str) -> list[Snapshot]:
    """The newest first."""
    return [
        parse_snapshot(record_of(b"x", f"snap-{number:017x}", name=name, fingerprint=f"sha256:{number:064x}"))
        for number, name in enumerate(names)
    ]


def test_which_two() -> None:
    every = a, b, c, d = snapshots("bio", "chem", "bio", "bio")
    assert pair(Asked(a.snapshot_id, d.fingerprint), every, "here") == (d, a)
    # Without a word of the old one it is the one before of that name.
    assert pair(Asked(a.fingerprint), every, "here") == (c, a)
    assert pair(Asked(c.snapshot_id), every, "here") == (d, c)
    built = {"name": "bio", "fingerprints": [c.fingerprint]}
    assert pair(Asked(plan=built), every, "here") == (d, c)
    unbuilt = {"name": "bio", "fingerprints": [FINGERPRINT]}
    assert pair(Asked(plan=unbuilt), every, "here") == (a, None)
    assert pair(Asked(plan=unbuilt, since=b.snapshot_id), every, "here") == (b, None)
    for asked, problem in (
        (Asked(d.snapshot_id), "no earlier snapshot of the name bio in here"),
        (Asked("snap-0"), "no snapshot 'snap-0' in here"),
        (Asked(""), "no snapshot ''"),
        (Asked(a.snapshot_id, "x" * 999), "list_volumes"),
        (Asked(plan={"name": "new", "fingerprints": []}), "no snapshot of the name new"),
    ):
        with pytest.raises(ComparisonError, match=problem):
            pair(asked, every, "here")


def test_nothing_to_compare_with_is_an_answer() -> None:
    (alone,) = every = snapshots("bio")
    for asked in (Asked(alone.snapshot_id), Asked(alone.snapshot_id, "snap-gone")):
        with pytest.raises(NothingToCompareError):
            pair(asked, every, "here")

    def nothing() -> Difference:
        raise NothingToCompareError("there is none")

    told = {"difference": None, "report": ["there is none"], "brief": [], "nothing_to_compare": "there is none"}
    assert answer(nothing) == told
    old = read(*documents())
    found = answer(lambda: difference(Asked("x"), old, old))
    assert (found["difference"]["different"], found["nothing_to_compare"]) == (False, "")

    def wrong() -> Difference:
        raise ComparisonError("no such snapshot")

    with pytest.raises(ComparisonError, match="no such snapshot"):
        answer(wrong)


def test_the_new_side_is_a_seeds_where_one_is_asked_for() -> None:
    old = read(*documents())
    assert difference(Asked(plan=PLAN), old, None).new.snapshot is None
    assert difference(Asked("x"), old, old).different is False
