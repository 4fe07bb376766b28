"""What the integration tests share: reasons to skip, a store of their own, and a watch over what they leave behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playing import loop_devices, mounts


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    """A store directory on a machine that can mount; what the test leaves mounted or attached fails it."""
    if os.geteuid() != 0:
        pytest.skip("loop devices and mounts need root")
    if not Path("/dev/loop-control").exists():
        pytest.skip("this kernel has no loop devices")
    yield tmp_path / "store"
    # Only what belongs to this test: others may use the machine at the same time.
    assert [line for line in mounts() | loop_devices() if str(tmp_path) in line] == []
