"""What a job leaves in AWX's database: few events, and no whole files in them.

An event is a row of a table that all jobs of a site write to, and lines that a browser draws. Each task is three of
them (that it starts, that it starts on a host, its result), a skipped one too, and a file that is included four. The
limits are what was measured, and a twentieth more: who passes one has added tasks that are skipped, an include, or a
result that nobody reads.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from job_events import WHY_NOT, Told, told
from kill_build import SEED

pytestmark = pytest.mark.skipif(WHY_NOT != "", reason=WHY_NOT)
#: Events and bytes of a playbook that builds two small environments, finds them, and so on.
LIMITS = {
    "build_volume": (368, 402_000),
    "hit": (66, 75_000),
    "deploy_cluster": (470, 557_000),
    "list_volumes": (42, 43_000),
}


def within(job: str, told: Told) -> None:
    events, size = LIMITS[job]
    assert told.run.rc == 0, told.run.output
    assert len(told.events) <= events, told.largest()
    assert told.size <= size, told.largest()
    assert len(told.events) > events / 2, "are these all of its events?"


def test_a_job_of_each_kind_stays_small(store: Path, tmp_path: Path) -> None:
    seed = tmp_path / "seed.yaml"
    seed.write_text(SEED.replace("/shared", "/petal-test"))
    given = {"seed": seed, "store": store}
    for job in ("build_volume", "hit", "deploy_cluster", "list_volumes"):
        playbook = "build_volume" if job == "hit" else job
        within(job, told(playbook, tmp_path / job, **({"store": store} if job == "list_volumes" else given)))
    assert told("delete_cluster", tmp_path / "delete", **given).run.rc == 0


def test_arguments_of_modules_are_told_to_who_asks_for_them(store: Path, tmp_path: Path) -> None:
    """They have whole files; Ansible's own callback shows them from -vvv on."""
    quiet, loud = (
        told("list_volumes", tmp_path / "quiet", store=store),
        told("list_volumes", tmp_path / "loud", "-vvv", store=store),
    )
    for found, there in ((quiet, False), (loud, True)):
        results = [event["event_data"].get("res") or {} for event in found.events]
        assert any("invocation" in result for result in results) is there
