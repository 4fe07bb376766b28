# Copyright (c) 2026, petal.hpc contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.petal.hpc.plugins.module_utils._python import plan
from ansible_collections.petal.hpc.plugins.module_utils._python.plan import (
    Distribution,
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


# --- what is asked for


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", ""),
        ("name", ".."),
        ("name", "a/b"),
        ("name", "a\nb"),
        ("version", "-1"),
        ("version", "1 2"),
        ("python", "2.7"),
        ("python", "3"),
        ("python", "--help"),
        ("packages", ("-r /etc/passwd",)),
        ("packages", ("--index-url=https://example.org",)),
        ("packages", ("numpy\n--index-url https://example.org",)),
        ("packages", ("x @ https://example.org/${HOME}",)),
        ("packages", ("x @ https://user:secret@example.org/x.whl",)),
        ("packages", ("numpy \\",)),
        ("packages", ("x @ git+https://example.org/x",)),
        ("packages", ("x @ https://example.org/x-1.tar.gz",)),
        ("build", ("numpy==2",)),
        ("build", ("--no-binary=:all:",)),
        ("build", (":all:",)),
        ("build", ("",)),
    ],
)
def test_nothing_but_names_versions_and_requirements_gets_in(key: str, value: Any) -> None:
    arguments: dict[str, Any] = {"name": "sci", "version": "1", "packages": ("numpy",), key: value}
    with pytest.raises(PythonEnvironmentError):
        Environment(**arguments)


def test_requested_names_are_normalised_and_unique() -> None:
    packages = ("Ruamel.YAML>0.18", "dask[complete]", "numpy (>=2)", "NumPy", "x-y @ https://example.org/x.whl")
    assert Environment("a", "1", packages, build=("Dask", "ruamel_yaml", "dask")).built == ["dask", "ruamel-yaml"]
    assert Environment("a", "1", packages).requested == ["ruamel-yaml", "dask", "numpy", "x-y"]


def test_sources_by_their_address_have_to_be_named() -> None:
    """uv takes what a project says of itself for its metadata, and would only refuse it when it is to be installed."""
    packages = (
        "Ours @ git+https://example.org/ours@v1",
        "b @ file:///srv/b-1.zip#sha256=00",
        "c @ https://x.org/c.whl?x=1",
    )
    with pytest.raises(
        PythonEnvironmentError, match=r"b, ours would have to be built from source.*build: \[b, d, ours\]"
    ):
        Environment("a", "1", packages, build=("d",))
    assert Environment("a", "1", packages, build=("ours", "B")).built == ["b", "ours"]


def test_requirements_file() -> None:
    assert SCI.requirements() == "NumPy==2.2.*\nPyYAML\n"


def test_layout() -> None:
    assert LAYOUT.path == "/shared/envs/sci/2026.1"
    assert LAYOUT.lock == "/shared/.petal/locks/python-sci-2026.1.txt"
    assert LAYOUT.marker == "/shared/envs/sci/2026.1/.petal-environment.json"


# --- whether it is there


def test_digest_is_frozen() -> None:
    assert plan.input_digest(SCI, LAYOUT) == "sha256:48da3a3cef02f42c33a25c11e9cf5d8b4b61b0be0eb56a29110d7c540df84b72"


@pytest.mark.parametrize(
    "packages", [("PyYAML", "NumPy==2.2.*"), ("numpy == 2.2.*", "pyyaml"), (" PyYAML", "NumPy (==2.2.*)")]
)
def test_order_and_spelling_do_not_matter(packages: tuple[str, ...]) -> None:
    assert plan.input_digest(Environment("sci", "2026.1", packages), LAYOUT) == plan.input_digest(SCI, LAYOUT)


