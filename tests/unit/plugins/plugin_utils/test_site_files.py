"""What a seed names beside it: read where it lies, and nowhere else."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import SeedError
from ansible_collections.petal.hpc.plugins.plugin_utils import seed_info

HELP = "help([[{{ a }} tool]])\n"


def described(directory: Path, *modules: str) -> dict[str, Any]:
    seed = directory / "seed.yaml"
    seed.write_text(
        "cluster: {name: bio, provider: local, os: rocky9, architecture: x86_64}\n"
        f"software:\n  modules: [{', '.join(modules)}]\n"
    )
    return seed_info.describe({"path": str(seed)}, "/")


def refused(directory: Path, *modules: str) -> str:
    with pytest.raises(SeedError) as caught:
        described(directory, *modules)
    return str(caught.value)


def test_modulefiles_come_with_the_plan(tmp_path: Path) -> None:
    (tmp_path / "site" / "other").mkdir(parents=True)
    (tmp_path / "site" / "tool-1.0.lua").write_text(HELP)
    (tmp_path / "site" / "other" / "2").write_text("#%Module\n")
    found = described(tmp_path, "site/tool-1.0.lua", "site/other/2")
    assert found["plan"]["modulefiles"]["layout"] == {
        "modules/Core/tool/1.0.lua": {"content": HELP},
        "modules/Core/other/2": {"content": "#%Module\n"},
    }
    assert [entry["load"] for entry in found["plan"]["modulefiles"]["modules"]] == [["tool/1.0"], ["other/2"]]
    digest = f"sha256:{hashlib.sha256(HELP.encode()).hexdigest()}"
    assert found["fingerprint_input"]["modules"]["tool/1.0.lua"] == digest
    assert found["unresolved"] == []


def test_they_count_by_name_and_content_and_not_by_place(tmp_path: Path) -> None:
    for name in ("a/tool/1.0.lua", "b/tool-1.0.lua", "b/tool-1.1.lua"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(HELP)
    first = described(tmp_path, "a/tool/1.0.lua")["fingerprint"]
    assert described(tmp_path, "b/tool-1.0.lua")["fingerprint"] == first
    assert described(tmp_path, "b/tool-1.1.lua")["fingerprint"] != first
    assert described(tmp_path)["fingerprint"] != first
    (tmp_path / "a/tool/1.0.lua").write_text(HELP + "-- more\n")
    assert described(tmp_path, "a/tool/1.0.lua")["fingerprint"] != first


def test_what_is_missing_or_none_is_named_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "text-1.lua").write_text("Dear all\n")
    (tmp_path / "dir-1.lua").mkdir()
    os.mkfifo(tmp_path / "pipe-1.lua")
    said = refused(tmp_path, "gone-1.lua", "text-1.lua", "dir-1.lua", "pipe-1.lua", "text-1.lua/2.lua")
    assert "software.modules[0] (line 3): there is no such file" in said
    assert f"it is looked for in {tmp_path}" in said
    assert "software.modules[1] (line 3): it is no modulefile: it calls no function of Lmod" in said
    assert "software.modules[2] (line 3): dir-1.lua is no file" in said
    assert "software.modules[3] (line 3): pipe-1.lua is no file" in said
    assert "software.modules[4] (line 3): text-1.lua is a link, or no directory" in said


def test_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "tool-1.lua").write_text(HELP)
    (tmp_path / "tool-2.lua").symlink_to("elsewhere/tool-1.lua")
    (tmp_path / "linked").symlink_to("elsewhere")
    said = refused(tmp_path, "tool-2.lua", "linked/tool-1.lua")
    assert "tool-2.lua is a link, or no file" in said
    assert "linked is a link, or no directory" in said
