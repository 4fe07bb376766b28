from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._buildcache import decide, history
from ansible_collections.petal.hpc.plugins.module_utils._buildcache.model import BuildcacheError, Contents, sort_listing
from ansible_collections.petal.hpc.plugins.module_utils._objects.model import Item

NOW = 1_796_054_400.0
FOUND: dict[str, Any] = {
    "hit_count": 3,
    "miss_count": 2,
    "refused_count": 1,
    "hit_bytes": 1000,
    "misses": [{"name": "zlib", "version": "1.3.1"}, {"name": "bwa", "version": "0.7.17"}],
}


def test_a_line_is_read_as_it_was_written() -> None:
    line = history.line_of(FOUND, "build", "sha256:ab", NOW)
    assert (line.when, line.missing) == ("2026-11-30T16:00:00Z", ("bwa@0.7.17", "zlib@1.3.1"))
    assert history.parse_line(history.line_text(line), "x") == line
    path = history.line_path("bio", "build", NOW, "0123abcd")
    assert path == "petal/history/bio/20261130T160000Z-build-0123abcd.json"
    assert history.last_builds([path]) == {"bio": NOW}


def test_the_lines_of_one_seed_the_oldest_first() -> None:
    later, first = (history.line_path("bio", "status", NOW + n, "0" * 8) for n in (60, 0))
    other = history.line_path("bio-2", "build", NOW, "0" * 8)
    wrong = ["petal/history/bio/../x.json", "petal/history/bio/20261130T160000Z-build-zz.json", "petal/seeds/bio.json"]
    assert history.paths_of([later, *wrong, other, first], "bio") == [first, later]
    never = "petal/history/bio/20261399T160000Z-build-00000000.json"
    assert history.last_builds([never, first, later, other]) == {"bio-2": NOW}, "to look is not to build"
    with pytest.raises(BuildcacheError, match="is no name of a seed"):
        history.line_path("../x", "build", NOW, "0" * 8)


@pytest.mark.parametrize(
    "changes",
    [
        *({"hits": -1}, {"hits": True}, {"misses": "2"}, {"size": 1 << 60}, {"refused": None}),
        *({"when": "yesterday"}, {"by": "me"}, {"fingerprint": "\x1b[31m"}, {"fingerprint": 3}),
        *({"missing": ["no version"]}, {"missing": ["a@1"] * 1001}, {"missing": [1]}, {"missing": 3}),
    ],
)
def test_a_line_that_somebody_made_up_is_refused(changes: dict[str, Any]) -> None:
    good = json.loads(history.line_text(history.line_of(FOUND, "status", "", NOW)))
    with pytest.raises(BuildcacheError, match="there cannot be read"):
        history.parse_line(json.dumps({**good, **changes}), "there")
    for text in ("", "[]", "{", "null"):
        with pytest.raises(BuildcacheError, match="cannot be read"):
            history.parse_line(text, "there")


def test_what_is_no_result_is_noted_nowhere() -> None:
    with pytest.raises(BuildcacheError, match="is not what spack_buildcache_info returns for a lock"):
        history.line_of({"changed": False}, "build", "", NOW)


def test_what_was_missing_more_than_once() -> None:
    lines = [
        {"missing": ["zlib@1.3", "bwa@1"]},
        {"missing": ["zlib@1.4", "zlib@1.5"]},
        {"missing": ["bwa@1", "zlib@1"]},
    ]
    assert history.often_missing(lines) == [{"name": "zlib", "times": 3}, {"name": "bwa", "times": 2}]
    assert history.often_missing(lines[:1]) == []


def cache(*items: tuple[str, float]) -> Contents:
    return sort_listing(Item(path, 10, modified) for path, modified in items)


def test_a_seed_that_nobody_builds_is_unused() -> None:
    day = 86400
    old = NOW - 200 * day
    line = history.line_path("built", "build", NOW - day, "0" * 8)
    looked = history.line_path("looked", "status", NOW - day, "0" * 8)
    notes = [(f"petal/seeds/{name}.json", old) for name in ("built", "built-compiler", "looked", "old", "x-compiler")]
    found = cache(*notes, ("petal/seeds/new.json", NOW), (line, NOW), (looked, NOW))
    assert decide.unused(found, NOW - 90 * day) == ["looked", "old", "x-compiler"]
    assert decide.unused(found, NOW - 300 * day) == []