@pytest.mark.parametrize(
    ("environment", "layout"),
    [
        (Environment("sci", "2026.1", ("NumPy==2.3.*", "PyYAML")), LAYOUT),
        (Environment("sci", "2026.1", SCI.packages, "3.12"), LAYOUT),
        (Environment("sci", "2026.1", SCI.packages, as_of="2026-11-01"), LAYOUT),
        (Environment("sci", "2026.1", SCI.packages, build=("numpy",)), LAYOUT),
        (SCI, Layout("/opt/shared", "sci", "2026.1")),
    ],
)
def test_what_decides_an_environment_is_in_its_digest(environment: Environment, layout: Layout) -> None:
    assert plan.input_digest(environment, layout) != plan.input_digest(SCI, LAYOUT)


def test_completed() -> None:
    record = {"schema": plan.MARKER_SCHEMA, "input": "sha256:x", "lock_sha256": plan.sha256("lock")}
    assert plan.completed(json.dumps(record), "sha256:x", "lock") == record
    assert plan.completed(json.dumps(record), "sha256:y", "lock") is None
    assert plan.completed(json.dumps(record), "sha256:x", "another lock") is None
    assert plan.completed(json.dumps({**record, "schema": 0}), "sha256:x", "lock") is None


@given(st.text())
def test_a_damaged_marker_is_no_marker(marker: str) -> None:
    assert plan.completed(marker, "sha256:x", "") is None


# --- what uv is told


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
    variables = plan.uv_variables(inherited, SETTINGS, LAYOUT, "/var/cache/petal/work/x")
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
    variables = plan.uv_variables({}, settings, LAYOUT, "/c/work/x")
    assert variables["UV_DEFAULT_INDEX"] == "https://u:p@mirror.example.org/simple"
    assert variables["UV_INDEX"] == "https://a.example.org https://b.example.org"
    assert variables["UV_PYTHON_INSTALL_MIRROR"] == "file:///m"
    pip = plan.pip_variables({}, settings, "/c/work/x", "/etc/ssl/certs/ca-certificates.crt")
    assert pip["PIP_INDEX_URL"] == settings.index_url
    assert pip["PIP_EXTRA_INDEX_URL"] == "https://a.example.org https://b.example.org"
    assert pip["PIP_CERT"] == "/etc/ssl/certs/ca-certificates.crt"
    assert pip["PIP_CONFIG_FILE"] == "/dev/null"


def test_a_day_ends_everywhere_at_the_same_moment() -> None:
    dated = Environment("a", "1", ("six",), as_of="2026-12-31")
    assert dated.exclude_newer == "2027-01-01T00:00:00Z"
    assert (
        plan.uv_variables({}, SETTINGS, LAYOUT, "/c/x", dated.exclude_newer)["UV_EXCLUDE_NEWER"]
        == "2027-01-01T00:00:00Z"
    )
    assert SCI.exclude_newer == ""
    assert "UV_EXCLUDE_NEWER" not in plan.uv_variables({}, SETTINGS, LAYOUT, "/c/x")


@pytest.mark.parametrize("day", ["20261101", "2026-02-30", "soon", "2026-11-01T00:00:00Z"])
def test_what_is_no_day(day: str) -> None:
    with pytest.raises(PythonEnvironmentError, match="expected a day such as 2026-11-01"):
        Environment("a", "1", ("six",), as_of=day)


# As uv 0.13.9 says it.
EXCLUDED = """error: No solution found when resolving dependencies
  cause: Because there are no versions of six and you require six, we can conclude that your requirements are \
unsatisfiable.

hint: `six` was filtered by `exclude-newer` to only include packages uploaded before 2010-01-02T00:00:00Z. The latest \
version satisfying the requirement is v1.17.0{published}. Consider using `exclude-newer-package` to override the \
cutoff for this package."""


def test_a_day_before_everything_and_an_index_without_days_are_told_apart() -> None:
    dated = Environment("a", "1", ("six",), as_of="2010-01-01")
    published = EXCLUDED.format(published=", published at 2024-12-04T17:35:26.475Z")
    assert "Nothing that fits was published by 2010-01-01" in plan.date_hint(published, dated)
    assert "gives no upload dates" in plan.date_hint(EXCLUDED.format(published=""), dated)
    assert plan.date_hint("error: no such package", dated) == ""
    assert plan.date_hint(published, SCI) == ""


