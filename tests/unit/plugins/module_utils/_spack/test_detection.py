"""Spack's index of its packages is kept by their commit, and never outlives what it is of."""

from __future__ import annotations

import base64
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from git_repository import git

from ansible_collections.petal.hpc.plugins.module_utils._core.errors import PetalError
from ansible_collections.petal.hpc.plugins.module_utils._host.api import Host
from ansible_collections.petal.hpc.plugins.module_utils._spack.detection_api import Detection, Detector

NAME = "providers/builtin-specfile_v5-index.json"
#: Stands in for Spack: it makes its index where there is none that is younger than all recipes, and says so.
SPACK = """\
#!/bin/sh
index={index}/{name}
if [ ! -e $index ] || [ -n "$(find {packages} -name package.py -newer $index)" ]; then
    echo made >>{log}
    mkdir -p "${{index%/*}}"
    cat {packages}/*/package.py >$index
fi
echo "$*" >>{log}
umask 077
echo packages: >$SPACK_USER_CONFIG_PATH/packages.yaml
"""


def run(args: list[str], **_options: Any) -> tuple[int, str, str]:
    done = subprocess.run(args, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


class Volume:
    """A volume with a Spack and one recipe; all volumes of a test are on one host."""

    def __init__(self, directory: Path, recipe: str = "first") -> None:
        self.root, self.packages = directory / "spack", directory / "packages"
        self.own, self.result, self.log = directory / "own", directory / "result", directory / "log"
        for path in (self.root / "bin", self.own / "home", self.result, self.packages / "one"):
            path.mkdir(parents=True)
        self.recipe = self.packages / "one" / "package.py"
        self.recipe.write_text(recipe)
        self.index = self.own / "misc"
        text = SPACK.format(index=self.index, name=NAME, packages=self.packages, log=self.log)
        (self.root / "bin" / "spack").write_text(text)
        (self.root / "bin" / "spack").chmod(0o755)
        for place, what in ((self.root, None), (self.packages, "one")):
            git(place, "init", "--quiet")
            git(place, "add", *([what] if what else []))
            git(place, "commit", "--quiet", "--allow-empty", "--message=all")
            git(place, "checkout", "--quiet", "--detach")

    def detect(self, kept: Path | None, check: bool = False) -> dict[str, Any]:
        wanted = Detection(
            root=str(self.root),
            packages=str(self.packages),
            python="/usr/bin/python3",
            user="root",
            own=str(self.own),
            index=str(self.index),
            result=str(self.result),
            kept=str(kept or ""),
            tools=["cmake"],
        )
        return Detector(Host(run), wanted).detect(check)

    def said(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


QUESTION = "external find --scope=user --path=/usr/bin gcc cmake"


def test_the_first_volume_of_a_commit_makes_the_index_and_others_take_it(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    first, second = Volume(tmp_path / "first"), Volume(tmp_path / "second")
    made, taken = first.detect(kept), second.detect(kept)
    assert (made["index_reused"], taken["index_reused"]) == (False, True)
    assert (first.said(), second.said()) == (["made", QUESTION], [QUESTION])
    assert (second.index / NAME).read_text() == "first"
    assert base64.b64decode(taken["content"]) == b"packages:\n"
    assert (second.result / "packages.yaml").stat().st_mode & 0o777 == 0o644


def test_an_answer_that_is_there_is_not_asked_for_again(tmp_path: Path) -> None:
    volume = Volume(tmp_path / "first")
    assert volume.detect(tmp_path / "kept")["changed"]
    assert not volume.detect(tmp_path / "kept")["changed"]
    assert volume.said() == ["made", QUESTION]


def test_what_the_role_has_noted_beside_it_comes_with_it(tmp_path: Path) -> None:
    volume = Volume(tmp_path / "first")
    assert volume.detect(None)["clashes"] == []
    (volume.result / "clashes.json").write_text('{"one": "{name}"}')
    assert volume.detect(None)["clashes"] == {"one": "{name}"}


def test_another_commit_has_another_index(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    Volume(tmp_path / "first").detect(kept)
    other = Volume(tmp_path / "other", recipe="second")
    assert not other.detect(kept)["index_reused"]
    assert other.said() == ["made", QUESTION]
    assert len(list(kept.iterdir())) == 2


def test_of_a_checkout_that_somebody_has_changed_nothing_is_kept(tmp_path: Path) -> None:
    kept, volume = tmp_path / "kept", Volume(tmp_path / "first")
    volume.recipe.write_text("mine")
    volume.detect(kept)
    assert not kept.exists()


def test_what_is_changed_after_the_checkout_spack_reads_again(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    Volume(tmp_path / "first").detect(kept)
    volume = Volume(tmp_path / "second")
    later = time.time() + 1
    volume.recipe.write_text("mine")
    os.utime(volume.recipe, (later, later))
    assert volume.detect(kept)["index_reused"]
    assert volume.said() == ["made", QUESTION]
    assert (volume.index / NAME).read_text() == "mine"


def test_an_index_that_is_older_than_the_checkout_is_replaced(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    Volume(tmp_path / "first").detect(kept)
    volume = Volume(tmp_path / "second")
    (volume.index / "providers").mkdir(parents=True)
    (volume.index / NAME).write_text("of another checkout")
    os.utime(volume.index / NAME, (1, 1))
    assert volume.detect(kept)["index_reused"]
    assert (volume.index / NAME).read_text() == "first"


def test_a_link_in_the_place_of_an_index_leads_nowhere(tmp_path: Path) -> None:
    kept, other = tmp_path / "kept", tmp_path / "other"
    Volume(tmp_path / "first").detect(kept)
    other.write_text("somebody else's")
    volume = Volume(tmp_path / "second")
    (volume.index / "providers").mkdir(parents=True)
    (volume.index / NAME).symlink_to(other)
    volume.detect(kept)
    assert other.read_text() == "somebody else's"
    # Nor is what a link leads to ever kept.
    linked = Volume(tmp_path / "third", recipe="third")
    (linked.index / "providers").mkdir(parents=True)
    (linked.index / NAME).symlink_to(other)
    with pytest.raises(PetalError, match="link"):
        linked.detect(kept)


def test_where_others_can_write_nothing_is_taken_or_kept_and_it_is_said(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    kept.chmod(0o777)
    volume = Volume(tmp_path / "first")
    assert not volume.detect(kept)["index_reused"]
    assert not list(kept.iterdir())


def test_without_a_place_nothing_is_kept(tmp_path: Path) -> None:
    volume = Volume(tmp_path / "first")
    assert not volume.detect(None)["index_reused"]
    assert volume.said() == ["made", QUESTION]


def test_check_mode_asks_and_changes_nothing(tmp_path: Path) -> None:
    volume = Volume(tmp_path / "first")
    found = volume.detect(tmp_path / "kept", check=True)
    assert found == {"changed": True, "content": "", "clashes": [], "index_reused": False}
    assert volume.said() == []
    assert not (tmp_path / "kept").exists()


def test_a_spack_that_fails_says_why(tmp_path: Path) -> None:
    volume = Volume(tmp_path / "first")
    (volume.root / "bin" / "spack").write_text("#!/bin/sh\necho no python >&2\nexit 1\n")
    with pytest.raises(PetalError, match=r"asking Spack what is in /usr/bin.*no python"):
        volume.detect(tmp_path / "kept")
