# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Install uv itself, and say how it works."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.petal.hpc.plugins.module_utils._host.api import (
    Host,
    explained,
)
from ansible_collections.petal.hpc.plugins.module_utils._host.parse import signal_hint
from ansible_collections.petal.hpc.plugins.module_utils._python import commands, problems
from ansible_collections.petal.hpc.plugins.module_utils._python.api.work import scratch_directory, set_environment
from ansible_collections.petal.hpc.plugins.module_utils._python.model import (
    PythonEnvironmentError,
    Settings,
)

# Where distributions keep the certificates that they trust; pip has a list of its own.
_SYSTEM_CERTIFICATES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
)
#: Options of both modules about downloads.
NETWORK: dict[str, dict[str, Any]] = {
    "cache_dir": {"type": "path", "default": "/var/cache/petal"},
    "index_url": {"type": "str"},
    "extra_index_urls": {"type": "list", "elements": "str", "default": []},
    "system_certificates": {"type": "bool", "default": True},
    "host_config": {"type": "bool", "default": False},
}


def settings(module: AnsibleModule, uv: str) -> Settings:
    """How uv works, from a module's options; credentials in them are kept out of all that the module returns."""
    given = module.params
    indexes = [given["index_url"] or "", *given["extra_index_urls"]]
    downloads = [given.get(name) or "" for name in ("python_mirror", "python_downloads_json_url")]
    module.no_log_values.update(secret for url in [*indexes, *downloads] for secret in problems.url_secrets(url))
    return Settings(
        uv=uv,
        cache_dir=given["cache_dir"],
        index_url=indexes[0],
        extra_index_urls=tuple(indexes[1:]),
        python_mirror=given.get("python_mirror") or "",
        python_downloads_json_url=given.get("python_downloads_json_url") or "",
        system_certificates=given["system_certificates"],
        host_config=given["host_config"],
        verify=given.get("verify", True),
    )


def ensure_uv(module: AnsibleModule, version: str, digests: Sequence[str], settings: Settings) -> bool:
    """Install one version of uv at ``settings.uv``; whether anything changes. Nothing does in check mode.

    It is fetched by pip in a private environment that is thrown away again: uv is one file.
    Raises PythonEnvironmentError.
    """
    requirement = commands.uv_requirement(version, digests)
    there = os.access(settings.uv, os.X_OK)
    if module.check_mode:
        return not there
    if there:
        with scratch_directory(module.run_command, settings.cache_dir):
            # Whatever a killed build left behind has gone now, even where nothing is left to build.
            return False
    os.umask(0o022)
    target = Path(settings.uv)
    doing = f"installing uv {version}"
    with explained(doing), Host(module.run_command).lock(target.parent / ".lock", doing):
        if os.access(target, os.X_OK):
            return False
        with scratch_directory(module.run_command, settings.cache_dir) as scratch:
            set_environment(commands.pip_variables(os.environ, settings, scratch, _system_certificates()))
            wanted = Path(scratch, "uv.txt")
            wanted.write_text(requirement, encoding="utf-8")
            _fetch_uv(module, version, settings, Path(scratch, "venv"), wanted)
            shutil.copyfile(Path(scratch, "venv", "bin", "uv"), Path(scratch, "uv"))
            Path(scratch, "uv").chmod(0o755)
            Path(scratch, "uv").replace(target)
    return True


def _fetch_uv(module: AnsibleModule, version: str, settings: Settings, venv: Path, wanted: Path) -> None:
    python = _venv_python(module)
    rc, stdout, stderr = module.run_command([python, "-I", "-m", "venv", str(venv)])
    if rc != 0:
        raise PythonEnvironmentError(
            f"could not make a virtual environment with {python}: {problems.reason(stderr or stdout)}. "
            "Install the package python3-venv."
        )
    options = ["--quiet", "--no-deps", "--only-binary", ":all:"]
    rc, stdout, stderr = module.run_command(
        [str(venv / "bin/python"), "-m", "pip", "install", *options, "-r", str(wanted)]
    )
    if rc != 0:
        hint = signal_hint(rc) or problems.network_hint(stderr, settings, socket.gethostname())
        raise PythonEnvironmentError(
            f"could not install uv {version} with pip: {problems.reason(stderr or stdout)}.{hint}"
        )


def _venv_python(module: AnsibleModule) -> str:
    """The system's Python where it can make environments in which pip still runs, else the one that runs this."""
    probe = "import ensurepip, sys; sys.exit(sys.version_info < (3, 8))"
    system = commands.system_candidate(None)
    if os.access(system, os.X_OK) and module.run_command([system, "-I", "-c", probe])[0] == 0:
        return system
    return sys.executable


def _system_certificates() -> str:
    return next((path for path in _SYSTEM_CERTIFICATES if os.access(path, os.R_OK)), "")
