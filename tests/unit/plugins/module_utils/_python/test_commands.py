# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.petal.hpc.plugins.module_utils._python import commands, outcomes
from ansible_collections.petal.hpc.plugins.module_utils._python.model import (
    Environment,
    Interpreter,
    Layout,
    PythonEnvironmentError,
    Settings,
)

SCI = Environment("sci", "2026.1", ("NumPy==2.2.*", "PyYAML"))
LAYOUT = Layout("/shared", "sci", "2026.1")
SETTINGS = Settings("/var/cache/petal/bin/uv-0.13.9", "/var/cache/petal")
SYSTEM = Interpreter("/usr/bin/python3.11", "3.11.2", "system")


def test_only_proxies_and_certificates_get_in() -> None:
    inherited = {
        "HTTPS_PROXY": "http://proxy:3128",
        "no_proxy": "localhost",
        "SSL_CERT_FILE": "/etc/site.pem",
        "UV_INDEX_URL": "https://elsewhere.example.org",
        "PIP_INDEX_URL": "https://elsewhere.example.org",
        "PYTHONPATH": "/home/somebody",
        "VIRTUAL_ENV": "/home/somebody/venv",
        "HOME": "/home/somebody",
        "PATH": "/home/somebody/.pyenv/shims:/usr/bin",
    }
    variables = commands.uv_variables(inherited, SETTINGS, LAYOUT, "/var/cache/petal/work/x")
    assert not [value for value in variables.values() if "somebody" in value or "elsewhere" in value]
    assert variables["HTTPS_PROXY"] == "http://proxy:3128"
    assert variables["no_proxy"] == "localhost"
    assert variables["SSL_CERT_FILE"] == "/etc/site.pem"
    assert variables["UV_NO_CONFIG"] == "1"
    assert variables["UV_CACHE_DIR"] == "/var/cache/petal/work/x/cache"
    assert variables["UV_PYTHON_INSTALL_DIR"] == "/shared/envs/.python"
    assert (variables["HOME"], variables["TMPDIR"]) == ("/var/cache/petal/work/x/home", "/var/cache/petal/work/x/tmp")
    assert "UV_DEFAULT_INDEX" not in variables


def test_indexes_and_mirrors_are_passed_in_the_environment() -> None:
    settings = Settings(
        "uv",
        "/c",
        "https://u:p@mirror.example.org/simple",
        ("https://a.example.org", "https://b.example.org"),
        "file:///m",
    )
    variables = commands.uv_variables({}, settings, LAYOUT, "/c/work/x")
    assert variables["UV_DEFAULT_INDEX"] == "https://u:p@mirror.example.org/simple"
    assert variables["UV_INDEX"] == "https://a.example.org https://b.example.org"
    assert variables["UV_PYTHON_INSTALL_MIRROR"] == "file:///m"
    pip = commands.pip_variables({}, settings, "/c/work/x", "/etc/ssl/certs/ca-certificates.crt")
    assert pip["PIP_INDEX_URL"] == settings.index_url
    assert pip["PIP_EXTRA_INDEX_URL"] == "https://a.example.org https://b.example.org"
    assert pip["PIP_CERT"] == "/etc/ssl/certs/ca-certificates.crt"
    assert pip["PIP_CONFIG_FILE"] == "/dev/null"


def test_a_day_ends_everywhere_at_the_same_moment() -> None:
    dated = Environment("a", "1", ("six",), as_of="2026-12-31")
    assert dated.exclude_newer == "2027-01-01T00:00:00Z"
    assert (
        commands.uv_variables({}, SETTINGS, LAYOUT, "/c/x", dated.exclude_newer)["UV_EXCLUDE_NEWER"]
        == "2027-01-01T00:00:00Z"
    )
    assert SCI.exclude_newer == ""
    assert "UV_EXCLUDE_NEWER" not in commands.uv_variables({}, SETTINGS, LAYOUT, "/c/x")


def test_host_config_lets_the_configuration_in_and_no_secrets() -> None:
    settings = Settings("uv", "/c", host_config=True)
    configuration = {"UV_INDEX_URL": "https://site.example.org", "PIP_INDEX_URL": "https://site.example.org"}
    inherited = {**configuration, "HOME": "/root", "AWS_SECRET_ACCESS_KEY": "secret", "LD_PRELOAD": "/x.so"}
    variables = commands.uv_variables(inherited, settings, LAYOUT, "/c/x")
    assert variables.items() >= configuration.items()
    assert "UV_NO_CONFIG" not in variables
    # What builds a package gets all of it.
    assert variables["HOME"] == "/c/x/home"
    assert not {"AWS_SECRET_ACCESS_KEY", "LD_PRELOAD"} & set(variables)
    assert commands.pip_variables(inherited, settings, "/c/x", "/etc/ca.crt").items() >= inherited.items()