def test_host_config_lets_the_configuration_in_and_no_secrets() -> None:
    settings = Settings("uv", "/c", host_config=True)
    configuration = {"UV_INDEX_URL": "https://site.example.org", "PIP_INDEX_URL": "https://site.example.org"}
    inherited = {**configuration, "HOME": "/root", "AWS_SECRET_ACCESS_KEY": "secret", "LD_PRELOAD": "/x.so"}
    variables = plan.uv_variables(inherited, settings, LAYOUT, "/c/x")
    assert variables.items() >= configuration.items()
    assert "UV_NO_CONFIG" not in variables
    # What builds a package gets all of it.
    assert variables["HOME"] == "/c/x/home"
    assert not {"AWS_SECRET_ACCESS_KEY", "LD_PRELOAD"} & set(variables)
    assert plan.pip_variables(inherited, settings, "/c/x", "/etc/ca.crt").items() >= inherited.items()


def test_wheels_are_taken_unless_sources_are_asked_for() -> None:
    built = Environment("a", "1", ("mpi4py", "h5py"), build=("mpi4py", "H5py"))
    of_both = ["--only-binary", ":all:", "--no-binary", "h5py", "--no-binary", "mpi4py"]
    for environment, options in ((SCI, of_both[:2]), (built, of_both)):
        for argv in (
            plan.compile_argv("uv", environment, SYSTEM, "in", "out"),
            plan.pylock_argv("uv", environment, SYSTEM, "in", "out"),
            plan.sync_argv("uv", environment, "/e/bin/python", "lock.txt"),
        ):
            first = argv.index("--only-binary")
            assert argv[first : first + len(options)] == options
            assert argv.count("--no-binary") == options.count("--no-binary")


def test_nothing_of_a_package_runs_while_it_is_installed() -> None:
    """uv would start the environment's Python with all that packages hang into it; ``-S`` starts it without."""
    assert "--compile-bytecode" not in plan.sync_argv("uv", SCI, "/e/bin/python", "lock.txt")
    for argv in (plan.bytecode_argv("/e/bin/python", "/e/lib"), plan.inspect_argv("/e/bin/python", "/e/lib")):
        assert argv[:3] == ["/e/bin/python", "-I", "-S"]


@pytest.mark.parametrize(
    ("status", "output", "problem"),
    [
        (0, "", ""),
        (1, "*** Error compiling '/e/old.py'...\nSyntaxError: Missing parentheses (old.py, line 1)\n", ""),
        (
            1,
            "*** Error compiling '/e/x.py'...\nOSError: [Errno 28] No space left on device\n",
            "OSError: [Errno 28] No space left on device",
        ),
        (137, "Killed\n", "Killed"),
    ],
)
def test_bytecode(status: int, output: str, problem: str) -> None:
    assert plan.bytecode_problem(status, output) == problem


# As uv 0.13.9 says it.
NO_WHEEL = (
    "hint: Wheels are required for `My_Pkg` because building from source is disabled for all packages (i.e., with ...)",
    "error: Failed to build `my-pkg @ file:///x.zip`\n  cause: Building source distributions for `my-pkg` is disabled",
    "error: Building source distributions is disabled, but attempted to build `my-pkg`",
    "error: `my-pkg` can't be installed because it is marked as `--no-build` but has no binary distribution",
)


@pytest.mark.parametrize("said", NO_WHEEL)
def test_what_has_no_wheel_is_named_with_what_to_add(said: str) -> None:
    environment = Environment("a", "1", ("x",), build=("other",))
    assert "my-pkg would have to be built" in plan.wheel_hint(said, environment)
    assert "build: [my-pkg, other] to this environment (software.python_environments[].build)" in plan.wheel_hint(
        said, environment
    )


def test_other_failures_are_not_about_wheels() -> None:
    assert plan.wheel_hint("error: No solution found\n  cause: there is no version of six==999", SCI) == ""


