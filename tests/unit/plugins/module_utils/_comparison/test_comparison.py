"""Two sides are compared by what is known of both; nothing is said to be the same that nobody looked at."""

from __future__ import annotations

import pytest
from stored import FINGERPRINT, record_of

from ansible_collections.petal.hpc.plugins.module_utils._comparison.model import (
    ASKED,
    LOCKS,
    MOST,
    NAMES,
    PACKAGES,
    SIZES,
    TITLES,
    Part,
    Side,
    Value,
    compare,
    compared,
    told,
)
from ansible_collections.petal.hpc.plugins.module_utils._snapshot.model import parse_snapshot

OTHER = "sha256:" + "b" * 64


def part(**values: str | Value) -> Part:
    return {name: frozenset([value if isinstance(value, Value) else Value(value)]) for name, value in values.items()}


def side(fingerprint: str = FINGERPRINT, /, **parts: Part) -> Side:
    """One of which all is known, with some of it different."""
    every: dict[str, Part] = {**{name: part(one="1") for name in TITLES}, **parts}
    return Side(f"side {fingerprint[7]}", (fingerprint,), None, every)


def rows(name: str, old: Part, new: Part) -> list[str]:
    return [str(row) for row in compared(name, old, new).rows]


def test_added_removed_changed() -> None:
    old, new = part(six="1.16.0", idna="3.10", tqdm="4"), part(six="1.17.0", packaging="25.0", tqdm="4")
    assert rows(PACKAGES, old, new) == ["- idna 3.10", "+ packaging 25.0", "~ six 1.16.0 → 1.17.0"]
    assert rows(PACKAGES, old, old) == []
    found = compared(PACKAGES, old, new)
    assert found.to_dict() == {
        "added": [{"name": "packaging", "new": "25.0"}],
        "removed": [{"name": "idna", "old": "3.10"}],
        "changed": [{"name": "six", "old": "1.16.0", "new": "1.17.0"}],
        "same": 1,
    }


def test_another_build_of_the_same_version_is_told_by_what_it_differs_in() -> None:
    hdf5 = [
        Value("1.14", f"/{letter * 32}", words) for letter, words in (("a", ("+cxx", "~mpi")), ("b", ("+cxx", "+mpi")))
    ]
    assert rows(PACKAGES, part(hdf5=hdf5[0]), part(hdf5=hdf5[1])) == [
        "~ hdf5 1.14 ~mpi /aaaaaaa… → 1.14 +mpi /bbbbbbb…"
    ]
    digest = [Value("", f"sha256:{letter * 64}") for letter in "ab"]
    assert rows(LOCKS, part(lock=digest[0]), part(lock=digest[1])) == [
        "~ lock sha256:aaaaaaaaaaaa… → sha256:bbbbbbbbbbbb…"
    ]


def test_a_build_that_one_side_does_not_know_is_no_difference() -> None:
    known, unknown = part(zlib=Value("1.3", "/abc")), part(zlib=Value("1.3"))
    assert rows(PACKAGES, known, unknown) == rows(PACKAGES, unknown, known) == []


def test_several_versions_of_one_package() -> None:
    old = {"numpy": frozenset([Value("2.2.6"), Value("1.26")])}
    new = {"numpy": frozenset([Value("2.2.6"), Value("2.3.5")])}
    assert rows(PACKAGES, old, new) == ["~ numpy 1.26 → 2.3.5"]
    assert rows(PACKAGES, part(numpy="2.2.6"), new) == ["+ numpy 2.3.5"]


def test_a_size_that_one_side_does_not_say_is_not_compared() -> None:
    assert rows(SIZES, part(volume="1 GiB", used="2 MiB"), part(volume="2 GiB")) == ["~ volume 1 GiB → 2 GiB"]


def test_the_same() -> None:
    found = compare(side(), side())
    assert (found.different, found.same_fingerprint, found.not_compared) == (False, True, ())
    assert found.report()[-1] == "Nothing differs."


