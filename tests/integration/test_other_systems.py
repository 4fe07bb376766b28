"""Software for another system is deployed nowhere: each node is compared before anything is mounted."""

from __future__ import annotations

import platform
import re
import sys
from pathlib import Path

import pytest
from playing import play
from stored import put

from ansible_collections.petal.hpc.plugins.plugin_utils.controller import this_host

OTHER = "rocky9" if not re.match("rhel|rocky|almalinux|ol", this_host().os) else "debian12"
FOREIGN = "arm64" if platform.machine() != "aarch64" else "x86_64"


@pytest.mark.parametrize("inventory", [False, True])
@pytest.mark.parametrize(
    ("system", "says"),
    [
        (f"os: {OTHER}", f"its operating system is {this_host().os}, not {OTHER}"),
        (f"architecture: {FOREIGN}", f"its architecture is {this_host().architecture}, not {FOREIGN}"),
    ],
)
def test_a_node_of_another_system_is_refused(
    store: Path, tmp_path: Path, system: str, says: str, inventory: bool
) -> None:
    seed = tmp_path / "seed.yaml"
    seed.write_text(
        f"cluster: {{name: other, provider: local, {system}}}\n"
        "shared_storage: [{name: software, mount_dir: /petal-other}]\n"
        'software: {python_environments: [{name: py, packages: ["six==1.17.0"]}]}\n'
    )
    fingerprint = re.findall(r"sha256:[0-9a-f]{64}", play("validate_seed", seed=seed).output)[-1]
    wanted = {"os": OTHER} if system.startswith("os") else {"architecture": FOREIGN}
    put(store, b"of no volume", fingerprint=fingerprint, name="other", **{"os": this_host().os, **wanted})
    hosts = tmp_path / "hosts.ini"
    local = f"ansible_connection=local ansible_python_interpreter={sys.executable}"
    hosts.write_text(f"[head]\nnode1 {local}\n[compute]\nnode1\n")
    options = ["-i", str(hosts)] if inventory else []
    done = play("deploy_cluster", *options, seed=seed, store=store)
    assert done.rc != 0
    node = "node1" if inventory else "localhost"
    assert f"The software of other cannot be used on {node}: {says}" in done.output
    assert not list(store.glob("volumes/*"))
    assert not Path("/petal-other").exists()
