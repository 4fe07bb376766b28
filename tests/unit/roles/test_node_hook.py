"""The node hook and its bootstrap as shell scripts: clean, and no value reaches the shell unquoted."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from playing import ROOT

SHELLCHECK = Path(sys.executable).with_name("shellcheck")
PLAIN: dict[str, Any] = {
    "software_volume_mount_dir": "/shared",
    "software_volume_lmod_init": {"sh": "/shared/lmod/lmod/init/sh"},
    "software_volume_requires": [{"path": "/usr/bin/python3.12", "reason": "an environment uses it"}],
    "pcluster_config_software": {"mount_dir": "/shared"},
    "pcluster_config_hook_arguments": ["--user", "researcher1:5001:5001", "--s3-mount", "lab-data:/data:ro"],
}
#: What would run if it reached a shell: it makes the file that EVIL names.
EVIL = "/x'; touch EVIL; $(touch EVIL) `touch EVIL` \"\\ & | * #"
HOOK = "software_volume/templates/petal-node-setup.j2"
BOOTSTRAP = "pcluster_config/templates/petal-node-bootstrap.j2"


def render(template: str, **variables: Any) -> str:
    """A template of a role as Ansible renders it, as far as these need it."""
    loader = FileSystemLoader(ROOT / "roles")
    # A shell script is no web page.
    environment = Environment(loader=loader, trim_blocks=True, undefined=StrictUndefined, keep_trailing_newline=True)
    environment.filters["quote"] = shlex.quote
    return environment.get_template(template).render({**PLAIN, **variables})


def evil(file: Path) -> dict[str, Any]:
    value = EVIL.replace("EVIL", str(file))
    return {
        "software_volume_mount_dir": value,
        "software_volume_lmod_init": {"sh": value},
        "software_volume_requires": [{"path": value, "reason": value}],
        "pcluster_config_software": {"mount_dir": value},
        "pcluster_config_hook_arguments": [value],
    }


@pytest.mark.parametrize("template", [HOOK, BOOTSTRAP])
def test_shellcheck_finds_nothing(template: str) -> None:
    done = subprocess.run(
        [SHELLCHECK, "--shell=sh", "-"], input=render(template), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("template", [HOOK, BOOTSTRAP])
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_no_value_is_run(template: str, shell: str, tmp_path: Path) -> None:
    script, made = tmp_path / "script", tmp_path / "made"
    script.write_text(render(template, **evil(made)))
    # --root: whatever it does is done below there. The bootstrap finds no volume.
    arguments = ["--root", str(tmp_path / "root")] if template == HOOK else []
    done = subprocess.run(
        [shell, str(script), *arguments],
        env={"PATH": "/usr/bin:/bin", "PETAL_WAIT": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "/x'; touch" in done.stderr
    assert not made.exists()


def test_the_bootstrap_hands_everything_on(tmp_path: Path) -> None:
    hook = tmp_path / "a b" / "bin" / "petal-node-setup"
    hook.parent.mkdir(parents=True)
    hook.write_text('#!/bin/sh\nprintf "<%s>" "$@"\n')
    hook.chmod(0o755)
    script = render(
        BOOTSTRAP,
        pcluster_config_software={"mount_dir": str(tmp_path / "a b")},
        pcluster_config_hook_arguments=["--user", "$(id) 'x"],
    )
    done = subprocess.run(["sh", "-s", "revision"], input=script, capture_output=True, text=True, check=True)
    assert done.stdout == "<--install><--user><$(id) 'x>"
