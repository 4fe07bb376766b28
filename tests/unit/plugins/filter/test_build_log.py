"""The doors to the logs of a build."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.petal.hpc.plugins.filter.build_log import build_log
from ansible_collections.petal.hpc.plugins.filter.build_log_places import build_log_places

SOFTWARE: dict[str, list[str]] = {"spack_packages": [], "build_from_source": []}
BUILD: dict[str, Any] = {
    "logs_dir": "/logs",
    "work_dir": "/w",
    "plan": {"volume": "build-1", "mount_dir": "/shared", "build_id": "b-1", "seed": {"software": SOFTWARE}},
    "snapshot": None,
    "lock": None,
    "answered": {},
}


def test_what_was_fetched_is_what_is_told() -> None:
    place = build_log_places(BUILD, ["builder"])
    assert (place["host"], place["here"], place["places"][0]) == ("builder", False, "/w/envs/build-1/install.log")
    # An item that was skipped, or failed, has no dest.
    told = build_log(["/w/a.log"], place, {"results": [{"dest": "/logs/b-1/builder/w/a.log"}, {"failed": True}]})
    assert told == {
        **place,
        "files": ["/logs/b-1/builder/w/a.log"],
        "lines": ["/logs/b-1/builder/w/a.log"],
        "said": "Its logs are on the controller, in /logs/b-1/builder/w.",
    }


def test_what_came_before_is_here() -> None:
    place = build_log_places(BUILD, [])
    assert (place["host"], place["here"], place["places"]) == ("localhost", True, ["/logs/b-1"])
    assert build_log(["/logs/b-1/h/a.log"], place)["files"] == ["/logs/b-1/h/a.log"]


@pytest.mark.parametrize("wrong", ["/a.log", None, 3])
def test_logs_are_a_list(wrong: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="takes a list of paths"):
        build_log(wrong, {})


@pytest.mark.parametrize("wrong", ["build-1", {"plan": {}}, {**BUILD, "more": 1}])
def test_a_build_is_whole(wrong: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="takes a mapping with logs_dir, work_dir, plan"):
        build_log_places(wrong, [])
