"""On which hosts verify_cluster looks: what the plays before have learnt decides it, while the run goes on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from playing import ANSIBLE_PLAYBOOK, ROOT, finished

SITE = "[head]\nh1\n[compute]\nc1\n"
MADE = {"ansible.builtin.add_host": {"name": "bio-head", "groups": ["pcluster_head"]}}
UNREACHED = {"ansible.builtin.set_fact": {"pcluster_config_unreached": "Not verified: …"}}


def last_play(file: Path) -> dict[str, Any]:
    """The play that verifies, with another task."""
    play: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))[-1]
    name = {"ansible.builtin.debug": {"msg": "looked at {{ inventory_hostname }}"}}
    return {
        **play,
        "vars_files": [str(file.parent / "vars" / "extra_variables.json")],
        "become": False,
        "tasks": [name],
    }


@pytest.mark.parametrize(
    ("inventory", "learnt", "expected"),
    [
        ("", [], ["localhost"]),
        (SITE, [], ["h1"]),
        (SITE, [MADE], ["bio-head"]),
        ("", [UNREACHED], ["localhost"]),
        (SITE, [UNREACHED], ["localhost"]),
        ("[head]\n", [], ["localhost"]),
    ],
    ids=[
        "nothing",
        "a site's head",
        "a head that was made",
        "no way",
        "no way, beside a site's head",
        "an empty group",
    ],
)
def test_the_head_that_was_made_or_the_sites_own_or_who_says_that_nobody_looks(
    inventory: str, learnt: list[dict[str, Any]], expected: list[str], tmp_path: Path
) -> None:
    (tmp_path / "hosts.ini").write_text(inventory)
    before = {"hosts": "localhost", "gather_facts": False, "tasks": learnt}
    plays = [before, last_play(ROOT / "playbooks" / "verify_cluster.yml")]
    (tmp_path / "play.yml").write_text(yaml.safe_dump(plays))
    run = finished([str(ANSIBLE_PLAYBOOK), "-i", str(tmp_path / "hosts.ini"), str(tmp_path / "play.yml")])
    assert run.rc == 0, run.output
    assert re.findall(r"msg.*looked at ([\w-]+)", run.output) == expected