def test_what_one_side_does_not_know_is_said_with_the_reason() -> None:
    blind = Side("old", (FINGERPRINT,), None, {SIZES: part(one="1")}, {"": "old has no provenance", "modules": "gone"})
    found = compare(blind, side())
    assert found.different is None
    assert found.not_compared == (
        "packages, container images, packages inside of images, what it runs by, locks, built with: "
        "old has no provenance",
        "modules: gone",
    )
    assert found.to_dict()["packages"] is None
    assert found.report()[-1] == "Nothing differs of what was compared."
    assert Side("new", ()).why("modules") == "new does not say it"


def test_names_of_packages_are_compared_where_that_is_all() -> None:
    """Then it is said that their builds are not."""
    old = Side("old", (FINGERPRINT,), None, {NAMES: part(six="1.16.0")}, {"": "old has no provenance"})
    found = compare(old, side(OTHER, names=part(six="1.17.0"), packages=part(six=Value("1.17.0", "sha256:1"))))
    assert [str(row) for row in found.sections[PACKAGES].rows] == ["~ six 1.16.0 → 1.17.0"]
    assert found.not_compared == (
        "asked for, container images, packages inside of images, modules, what it runs by, locks, built with, sizes, "
        "builds of packages: old has no provenance",
    )


def test_one_fingerprint_is_one_wish() -> None:
    """Releases may write the same seed in other words."""
    found = compare(side(asked=part(a="1")), side(asked=part(b="1")))
    assert (found.count, found.different) == (0, False)


def test_fingerprints_that_differ_by_nothing_that_is_seen() -> None:
    found = compare(side(), side(OTHER))
    assert found.different is True
    assert "why the fingerprints differ" in found.not_compared[0]
    assert found.report()[-1] == "Nothing differs of what was compared but the fingerprint."
    said = compare(side(), side(OTHER, asked=part(one="2")))
    assert said.not_compared == ()
    assert "  ~ one 1 → 2" in said.report()


def test_an_older_fingerprint_of_a_seed_is_the_same() -> None:
    seed = Side("the seed", (OTHER, FINGERPRINT), None, side().parts)
    assert compare(side(), seed).same_fingerprint


def test_people_get_few_lines_and_the_structure_all() -> None:
    many = {f"p{number:03}": frozenset([Value("1")]) for number in range(MOST + 5)}
    found = compare(side(packages={}), side(OTHER, packages=many))
    lines = found.report()
    assert lines[lines.index("packages: 45 added") + 1] == "  + p000 1"
    assert "  and 5 more" in lines
    assert len(found.to_dict()["packages"]["added"]) == MOST + 5


def test_briefly() -> None:
    old, new = side(), side(OTHER, packages={f"p{number}": frozenset([Value("1")]) for number in range(7)})
    assert compare(old, new).brief() == [
        "since side a",
        "packages: 7 added, 1 removed",
        "  - one 1",
        *(f"  + p{number} 1" for number in range(4)),
        "  and 3 more",
    ]
    assert compare(old, old).brief() == ["since side a: nothing differs of what could be compared"]


def test_what_nobody_could_compare_is_said_of_what_is_built() -> None:
    snapshot = parse_snapshot(record_of(b"x"))
    tags_alone = Side("side b", (OTHER,), snapshot, {}, {"": "there are but tags"})
    (since, *others) = compare(side(), tags_alone).brief()
    assert since == "since side a: nothing differs of what could be compared"
    assert others
    assert all(line.startswith("not compared: ") and line.endswith("there are but tags") for line in others)


def test_a_snapshot_is_named() -> None:
    snapshot = parse_snapshot(record_of(b"x"))
    assert Side("it", (FINGERPRINT,), snapshot).to_dict() == {
        "label": "it",
        "fingerprint": FINGERPRINT,
        "snapshot_id": snapshot.snapshot_id,
        "name": "quickstart",
        "created": "2026-01-31T12:00:00Z",
    }
    assert compare(side(), side()).old.to_dict()["snapshot_id"] is None


@pytest.mark.parametrize("end", ["a", "b"])
def test_long_texts_that_differ_at_their_end_stay_different(end: str) -> None:
    text = "x" * 5000 + end
    assert len(told(text)) < 200
    assert told(text) != told("x" * 5000 + "c")
    assert told("a\nb") == "'a\\nb'"


def test_asked_for_is_first() -> None:
    assert next(iter(compare(side(), side()).sections)) == ASKED
