"""Extra variables, and nothing of an inventory that has the same name."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from playing import ROOT, environment

PLAY = """\
- hosts: localhost
  gather_facts: false
  vars: {os: of the play}
  tasks:
    - ansible.builtin.copy:
        content: "{{ lookup('petal.hpc.extra_variables', 'os', 'region', 'name') | to_json }}"
        dest: "{{ playbook_dir }}/found.json"
        mode: "0600"
"""


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {}),
        (["-e", "os=rocky9", "-e", "store=/x"], {"os": "rocky9"}),
        (
            ["-e", '{"name": "bio-v1", "region": "{{ home }}", "home": "eu-west-1"}'],
            {"region": "eu-west-1", "name": "bio-v1"},
        ),
        (["-e", '{"name": "", "region": "{{ none_of_these }}", "os": null, "none_of_these": ""}'], {}),
        (["-e", '{"name": false, "region": [], "os": 0}'], {"name": False, "region": [], "os": 0}),
    ],
    ids=["none", "one", "a template", "questions without an answer", "answers that are little"],
)
def test_those_that_were_given(arguments: list[str], expected: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "play.yml").write_text(PLAY)
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "all.yml").write_text("{os: plan9, region: mars, name: host}\n")
    command = [Path(sys.executable).with_name("ansible-playbook"), tmp_path / "play.yml"]
    done = subprocess.run(
        [*map(str, command), *arguments], cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((tmp_path / "found.json").read_text()) == expected
