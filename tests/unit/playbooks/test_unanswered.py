"""A job template of AWX passes an empty text for each question that nobody answered: it is as if nothing was given."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from playing import ROOT, environment

from ansible_collections.petal.hpc.plugins.module_utils._run.variables import EXTRA_VARIABLES

BINDINGS = ROOT / "playbooks" / "vars" / "extra_variables.json"
PLAY = f"""\
- hosts: localhost
  gather_facts: false
  vars_files: ["{BINDINGS}"]
  tasks:
    - ansible.builtin.copy:
        content: "{{{{ dict(names | zip(lookup('ansible.builtin.vars', *names, wantlist=true))) | to_json }}}}"
        dest: "{{{{ playbook_dir }}}}/found.json"
        mode: "0600"
"""


def bound(directory: Path, given: dict[str, Any]) -> dict[str, Any]:
    """What the playbooks make of extra variables."""
    (directory / "play.yml").write_text(PLAY)
    names = [name for name in json.loads(BINDINGS.read_text()) if name != "petal_of_one_run"]
    variables = json.dumps({**given, "names": names})
    command = [str(Path(sys.executable).with_name("ansible-playbook")), str(directory / "play.yml"), "-e", variables]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "DEPRECATION" not in done.stdout + done.stderr, done.stdout + done.stderr
    found: dict[str, Any] = json.loads((directory / "found.json").read_text())
    return found


def test_an_empty_text_was_not_given(tmp_path: Path) -> None:
    nothing = bound(tmp_path, {})
    assert nothing["petal_provider"] == "local"
    assert nothing["volume_build_keep_on_failure"] is False
    assert nothing["cluster_switch_timeout"] == 86400
    unanswered = bound(tmp_path, dict.fromkeys(EXTRA_VARIABLES, ""))
    assert {name: value for name, value in unanswered.items() if value != nothing[name]} == {}


def test_what_is_little_was_given(tmp_path: Path) -> None:
    found = bound(
        tmp_path,
        {"switch_timeout": 0, "build_farm_options": [], "older_than": 0, "force": False, "region": "eu-west-1"},
    )
    assert (found["cluster_switch_timeout"], found["volume_build_older_than"]) == (0, 0)
    assert found["software_volume_build_farm"]["options"] == []
    assert found["petal_provider"] == "aws"
    assert found["snapshots_force"] is False