def test_what_is_to_be_built_and_is_not_there() -> None:
    lock = "numpy==2.2.1 \\\n    --hash=sha256:0\nours @ https://example.org/x.tar.gz\n"
    environment = Environment("a", "1", ("numpy",), build=("NumPy", "ours", "nunpy"))
    assert plan.idle_builds(environment, lock) == ["nunpy"]


def test_the_lock_says_how_it_is_installed() -> None:
    assert "# Install elsewhere: uv pip sync --require-hashes FILE, or" in plan.lock_text(SCI, "d", SYSTEM, "")
    built = Environment("a", "1", ("mpi4py",), build=("mpi4py",))
    assert "pip install --require-hashes --only-binary :all: --no-binary mpi4py -r FILE" in plan.lock_text(
        built, "d", SYSTEM, ""
    )


@pytest.mark.parametrize("output", ["", "hello", "[1]", '[{"name": "a"}]', '{"a": 1}', "[" * 100_000])
def test_what_is_installed_cannot_be_read(output: str) -> None:
    with pytest.raises(PythonEnvironmentError, match="cannot be read"):
        plan.distributions(output)


def test_command_lines() -> None:
    managed = Interpreter("", "3.12", "managed")
    assert plan.compile_argv("uv", SCI, SYSTEM, "in", "out")[-5:] == [
        "--python",
        "/usr/bin/python3.11",
        "--output-file",
        "out",
        "in",
    ]
    assert plan.compile_argv("uv", SCI, managed, "in", "out")[-5:-3] == ["--python-version", "3.12"]
    assert "--require-hashes" in plan.sync_argv("uv", SCI, "/e/bin/python", "lock.txt")
    assert LAYOUT.packages("3.11.2") == "/shared/envs/sci/2026.1/lib/python3.11/site-packages"


def test_uv_is_pinned() -> None:
    assert plan.uv_path("/c", "0.13.9") == "/c/bin/uv-0.13.9"
    assert plan.uv_requirement("0.13.9", []) == "uv==0.13.9\n"
    assert plan.uv_requirement("0.13.9", ["a" * 64]) == f"uv==0.13.9 --hash=sha256:{'a' * 64}\n"


@pytest.mark.parametrize(("version", "digests"), [("latest", []), ("0.13.9\n-r x", []), ("0.13.9", ["abc"])])
def test_uv_is_nothing_else(version: str, digests: list[str]) -> None:
    with pytest.raises(PythonEnvironmentError):
        plan.uv_requirement(version, digests)


# --- interpreters


@pytest.mark.parametrize(
    ("version", "candidate"),
    [(None, "/usr/bin/python3"), ("3.12", "/usr/bin/python3.12"), ("3.9.2", "/usr/bin/python3.9")],
)
def test_candidates(version: str | None, candidate: str) -> None:
    assert plan.system_candidate(version) == candidate


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
    found = plan.system_interpreter(version, path, real)
    assert found == (Interpreter(path, real, "system") if good else None)


# --- what came out


@pytest.mark.parametrize(
    ("name", "files", "names"),
    [
        ("numpy", ["numpy/__init__.py", "numpy/linalg/__init__.py", "numpy/tests/__init__.py"], ["numpy"]),
        ("pyyaml", ["yaml/__init__.py", "_yaml/__init__.py"], ["yaml"]),
        ("pillow", ["PIL/__init__.py"], ["PIL"]),
        ("six", ["six.py"], ["six"]),
        ("ipython", ["IPython/__init__.py"], ["IPython"]),
        ("cffi", ["_cffi_backend.cpython-311-x86_64-linux-gnu.so", "cffi/__init__.py"], ["cffi"]),
        (
            "setuptools",
            ["_distutils_hack/__init__.py", "pkg_resources/__init__.py", "setuptools/__init__.py"],
            ["setuptools"],
        ),
        ("biopython", ["Bio/__init__.py", "BioSQL/__init__.py", "Bio/Align/__init__.py"], ["Bio", "BioSQL"]),
        (
            "google-cloud-storage",
            [
                "google/cloud/storage/__init__.py",
                "google/cloud/_storage/__init__.py",
                "google/cloud/storage/_m/__init__.py",
            ],
            ["google.cloud.storage"],
        ),
        ("ruamel-yaml", ["ruamel/yaml/__init__.py"], ["ruamel.yaml"]),
        ("odd", ["tests/__init__.py", "odd_thing/__init__.py"], ["odd_thing"]),
        ("private", ["_private.abi3.so"], ["_private"]),
        ("types-requests", ["requests-stubs/__init__.pyi"], []),
        ("tool", ["../../../bin/tool", "tool-1.0.dist-info/RECORD", "distutils-precedence.pth"], []),
    ],
)
def test_import_names(name: str, files: list[str], names: list[str]) -> None:
    assert plan.import_names(Distribution(name, "1", tuple(files))) == names


