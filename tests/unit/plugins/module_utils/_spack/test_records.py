"""A volume keeps what was chosen, and the log of the last installation that there was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._spack.records_api import keep


@pytest.mark.skipif(os.geteuid() != 0, reason="what is kept belongs to root")
def test_lock_and_log_are_copied_and_a_log_that_is_gone_stays(tmp_path: Path) -> None:
    lock, log, volume = tmp_path / "spack.lock", tmp_path / "install.log", tmp_path / ".petal"
    volume.mkdir()
    lock.write_text("{}")
    log.write_bytes(b"built \xff\n")
    environment = {"name": "one", "lock": str(lock), "log": str(log)}
    assert keep(str(volume), environment)
    assert not keep(str(volume), environment)
    log.unlink()
    lock.write_text("[]")
    assert keep(str(volume), environment)
    assert (volume / "spack.lock").read_text() == "[]"
    assert (volume / "logs" / "spack-one.log").read_bytes() == b"built \xff\n"
    assert (volume / "spack.lock").stat().st_mode & 0o777 == 0o644
