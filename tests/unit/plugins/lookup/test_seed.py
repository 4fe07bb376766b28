"""The seed that a run was given: a path may be a template, a text is none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from playing import ROOT, Run, environment

from ansible_collections.petal.hpc.plugins.plugin_utils.seed_file import SIZE_LIMIT

PLAY = """\
- hosts: localhost
  gather_facts: false
  vars:
    bound: "{{ lookup('petal.hpc.seed') }}"
    again: "{{ bound }}"
  tasks:
    - ansible.builtin.copy:
        content: "{{ [again, again | length > 0] | to_json }}"
        dest: "{{ playbook_dir }}/found.json"
        mode: "0600"
"""
HOSTILE = "cluster: {name: \"{{ lookup('ansible.builtin.env', 'HOME') }}\"}\n# {% raw %} {{ 6 * 7 }} {# no #}\n"


def played(directory: Path, variables: dict[str, Any], written: str = "") -> Run:
    """written: a file of variables as it stands."""
    (directory / "play.yml").write_text(PLAY)
    (directory / "given.yml").write_text(written or json.dumps(variables))
    command = [Path(sys.executable).with_name("ansible-playbook"), directory / "play.yml", "-e"]
    done = subprocess.run(
        [*map(str, command), f"@{directory / 'given.yml'}"],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    return Run(done.returncode, done.stdout + done.stderr)


def found(directory: Path) -> Any:
    return json.loads((directory / "found.json").read_text())


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ""),
        ({"seed": ""}, ""),
        ({"seed": None}, ""),
        ({"seed": "seeds/a.yaml"}, "seeds/a.yaml"),
        ({"seed": "seeds/a.yaml\n"}, "seeds/a.yaml"),
        ({"seed": "{{ where }}/a.yaml", "where": "/srv"}, "/srv/a.yaml"),
        ({"seed": HOSTILE}, HOSTILE),
        ({"seed": "{cluster: {name: '{{ 6 * 7 }}'}}"}, "{cluster: {name: '{{ 6 * 7 }}'}}"),
        ({"seed": "{{ own }}", "own": "a: b\nc: d\n"}, "a: b\nc: d\n"),
        ({"seed": "\n"}, "\n"),
    ],
)
def test_what_was_given(given: dict[str, Any], expected: str, tmp_path: Path) -> None:
    done = played(tmp_path, given)
    assert done.rc == 0, done.output
    assert found(tmp_path) == [expected, expected != ""]


def test_as_awx_writes_it(tmp_path: Path) -> None:
    """A text that may be a template has a tag there."""
    lines = "".join(f"  {line}\n" for line in HOSTILE.splitlines())
    done = played(tmp_path, {}, f"seed: !unsafe |\n{lines}")
    assert done.rc == 0, done.output
    assert found(tmp_path) == [HOSTILE, True]


def test_a_large_one_is_handed_on_to_who_refuses_it(tmp_path: Path) -> None:
    assert played(tmp_path, {"seed": "# x\n" * SIZE_LIMIT}).rc == 0
    assert len(found(tmp_path)[0]) == 4 * SIZE_LIMIT


@pytest.mark.parametrize("given", [{"cluster": {"name": "a"}}, ["a"], 5, True])
def test_what_is_no_text_is_one_clear_error(given: Any, tmp_path: Path) -> None:
    done = played(tmp_path, {"seed": given})
    assert done.rc == 2
    assert "seed: it is" in done.output
    assert "Expected one text: the path of the seed's file, or all of its YAML" in " ".join(done.output.split())


def test_it_takes_no_names(tmp_path: Path) -> None:
    (tmp_path / "names.yml").write_text(PLAY.replace("hpc.seed'", "hpc.seed', 'other'"))
    command = [Path(sys.executable).with_name("ansible-playbook"), tmp_path / "names.yml"]
    done = subprocess.run(
        list(map(str, command)), cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "petal.hpc.seed takes no names" in done.stdout + done.stderr