@given(st.lists(st.text(max_size=20)))
def test_import_names_are_names(files: list[str]) -> None:
    names = plan.import_names(Distribution("x", "1", tuple(files)))
    assert all(part.isidentifier() for name in names for part in name.split("."))


def test_check_imports_what_was_asked_for() -> None:
    installed = [
        Distribution("numpy", "2.2.6", ("numpy/__init__.py",)),
        Distribution("pyyaml", "6.0", ("yaml/__init__.py",)),
        Distribution("transitive", "1", ("transitive/__init__.py",)),
    ]
    assert plan.check_argv(SCI, installed) == ["python", "-c", "import numpy, yaml"]


def test_check_of_packages_without_anything_to_import() -> None:
    environment = Environment("a", "1", ("types-requests", "left-out; python_version < '3'"))
    installed = [Distribution("types-requests", "1", ("requests-stubs/__init__.pyi",))]
    assert (
        plan.check_argv(environment, installed)[2]
        == "import importlib.metadata; importlib.metadata.version('types-requests')"
    )


def test_check_of_an_empty_environment() -> None:
    assert plan.check_argv(Environment("a", "1", ()), []) == ["python", "-c", "import sys"]


def _archive(file: str, digest: str) -> str:
    return f'{{ url = "https://x.example.org/b3/{file}", size = 2, hashes = {{ sha256 = "{digest * 64}" }} }}'


PYLOCK = f"""lock-version = "1.0"
created-by = "uv"

[[packages]]
name = "numpy"
version = "2.2.6"
sdist = {_archive("numpy-2.2.6.tar.gz", "5")}
wheels = [{
    ", ".join(
        [
            _archive("numpy-2.2.6-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "6"),
            _archive("numpy-2.2.6-cp311-cp311-musllinux_1_2_x86_64.whl#sha256=1", "7"),
        ]
    )
}]

[[packages]]
name = "local"
directory = {{ path = "x" }}
"""


def test_hash_of_the_archive_that_was_installed() -> None:
    archives = plan.archive_hashes(PYLOCK)
    wheel = Distribution(
        "numpy", "2.2.6", (), ("cp311-cp311-manylinux_2_17_x86_64", "cp311-cp311-manylinux2014_x86_64")
    )
    built_here = Distribution("numpy", "2.2.6", (), ("cp311-cp311-linux_x86_64",))
    assert plan.installed_hash(wheel, archives["numpy"]) == "sha256:" + "6" * 64
    assert plan.installed_hash(built_here, archives["numpy"]) == "sha256:" + "5" * 64
    assert "numpy-2.2.6-cp311-cp311-musllinux_1_2_x86_64.whl" in archives["numpy"]
    assert archives["local"] == {}
    assert plan.installed_hash(Distribution("local", "1"), {}) is None


@given(st.text())
def test_any_pylock_is_survived(text: str) -> None:
    plan.archive_hashes("[[packages]]\n" + text)


def test_locked() -> None:
    lock = (
        "# header\nnumpy==2.2.6 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\n    # via -r requirements.in\n"
        "X_y @ https://e.org/x.whl\n"
    )
    assert plan.locked(lock) == [("numpy", "2.2.6"), ("x-y", "https://e.org/x.whl")]


