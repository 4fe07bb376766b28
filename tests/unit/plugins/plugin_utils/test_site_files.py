"""What a seed names beside it: read where it lies, and nowhere else."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._seed.errors import SeedError
from ansible_collections.petal.hpc.plugins.module_utils._spack.recipes import digest
from ansible_collections.petal.hpc.plugins.plugin_utils import seed_info, site_files

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


def recipes(directory: Path) -> Path:
    home = directory / "site" / "recipes"
    (home / "packages" / "my_tool").mkdir(parents=True)
    (home / "repo.yaml").write_text("repo:\n  namespace: site_lab\n  api: v2.0\n")
    (home / "packages" / "my_tool" / "package.py").write_text("class MyTool: pass  # {{ no }}\n")
    (home / "packages" / "my_tool" / "fix.patch").write_text("--- a\n+++ b\n")
    return home


def with_recipes(directory: Path, *specs: str) -> dict[str, Any]:
    seed = directory / "seed.yaml"
    seed.write_text(
        "cluster: {name: bio, provider: local, os: rocky9, architecture: x86_64}\n"
        f"software:\n  spack_packages: [{', '.join(specs)}]\n  spack: {{repos: [{{path: site/recipes}}]}}\n"
    )
    return seed_info.describe({"path": str(seed)}, "/")


def test_recipes_count_by_their_patches_too_and_not_by_what_git_keeps(tmp_path: Path) -> None:
    home = recipes(tmp_path)
    found = with_recipes(tmp_path, "my-tool", "zlib")
    (entry,) = found["plan"]["recipes"]
    assert (entry["directory"], entry["name"]) == (str(home), entry["digest"].removeprefix("sha256:"))
    # As the role spack digests a directory on a host.
    listed = [
        {"path": str(p), "checksum": hashlib.sha256(p.read_bytes()).hexdigest()} for p in home.rglob("*") if p.is_file()
    ]
    assert entry["digest"] == digest(listed, str(home))
    assert found["warnings"] == []
    assert (
        site_files.layout(entry["directory"], entry["digest"])["packages/my_tool/fix.patch"]["content"]
        == "--- a\n+++ b\n"
    )
    (home / ".git").mkdir()
    (home / ".git" / "HEAD").write_text("ref: x")
    assert with_recipes(tmp_path, "my-tool", "zlib")["fingerprint"] == found["fingerprint"]
    (home / "packages" / "my_tool" / "fix.patch").write_text("--- a\n+++ c\n")
    assert with_recipes(tmp_path, "my-tool", "zlib")["fingerprint"] != found["fingerprint"]
    with pytest.raises(PetalError, match="has been changed since the seed was read"):
        site_files.layout(entry["directory"], entry["digest"])
    # Without a recipe a package is unknown as ever.
    assert "no package my-tol" in with_recipes(tmp_path, "my-tol")["warnings"][0]


def test_directories_that_are_no_recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def said() -> str:
        with pytest.raises(SeedError) as caught:
            with_recipes(tmp_path)
        return str(caught.value)

    assert "there is no such directory" in said()
    (tmp_path / "site" / "recipes").mkdir(parents=True)
    assert "has no repository of Spack's recipes: expected repo.yaml" in said()
    (tmp_path / "site" / "recipes").rmdir()
    home = recipes(tmp_path)
    (home / "repo.yaml").write_text("repo: {}\n")
    assert "names no namespace" in said()
    (home / "repo.yaml").write_text("repo: {namespace: builtin}\n")
    assert "the namespace builtin" in said()
    (home / "repo.yaml").write_text("repo: {namespace: lab, api: v2.0}\n")
    (home / "packages" / "linked").symlink_to("/etc")
    assert "packages/linked is a link" in said()
    (home / "packages" / "linked").unlink()
    (home / "tool.tar").write_bytes(b"\xff\xfe")
    assert "tool.tar is not UTF-8 text" in said()
    (home / "tool.tar").unlink()
    monkeypatch.setattr(site_files, "RECIPES_FILES", 2)
    assert "it holds more than 2 files" in said()
