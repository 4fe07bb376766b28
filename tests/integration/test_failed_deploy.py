"""A deployment that fails half-way leaves the host as it was: nothing mounted, or what was mounted before."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from kill_build import SEED
from playing import command, finished, leftovers

#: In a mount namespace of its own: the mount directory, what boot mounts there, and what shells read.
LOOK = """
findmnt --noheadings --output SOURCE /petal-test || echo nothing is mounted
grep -c ' /petal-test ' /etc/fstab || :
ls /etc/profile.d | grep -c petal || :
"""


@pytest.fixture
def seeds(store: Path, tmp_path: Path, built: Callable[[Path, Path], None]) -> list[Path]:
    """Two versions of one stack, built."""
    made = []
    for version in ("25.0", "24.2"):
        seed = tmp_path / f"seed-{version}.yaml"
        seed.write_text(SEED.replace("/shared", "/petal-test").replace("25.0", version))
        built(seed, store)
        made.append(seed)
    return made


class Script:
    """Steps that are run in one mount namespace: what is mounted in it, and made read-only, nobody else sees."""

    def __init__(self, store: Path) -> None:
        self.store = store
        self.lines: list[str] = []

    def sh(self, text: str) -> None:
        self.lines.append(text)

    def play(self, playbook: str, seed: Path) -> None:
        self.sh(shlex.join(command(playbook, seed=seed, store=self.store)) + ' && echo "rc=0" || echo "rc=$?"')

    def look(self) -> None:
        self.sh("echo LOOK; " + LOOK.strip().replace("\n", "; ") + "; echo SEEN")

    def run(self) -> tuple[str, list[list[str]]]:
        """All that is said, and what was seen at each look."""
        script = "\n".join(self.lines)
        done = finished(["unshare", "--mount", "--propagation", "private", "sh", "-c", script])
        looks = [part.split("SEEN\n")[0].strip().splitlines() for part in done.output.split("LOOK\n")[1:]]
        return done.output, looks


@pytest.mark.parametrize("read_only", ["/etc", "/etc/profile.d"])
def test_where_etc_cannot_be_written_nothing_stays_mounted(read_only: str, store: Path, seeds: list[Path]) -> None:
    """Neither fstab nor the profile: the first has the volume mounted already, the second is written last."""
    first, second = seeds
    script = Script(store)
    script.sh(f"mount --bind {read_only} {read_only}")
    script.sh(f"mount -o remount,bind,ro {read_only}")
    script.play("deploy_cluster", first)
    script.look()
    script.sh(f"umount {read_only}")
    script.play("deploy_cluster", first)
    script.look()
    script.sh(f"mount --bind {read_only} {read_only}")
    script.sh(f"mount -o remount,bind,ro {read_only}")
    # Where the profile is there already, nothing is to be written: a node that lacks what its software needs fails too.
    script.sh("mount --bind /dev/null /usr/share/lmod/lmod/libexec/lmod")
    script.play("deploy_cluster", second)
    script.look()
    script.play("deploy_cluster", first)
    script.look()
    script.sh(f"umount /usr/share/lmod/lmod/libexec/lmod; umount {read_only}")
    script.play("deploy_cluster", second)
    script.look()
    script.play("delete_cluster", second)
    output, looks = script.run()
    codes = [line == "rc=0" for line in output.splitlines() if line.startswith("rc=")]
    assert codes == [False, True, False, False, True, True], output
    nothing, one, back, still, two = looks
    assert nothing == ["nothing is mounted", "0", "0"], output
    assert "Nothing was in use, and nothing is mounted." in output
    assert one[1:] == ["1", "2"] and one[0].startswith("/dev/loop"), output
    assert back[1:] == ["1", "2"] and back[0].startswith("/dev/loop"), output
    assert "is mounted again." in output
    assert still == back, output
    assert "is still in use." in output
    assert two[1:] == ["1", "2"], output
    assert "Traceback" not in output
    assert leftovers(store) == []
    assert "/petal-test" not in Path("/etc/fstab").read_text()
    assert not Path("/etc/profile.d/z00_petal.sh").exists()
    Path("/petal-test").rmdir()