RECORD: dict[str, Any] = {
    "python": SYSTEM.to_dict(),
    "check": ["python", "-c", "import numpy, yaml"],
    "packages": [
        {"name": "numpy", "version": "2.2.6", "hash": "sha256:0", "requested": True},
        {"name": "pyyaml", "version": "6.0", "hash": None, "requested": True},
        {"name": "transitive", "version": "1", "hash": None, "requested": False},
    ],
}


def test_manifest() -> None:
    manifest = plan.manifest(SCI, RECORD, True)
    assert manifest["module"] == {
        "name": "sci/2026.1",
        "kind": "python",
        "load": ["sci/2026.1"],
        "check": ["python", "-c", "import numpy, yaml"],
        "default": True,
        "summary": "Python 3.11.2 with numpy 2.2.6, pyyaml 6.0",
    }
    numpy = {"name": "numpy", "version": "2.2.6", "manager": "pypi", "hash": "sha256:0", "license": None}
    assert manifest["packages"][0] == numpy
    assert manifest["requires"][0]["path"] == "/usr/bin/python3.11"
    managed = {**RECORD, "python": Interpreter("/shared/envs/.python/x/bin/python3.12", "3.12.1", "managed").to_dict()}
    assert plan.manifest(SCI, managed, False)["requires"] == []


def test_summary_of_what_is_not_known_yet() -> None:
    unknown = [{"name": "numpy", "version": None, "hash": None, "requested": True}]
    assert plan.summary(SCI, {"packages": unknown}) == "Python with numpy"
    assert plan.summary(Environment("a", "1", (), "3.12"), {"packages": []}) == "Python 3.12"


# --- what went wrong


def test_reason_is_one_line_without_passwords() -> None:
    output = (
        "Resolving\nerror: Request failed after 3 retries\n  cause: Failed to fetch: `https://me:secret@x.example.org/a`\n"
        "  cause: dns error\n"
    )
    assert plan.reason(output) == (
        "Request failed after 3 retries; Failed to fetch: `https://***@x.example.org/a`; dns error"
    )
    assert plan.reason("a\nb\nc\nd\n") == "b; c; d"
    assert plan.reason("") == "no message"
    assert len(plan.reason("error: " + "x" * 5000)) == 700


def test_hints() -> None:
    mirror = Settings("uv", "/c", "https://me:secret@mirror.example.org/simple")
    assert "python_environments_index_url" in plan.network_hint("cause: dns error", SETTINGS, "head")
    assert "https://***@mirror.example.org/simple" in plan.network_hint(
        "Connection refused (os error 111)", mirror, "head"
    )
    assert "SSL_CERT_FILE" in plan.network_hint("invalid peer certificate: UnknownIssuer", SETTINGS, "head")
    assert "SSL_CERT_FILE" in plan.network_hint("[SSL: CERTIFICATE_VERIFY_FAILED] x", SETTINGS, "head")
    for said in ("operation timed out", "network timeout", "ConnectTimeoutError(x)", "tunnel error: unsuccessful"):
        assert "cannot reach the package index" in plan.network_hint(said, SETTINGS, "head")
    for name in ("numpy", "async-timeout", "sshtunnel", "certificates"):
        assert plan.network_hint(f"there is no version of {name}==99", SETTINGS, "head") == ""
    line = plan.unreachable_python(Environment("sci", "1", (), "3.12"), SETTINGS, "head")
    assert "sci/1" in line and "GitHub" in line and "python_environments_python_mirror" in line and "\n" not in line


def test_secrets_of_urls() -> None:
    assert plan.url_secrets("https://me:secret@x.example.org/simple") == ["me:secret", "secret"]
    assert plan.url_secrets("https://token@x.example.org/simple") == ["token"]
    assert plan.url_secrets("https://x.example.org/a@b") == []
    assert plan.url_secrets("") == []


def test_last_line() -> None:
    assert plan.last_line("Traceback\n  File\nImportError: no libGL\n\n") == "ImportError: no libGL"
    assert plan.last_line("") == "no message"
