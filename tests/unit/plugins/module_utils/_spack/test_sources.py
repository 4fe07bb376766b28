# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sources that are looked for before anything is built: what counts as missing, and how it is said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._aws.keep import SOFTWARE, cause_of
from ansible_collections.petal.hpc.plugins.module_utils._spack.scripts import sources as script
from ansible_collections.petal.hpc.plugins.module_utils._spack.scripts.sources import FOUND, MISSING, UNKNOWN, Answer
from ansible_collections.petal.hpc.plugins.module_utils._spack.sources import (
    MOST,
    for_users_message,
    missing_message,
    unknown_message,
)

GONE = Answer("404 Not Found")
TROUBLE = Answer("503 Service Unavailable", sure=False)


class Answering:
    """Answers by URL, and remembers what it was asked."""

    def __init__(self, answers: Mapping[str, Answer | None], offline: bool = False) -> None:
        self._answers = answers
        self.offline = offline
        self.asked: list[str] = []

    def why_not(self, place: script.Place) -> Answer | None:
        self.asked.append(place.url)
        return self._answers[place.url]


def wanted(*urls: str, **more: Any) -> script.Wanted:
    """The last one is the recipe's own."""
    places = [script.Place(url, url == urls[-1]) for url in urls]
    return script.Wanted("zlib", "1.3", "source", places, **more)


def test_the_first_place_that_has_it_ends_the_search() -> None:
    asker = Answering({"file:///mirror/x": None})
    assert script.look(wanted("file:///mirror/x", "https://up/x"), asker) == FOUND  # type: ignore[arg-type]
    assert asker.asked == ["file:///mirror/x"]


@pytest.mark.parametrize(
    ("answer", "offline", "where"),
    [(GONE, False, MISSING), (GONE, True, MISSING), (TROUBLE, False, UNKNOWN), (TROUBLE, True, MISSING)],
)
def test_a_server_in_trouble_may_have_it_unless_there_is_no_network(answer: Answer, offline: bool, where: str) -> None:
    one = wanted("file:///mirror/x", "https://u:p@up/x?key=1")
    asker = Answering({"file:///mirror/x": Answer("not there"), "https://u:p@up/x?key=1": answer}, offline)
    assert script.look(one, asker) == where  # type: ignore[arg-type]
    assert one.looked == [f"https://up/x ({answer.reason})"]
    assert bool(one.unknown) == (where == UNKNOWN)


def test_what_has_a_way_that_nobody_can_try_is_unknown() -> None:
    asker = Answering({"file:///mirror/x": Answer("not there")})
    assert script.look(wanted("file:///mirror/x", unknown="Svn"), asker) == UNKNOWN  # type: ignore[arg-type]


def test_where_versions_are_listed_is_spacks_last_resort() -> None:
    def none() -> list[Any]:
        return []

    def broken() -> list[Any]:
        raise ValueError("a page that is none")

    for search in (none, broken):
        asker = Answering({"https://up/x": GONE})
        assert script.look(wanted("https://up/x", search=search), asker) == MISSING  # type: ignore[arg-type]


def test_who_is_still_at_it_at_the_end_has_no_answer() -> None:
    everything = [wanted("file:///x"), wanted("file:///y")]
    asker = Answering({"file:///x": None, "file:///y": Answer("not there")})
    assert script.look_all(everything, asker, 30) == {0: FOUND, 1: MISSING}  # type: ignore[arg-type]
    # One that fails in a way that nobody thought of is no end of the others.
    assert script.look_all([wanted("file:///z"), everything[0]], asker, 30) == {0: UNKNOWN, 1: FOUND}  # type: ignore[arg-type]


def answer(number: int) -> dict[str, Any]:
    missing = [
        {"package": f"p{count}", "version": "1", "what": "patch", "looked": ["https://up/a (404)"], "unknown": ""}
        for count in range(number)
    ]
    return {"missing": missing, "unknown": [], "count": 99, "mirrors": []}


def test_all_that_is_missing_in_one_message() -> None:
    message = missing_message(answer(2), "node1")
    assert message.splitlines()[:3] == [
        "2 of the 99 sources that are to be built are nowhere to be had from node1, so nothing was begun:",
        "    p0@1 (patch): https://up/a (404)",
        "    p1@1 (patch): https://up/a (404)",
    ]
    assert "no mirror of sources is known here" in message
    assert "Put them into a mirror" in message
    assert "is nowhere to be had" in missing_message({**answer(1), "mirrors": ["file:///m"]}, "node1")
    # Nothing of it is worth a host that waits.
    assert cause_of(message, installing=True) == SOFTWARE


def test_the_message_is_bounded() -> None:
    assert f"and {7} more" in missing_message(answer(MOST + 7), "node1")
    long = {"package": "p", "version": "1", "what": "source", "looked": ["x" * 9000], "unknown": "y" * 9000}
    assert max(map(len, missing_message({**answer(0), "missing": [long]}, "n").splitlines())) < 450
    assert unknown_message([long]).startswith(
        "Whether these sources can be had is seen only when they are fetched: p@1: yyy"
    )
    assert len(unknown_message([long])) < 600


def test_what_only_users_lack_is_said() -> None:
    said = for_users_message(["compiler-wrapper@1.1.0"], "host")
    assert said.startswith("compiler-wrapper@1.1.0 is in no binary cache, and its source is nowhere to be had from")