def test_wheels_are_taken_unless_sources_are_asked_for() -> None:
    built = Environment("a", "1", ("mpi4py", "h5py"), build=("mpi4py", "H5py"))
    of_both = ["--only-binary", ":all:", "--no-binary", "h5py", "--no-binary", "mpi4py"]
    for environment, options in ((SCI, of_both[:2]), (built, of_both)):
        for argv in (
            commands.compile_argv("uv", environment, SYSTEM, "in", "out"),
            commands.pylock_argv("uv", environment, SYSTEM, "in", "out"),
            commands.sync_argv("uv", environment, "/e/bin/python", "lock.txt"),
        ):
            first = argv.index("--only-binary")
            assert argv[first : first + len(options)] == options
            assert argv.count("--no-binary") == options.count("--no-binary")


def test_nothing_of_a_package_runs_while_it_is_installed() -> None:
    """uv would start the environment's Python with all that packages hang into it; ``-S`` starts it without."""
    assert "--compile-bytecode" not in commands.sync_argv("uv", SCI, "/e/bin/python", "lock.txt")
    for argv in (commands.bytecode_argv("/e/bin/python", "/e/lib"), outcomes.inspect_argv("/e/bin/python", "/e/lib")):
        assert argv[:3] == ["/e/bin/python", "-I", "-S"]


def test_command_lines() -> None:
    managed = Interpreter("", "3.12", "managed")
    assert commands.compile_argv("uv", SCI, SYSTEM, "in", "out")[-5:] == [
        "--python",
        "/usr/bin/python3.11",
        "--output-file",
        "out",
        "in",
    ]
    assert commands.compile_argv("uv", SCI, managed, "in", "out")[-5:-3] == ["--python-version", "3.12"]
    assert "--require-hashes" in commands.sync_argv("uv", SCI, "/e/bin/python", "lock.txt")
    assert LAYOUT.packages("3.11.2") == "/shared/envs/sci/2026.1/lib/python3.11/site-packages"


def test_uv_is_pinned() -> None:
    assert commands.uv_path("/c", "0.13.9") == "/c/bin/uv-0.13.9"
    assert commands.uv_requirement("0.13.9", []) == "uv==0.13.9\n"
    assert commands.uv_requirement("0.13.9", ["a" * 64]) == f"uv==0.13.9 --hash=sha256:{'a' * 64}\n"


@pytest.mark.parametrize(("version", "digests"), [("latest", []), ("0.13.9\n-r x", []), ("0.13.9", ["abc"])])
def test_uv_is_nothing_else(version: str, digests: list[str]) -> None:
    with pytest.raises(PythonEnvironmentError):
        commands.uv_requirement(version, digests)


@pytest.mark.parametrize(
    ("version", "candidate"),
    [(None, "/usr/bin/python3"), ("3.12", "/usr/bin/python3.12"), ("3.9.2", "/usr/bin/python3.9")],
)
def test_candidates(version: str | None, candidate: str) -> None:
    assert commands.system_candidate(version) == candidate


@pytest.mark.parametrize(
    ("version", "path", "real", "good"),
    [
        (None, "/usr/bin/python3.11", "3.11.2", True),
        ("3.11", "/usr/bin/python3.11", "3.11.2", True),
        ("3.11.2", "/usr/bin/python3.11", "3.11.2", True),
        ("3.11.9", "/usr/bin/python3.11", "3.11.2", False),
        ("3.1", "/usr/bin/python3.11", "3.11.2", False),
        (None, "/usr/libexec/platform-python3.6", "3.6.8", True),
        (None, "/usr/local/bin/python3.11", "3.11.2", False),
        (None, "/root/.pyenv/versions/3.11.7/bin/python3.11", "3.11.7", False),
        (None, "/home/user/bin/python3", "3.11.7", False),
        (None, "/opt/python/bin/python3", "3.11.7", False),
    ],
)
def test_only_the_distributions_own_python(version: str | None, path: str, real: str, good: bool) -> None:
    found = commands.system_interpreter(version, path, real)
    assert found == (Interpreter(path, real, "system") if good else None)
