"""Programs in an unpacked image, whatever its links lead to."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._containers import mirror
from ansible_collections.petal.hpc.plugins.module_utils._containers.api import image
from ansible_collections.petal.hpc.plugins.module_utils._containers.model import Wanted
from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError


def wanted(*commands: str) -> Wanted:
    programs = {f"{number}/1": command for number, command in enumerate(commands)}
    return Wanted("bio", "1", "r.io/bio:1", "sha256:" + "ab" * 32, "x86_64", programs)


@pytest.fixture
def rootfs(tmp_path: Path) -> Path:
    root = tmp_path / "rootfs"
    (root / "usr/bin").mkdir(parents=True)
    (root / "opt").mkdir()
    (root / "usr/bin/tool").write_text("#!/bin/sh\n")
    (root / "usr/bin/tool").chmod(0o755)
    (root / "usr/bin/notes").write_text("text")
    (root / "bin").symlink_to("usr/bin")
    (root / "opt/absolute").symlink_to("/usr/bin/tool")
    (root / "opt/relative").symlink_to("../usr/../bin/tool")
    (root / "opt/loop").symlink_to("loop")
    (root / "opt/out").symlink_to("../../../../../../bin/sh")
    (root / "opt/host").symlink_to(tmp_path / "program")
    (tmp_path / "program").write_text("#!/bin/sh\n")
    (tmp_path / "program").chmod(0o755)
    return root


def test_links_lead_as_in_the_image(rootfs: Path) -> None:
    found = image.programs(rootfs, wanted("tool", "absolute", "relative", "/bin/tool"), "/opt:/bin")
    assert found == {
        "tool": "/bin/tool",
        "absolute": "/opt/absolute",
        "relative": "/opt/relative",
        "/bin/tool": "/bin/tool",
    }


@pytest.mark.parametrize("command", ["notes", "loop", "out", "host", "usr", "/usr/bin", "/usr/bin/tool/x", "nothing"])
def test_what_is_no_program_of_the_image(rootfs: Path, command: str) -> None:
    with pytest.raises(PetalError, match="has no program"):
        image.programs(rootfs, wanted(command), "/opt:/bin")


def test_a_host_without_the_tools_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(PetalError, match="it needs mksquashfs, skopeo, umoci, unsquashfs on the build host: install"):
        image.need_tools("it")


@pytest.mark.parametrize(("insecure", "sent"), [((), ["r.io/bio"]), (("r.io",), [])])
def test_no_login_goes_to_a_registry_without_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, insecure: Sequence[str], sent: list[str]
) -> None:
    monkeypatch.setattr(image, "need_tools", lambda *_given: None)
    monkeypatch.setattr(image, "MEMORY", str(tmp_path))
    seen: list[str] = []

    def skopeo(args: list[str], **options: Any) -> tuple[int, str, str]:
        given = args[args.index("--authfile") + 1]
        assert given in [f"/proc/self/fd/{descriptor}" for descriptor in options["pass_fds"]]
        # Killed here, nothing is left: the file has no name.
        assert list(tmp_path.glob("*")) == [tmp_path / "mirror"]
        seen.extend(json.loads(Path(given).read_text())["auths"])
        return 1, "", "connection refused"

    images = image.Images(skopeo, str(tmp_path), str(tmp_path), "nobody")
    with pytest.raises(PetalError, match="could not be fetched"):
        images.mirror(wanted(), image.Sources({"r.io/bio": "bGFiOng="}, insecure), tmp_path / "mirror")
    assert seen == sent


def test_what_a_killed_run_has_left_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "need_tools", lambda *_given: None)
    monkeypatch.setattr(f"{image.__name__}.Host.need_root", lambda *_given: None)
    there = tmp_path / "containers/images/sha256"
    (there / ".tmp-half.sqsh").parent.mkdir(parents=True)
    (there / ".tmp-half.sqsh").write_bytes(b"half")
    mirrored = tmp_path / "mirror/images/x86_64"
    (mirrored / ".tmp-half/blobs").mkdir(parents=True)
    (mirrored / "whole").mkdir()
    images = image.Images(lambda *_given, **_more: (1, "", "no route"), str(tmp_path), str(tmp_path / "c"), "nobody")
    with pytest.raises(PetalError):
        images.ensure(wanted(), image.Sources({}))
    with pytest.raises(PetalError):
        images.mirror(wanted(), image.Sources({}), tmp_path / "mirror")
    assert list(there.iterdir()) == []
    assert sorted(path.name for path in mirrored.iterdir()) == [".lock", "whole"]


def test_what_comes_from_a_mirror_is_what_is_meant(tmp_path: Path) -> None:
    """The manifest itself, or one of an index that has the digest."""
    manifest = b'{"layers": []}'
    index = json.dumps({"manifests": [{"digest": image._digest(manifest)}]}).encode()
    (tmp_path / "manifest.json").write_bytes(manifest)
    assert image._manifest(tmp_path, dataclasses.replace(wanted("tool"), digest=image._digest(manifest)))
    of_index = dataclasses.replace(wanted("tool"), digest=image._digest(index), image=f"r.io/a@{image._digest(index)}")
    (tmp_path / mirror.INDEX).write_bytes(index)
    assert image._manifest(tmp_path, of_index)
    for content in (b"", index + b" ", json.dumps({"manifests": []}).encode()):
        (tmp_path / mirror.INDEX).write_bytes(content)
        with pytest.raises(PetalError, match="was looked up for the fingerprint"):
            image._manifest(tmp_path, of_index)
