"""What the integration tests share: reasons to skip, a store of their own, and a watch over what they leave behind."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playing import leftovers, loop_devices, mounts, play, why_not_mount

#: Seconds for which others may still hold a copy of a mount: namespaces that began while it was there.
PATIENCE = 120.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    """A store directory on a machine that can mount; what the test leaves mounted or attached fails it."""
    if reason := why_not_mount():
        pytest.skip(reason)
    yield tmp_path / "store"
    # A mount namespace that another lane began meanwhile has a copy of each mount.
    deadline = time.monotonic() + PATIENCE
    while left(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert left(tmp_path) == []


def left(directory: Path) -> list[str]:
    """What is mounted or attached of a test: others may use the machine at the same time."""
    return [line for line in mounts() | loop_devices() if str(directory) in line]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, Path], None]:
    """Put the snapshot of a seed into a store, for tests of what comes after: built once, and copied from then on."""
    made: dict[str, Path] = {}

    def put(seed: Path, store: Path) -> None:
        text = seed.read_text()
        if text not in made:
            place = tmp_path_factory.mktemp("built")
            done = play("build_volume", seed=seed, store=place)
            assert done.rc == 0, done.output
            assert leftovers(place) == []
            made[text] = place
        shutil.copytree(made[text] / "snapshots", store / "snapshots", dirs_exist_ok=True)

    return put
