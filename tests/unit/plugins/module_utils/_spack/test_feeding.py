# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said of a build cache that gets each package as it finishes."""

from __future__ import annotations

from typing import Any

from ansible_collections.petal.hpc.plugins.module_utils._spack.feeding import BEGUN, Fed, Feed
from ansible_collections.petal.hpc.plugins.module_utils._spack.model import Node


def status(**more: Any) -> dict[str, Any]:
    told: dict[str, Any] = {"pushed": ["a", "b"], "already": 1, "bytes": 2048, "seconds": 3.4, "longest": 2.0}
    return {**told, "failed": {}, "left": [], **more}


def test_what_a_vendor_does_not_let_anybody_hand_on_stays() -> None:
    nodes = [Node(name, "1", name) for name in ("zlib", "nvhpc")]
    assert Feed("site", ("gromacs",)).stays(nodes) == ["gromacs", "nvhpc"]
    assert Feed.checked(None) is None
    assert Feed.checked({"mirror": "site", "exclude": ["x"]}) == Feed("site", ("x",))


def test_all_that_was_finished_is_there() -> None:
    fed = Fed.read("site", status())
    assert fed.problem() == ""
    assert fed.line() == "to build cache site: 2 packages (2.0 KiB) in 3 s, as each finished; 1 were there"
    assert fed.kept() == "3 finished packages are in build cache site: the next build takes them from there."
    assert fed.to_dict()["longest"] == 2.0


def test_what_could_not_be_pushed_is_counted_with_the_first_reason() -> None:
    fed = Fed.read("site", status(failed={"c": "ClientError: AccessDenied", "d": "other"}, left=["e"]))
    assert fed.problem() == "3 of 6 finished packages were not pushed to build cache site: ClientError: AccessDenied"
    assert fed.problem() in fed.line()
    ended = Fed.read("site", status(left=["e"]))
    assert ended.problem().endswith("were not pushed to build cache site, as the installation was ended before")


def test_nothing_is_said_of_nothing() -> None:
    nothing = Fed.read("site", {})
    assert (nothing.problem(), nothing.kept()) == ("", "")
    assert nothing.line() == "to build cache site: nothing new"
    one = Fed.read("site", status(pushed=["a"], already=0))
    assert one.kept() == "1 finished package is in build cache site: the next build takes it from there."


def test_a_cache_that_spack_does_not_know_is_said() -> None:
    fed = Fed.read("site", {"problem": "ValueError: no mirror named site"})
    assert fed.problem() == "No package was pushed to build cache site: ValueError: no mirror named site"


def test_what_was_ended_before_it_was_through_does_not_count_as_all() -> None:
    assert not Fed.read("site", BEGUN, running=True).problem()
    assert not Fed.read("site", status(over=True)).problem()
    for noted in (BEGUN, status(over=False)):
        fed = Fed.read("site", noted)
        assert fed.to_dict()["cut"]
        assert fed.problem().startswith("Nobody knows whether all finished packages are in build cache site")
        assert fed.problem() in fed.line()
    assert Fed.read("site", status(over=False, left=["e"])).problem().startswith("1 of 4 finished packages")
