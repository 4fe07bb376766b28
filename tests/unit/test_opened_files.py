"""Who opens files by their paths: what others can write is opened by _host/below alone, which follows no link.

A file that opens anything else stands here with whose files it opens. One that is new has to say so, or use ``below``.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from playing import ROOT

#: Ways to open a file by its path.
WAYS = {"open", "read_bytes", "read_text", "write_bytes", "write_text"}
KERNEL = "what the kernel tells"
OURS = "directories of our own, which nobody else can write"
NAMED = "one file that the user who runs this has named"
VOLUME = "the volume that is being built, of the builder's own"
#: plugins/… : whose files, and how many places open one.
KNOWN: dict[str, tuple[str, int]] = {
    "module_utils/_apptainer/api.py": (f"{OURS}; {VOLUME}", 2),
    "module_utils/_apptainer/apt_api.py": (OURS, 2),
    "module_utils/_apptainer/deb_api.py": (f"{NAMED}: package files, and a directory of a moment", 4),
    "module_utils/_audit/api.py": (VOLUME, 2),
    "module_utils/_aws/console/api.py": (OURS, 1),
    "module_utils/_buildcache/api/cache.py": (OURS, 1),
    "module_utils/_buildcache/api/inspector.py": (OURS, 1),
    "module_utils/_buildcache/api/own.py": (OURS, 2),
    "module_utils/_buildcache/scripts/hand_on.py": (OURS, 1),
    "module_utils/_buildcache/api/keyring.py": (OURS, 8),
    "module_utils/_components/api.py": (f"{VOLUME}; the operating system's own", 4),
    "module_utils/_containers/api/image.py": (f"{OURS}; {VOLUME}; a mirror directory", 10),
    "module_utils/_containers/packages_api.py": ("directories of a moment", 1),
    "module_utils/_exchange/api/file.py": (f"{NAMED}; {OURS}", 3),
    "module_utils/_exchange/api/stores.py": (f"{OURS}: the archive that is published", 1),
    "module_utils/_fstab/api.py": ("the system's own fstab", 1),
    "module_utils/_git/former_api.py": (VOLUME, 1),
    "module_utils/_host/ext4_api.py": ("images of our own, and devices", 1),
    "module_utils/_host/api.py": (f"{KERNEL}; {OURS}", 14),
    "module_utils/_host/kept_api.py": (OURS, 1),
    "module_utils/_lock/key_store_api.py": (OURS, 2),
    "module_utils/_namespace/api.py": (OURS, 3),
    "module_utils/_objects/api/bucket.py": ("directories of a moment", 3),
    "module_utils/_objects/scripts/s3.py": ("directories of a moment", 2),
    "module_utils/_pcluster/api.py": (NAMED, 1),
    "module_utils/_preflight/api.py": (KERNEL, 3),
    "module_utils/_python/api/build.py": (f"{OURS}; {VOLUME}", 5),
    "module_utils/_python/api/uv.py": (OURS, 1),
    "module_utils/_python/api/work.py": (OURS, 3),
    "module_utils/_python/scripts/distributions.py": (VOLUME, 1),
    "module_utils/_registry/api.py": ("the user's own cache, with O_NOFOLLOW", 1),
    "module_utils/_sharing/api.py": (NAMED, 1),
    "module_utils/_snapshot/api.py": (OURS, 7),
    "module_utils/_spack/api.py": (OURS, 1),
    "module_utils/_spack/checkout_api.py": (VOLUME, 1),
    "module_utils/_spack/environment_state_api.py": (f"{OURS}; {VOLUME}", 3),
    "module_utils/_spack/command_api.py": (f"{OURS}; {VOLUME}", 7),
    "module_utils/_spack/records_api.py": (OURS, 1),
    "module_utils/_spack/solutions_api.py": (f"{OURS}; {KERNEL}; {VOLUME}", 4),
    "module_utils/_spack/scripts/externals.py": ("directories of a moment", 2),
    "module_utils/_spack/scripts/carry.py": (f"{OURS}; {VOLUME}", 2),
    "module_utils/_spack/scripts/grounds.py": (OURS, 1),
    "module_utils/_spack/scripts/farm_host.py": (f"{OURS}, on a file system that all nodes have", 2),
    "module_utils/_spack/scripts/farm_node.py": (f"{OURS}, there and on the node; {KERNEL}", 9),
    "module_utils/_spack/scripts/farm_pack.py": (f"{OURS}; {VOLUME}", 2),
    "module_utils/_spack/scripts/modules.py": (f"{OURS}; {VOLUME}", 7),
    "module_utils/_spack/scripts/probe.py": (OURS, 2),
    "module_utils/_spack/scripts/feed.py": (OURS, 3),
    "module_utils/_spack/scripts/runner.py": (f"{OURS}; {KERNEL}", 9),
    "module_utils/_spack/scripts/sources.py": (OURS, 2),
    "module_utils/_spack/scripts/state.py": (OURS, 2),
    "module_utils/_spack/workshop_api.py": (VOLUME, 1),
    "module_utils/_spack/solver_api.py": (OURS, 1),
    "module_utils/_spack/session_api.py": (f"{OURS}; {KERNEL}", 3),
    "module_utils/_trust/api.py": ("directories of a moment", 3),
    "module_utils/_volume/api/images.py": (OURS, 2),
    "plugin_utils/build_report.py": ("the collection's own; the user's own cache", 2),
    "plugin_utils/container_images.py": (NAMED, 1),
    "plugin_utils/controller.py": (KERNEL, 1),
    "plugin_utils/installed.py": ("the collection's own", 2),
    "plugin_utils/direct.py": (f"{KERNEL}; {OURS}; /dev/null", 3),
    "plugin_utils/keeper.py": (f"{OURS}; /dev/null", 2),
    "plugin_utils/osv.py": (NAMED, 2),
    "plugin_utils/package_index.py": ("the collection's own", 1),
    "plugin_utils/run_guard.py": ("the collection's own, and the user's playbooks", 3),
    "plugin_utils/running.py": (f"{OURS}; {KERNEL}", 5),
    "plugin_utils/secret.py": (NAMED, 1),
    "plugin_utils/seed_edit.py": (NAMED, 1),
    "plugin_utils/seed_file.py": (NAMED, 1),
    "plugin_utils/site_files.py": ("none by its path: an archive in a file that is open", 1),
}
BELOW = "module_utils/_host/below_api.py"
#: Those that handle directories of others, and must go through BELOW.
FOREIGN = (
    "module_utils/_containers/rootfs_api.py",
    "module_utils/_objects/api/directory.py",
    "module_utils/_registry/api.py",
    "module_utils/_sandbox/api.py",
    "plugin_utils/registry_clone.py",
)


def opened(path: Path) -> list[int]:
    """Lines that open a file by its path."""
    lines = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            function = node.func
            by_name = isinstance(function, ast.Name) and function.id == "open"
            if by_name or (isinstance(function, ast.Attribute) and function.attr in WAYS):
                lines.append(node.lineno)
    return sorted(lines)


def test_nobody_else_opens_files_by_their_paths() -> None:
    plugins = ROOT / "plugins"
    found = {path.relative_to(plugins).as_posix(): opened(path) for path in sorted(plugins.rglob("*.py"))}
    assert {name: len(lines) for name, lines in found.items() if lines and name != BELOW} == {
        name: count for name, (_whose, count) in KNOWN.items()
    }, {name: lines for name, lines in found.items() if len(lines) != KNOWN.get(name, ("", 0))[1]}


@pytest.mark.parametrize("name", FOREIGN)
def test_who_handles_directories_of_others_goes_through_below(name: str) -> None:
    assert "_host import below_api as below" in (ROOT / "plugins" / name).read_text()
