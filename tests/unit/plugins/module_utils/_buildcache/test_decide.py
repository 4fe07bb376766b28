from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.petal.hpc.plugins.module_utils._buildcache import decide
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.decide import Offer
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.model import (
    Cache,
    Contents,
    Lock,
    Package,
)
from ansible_collections.petal.hpc.plugins.module_utils._objects.model import Item

DAY = 86400
NOW = 1000.0 * DAY


def key(letter: str) -> str:
    return letter * 32


def package(letter: str, *needs: str, build: str = "") -> Package:
    dependencies = (*((key(n), True) for n in needs), *((key(n), False) for n in build))
    return Package(f"p{letter}", "1", key(letter), False, dependencies)


def contents(**ages: float) -> Contents:
    manifests = {key(letter): Item(f"{letter}.spec.", 10, NOW - age * DAY) for letter, age in ages.items()}
    return Contents({item.path: item for item in manifests.values()}, manifests)


def test_survey_asks_caches_in_order() -> None:
    packages = [package("a"), package("b"), package("c")]
    offers = {
        key("a"): [Offer("one", "it is not signed"), Offer("two", size=5)],
        key("b"): [Offer("one", "its archive is missing")],
    }
    found = decide.survey(packages, offers)
    assert [(hit["name"], hit["cache"]) for hit in found.hits] == [("pa", "two")]
    assert [miss["name"] for miss in found.misses] == ["pb", "pc"]
    assert decide.refusals(found) == [
        "pa@1/aaaaaaa is refused from build cache one: it is not signed; it is taken from cache two",
        "pb@1/bbbbbbb is refused from build cache one: its archive is missing; it is built from source",
    ]
    assert found.to_dict()["hit_bytes"] == 5


def test_summary() -> None:
    said = decide.summary(Cache("site", "file:///x"), contents(a=10, b=1), NOW)
    assert (said["packages"], said["bytes"], said["oldest_days"]) == (2, 20, 10.0)
    assert said["oldest"] == "1972-09-17T00:00:00Z"
    assert decide.summary(Cache("site", "file:///x"), Contents(), NOW)["oldest"] is None


def test_pruning_keeps_what_is_needed() -> None:
    held = contents(a=1, b=100, c=100, d=100, e=100)
    index = {p.hash: p for p in (package("a", "b", build="d"), package("b", "c"), package("c"))}
    plan = decide.pruning(held, 90 * DAY, NOW, {key("e"), key("z")}, index)
    assert plan.remove == (key("d"),), "build dependencies of what stays may go"
    assert plan.keep == tuple(key(letter) for letter in "abce")
    assert (plan.needed_by_seeds, plan.needed_by_packages) == (1, 2)


letters = st.sets(st.sampled_from("abcdefgh"))


@given(letters, letters, st.dictionaries(st.sampled_from("abcdefgh"), letters))
def test_pruning_never_takes_what_a_seed_needs(old: set[str], kept: set[str], needs: dict[str, set[str]]) -> None:
    held = contents(**{letter: 100.0 if letter in old else 1.0 for letter in "abcdefgh"})
    index = {key(name): package(name, *wanted) for name, wanted in needs.items()}
    plan = decide.pruning(held, 90 * DAY, NOW, {key(letter) for letter in kept}, index)
    assert set(plan.keep) | set(plan.remove) == set(held.manifests)
    assert not set(plan.keep) & set(plan.remove)
    assert not {key(letter) for letter in kept} & set(plan.remove)
    assert {item[0] for item in plan.remove} <= old
    for stays in plan.keep:
        for needed, _runs in index[stays].dependencies if stays in index else ():
            assert needed in plan.keep


def test_what_is_pushed() -> None:
    packages = [package(letter) for letter in "abcd"]
    external = Package("gcc", "1", key("e"), True)
    lock = Lock({p.hash: p for p in [*packages, external]})
    wanted = decide.to_push(lock, {key(letter) for letter in "abce"}, {key("a")}, {"pc"})
    assert [p.name for p in wanted] == ["pb"]


def test_what_is_a_vendors_is_kept_back() -> None:
    packages = [Package(name, "1", key("a")) for name in ("zlib", "acfl", "intel-oneapi-runtime", "gcc-runtime")]
    assert [package.name for package in decide.kept_back(packages)] == ["acfl", "intel-oneapi-runtime"]
