"""Imports point down only: playbooks → roles → doors → services → pure core."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COLLECTION = "ansible_collections.petal.hpc.plugins"
DOOR_KINDS = ("action", "modules", "filter", "lookup", "callback")
DOORS = sorted(path for kind in DOOR_KINDS for path in (ROOT / "plugins" / kind).glob("*.py"))
UTILITIES = sorted((ROOT / "plugins" / "module_utils").glob("_*/**/*.py"))
# What stands in a folder `scripts` is handed over as text and run by another Python, such as Spack's, by its rules.
# I/O is in a package's file `api.py`, or in the files of its folder `api` where it has several purposes.
SERVICES = [path for path in UTILITIES if path.name == "api.py" or path.parent.name == "api"]
CORE = [path for path in UTILITIES if path not in SERVICES and path.parent.name != "scripts"]
#: packaging does no I/O and comes with ansible-core: on the controller it is as good as the standard library.
BEYOND_THE_STANDARD_LIBRARY = {
    "module_utils/_seed/requirements.py": {"packaging"},
    "module_utils/_vulnerabilities/model.py": {"packaging"},
}
ROLE_FILES = sorted(path for path in (ROOT / "roles").glob("*/*/**/*.yml") if "molecule" not in path.parts)
PLAYBOOKS = sorted((ROOT / "playbooks").glob("*.yml"))
PROVIDERS = ("local", "aws")


def imports(path: Path) -> set[str]:
    """The dotted names of everything that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
    return found


def imported_names(path: Path) -> set[str]:
    """The same, and for ``from a import b`` also a.b, which may be a file."""
    found = imports(path)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def label(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", CORE, ids=label)
def test_pure_core_imports_the_standard_library_and_itself(path: Path) -> None:
    also = BEYOND_THE_STANDARD_LIBRARY.get(label(path).partition("/")[2], set())
    for name in imports(path):
        if name.startswith("ansible_collections"):
            assert name.startswith(f"{COLLECTION}.module_utils._"), name
            assert "api" not in name.split("."), name
        else:
            assert name.split(".")[0] in {*sys.stdlib_module_names, *also}, name


def with_all_it_imports(path: Path) -> set[Path]:
    """A plugin and everything of the collection that travels with it."""
    found: set[Path] = set()
    ahead = [path]
    while ahead:
        current = ahead.pop()
        found.add(current)
        for name in imported_names(current):
            inside = ROOT / "plugins" / (name.removeprefix(f"{COLLECTION}.").replace(".", "/") + ".py")
            if name.startswith(COLLECTION) and inside.is_file() and inside not in found:
                ahead.append(inside)
    return found


@pytest.mark.parametrize("path", sorted((ROOT / "plugins" / "modules").glob("*.py")), ids=label)
def test_what_needs_the_controllers_libraries_never_travels(path: Path) -> None:
    assert path in with_all_it_imports(path)
    assert not {label(part).partition("/")[2] for part in with_all_it_imports(path)} & set(BEYOND_THE_STANDARD_LIBRARY)


def test_the_controllers_libraries_are_reached_by_what_runs_there() -> None:
    """That the walk over imports sees them where they are."""
    actions = [ROOT / "plugins" / "action" / f"{name}.py" for name in ("seed_info", "volume_vulnerabilities")]
    reached = set().union(*map(with_all_it_imports, actions))
    assert set(BEYOND_THE_STANDARD_LIBRARY) <= {label(part).partition("/")[2] for part in reached}


@pytest.mark.parametrize("path", CORE, ids=label)
def test_pure_core_does_no_input_or_output(path: Path) -> None:
    forbidden = {"os", "subprocess", "socket", "shutil", "tempfile", "urllib.request", "http.client", "fcntl"}
    assert not imports(path) & forbidden
    calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    assert not {call.id for call in calls if isinstance(call, ast.Name)} & {"open", "print", "exec", "eval"}


@pytest.mark.parametrize("path", SERVICES, ids=label)
def test_services_do_not_import_doors(path: Path) -> None:
    for name in imports(path):
        assert not any(name.startswith(f"{COLLECTION}.{kind}") for kind in DOOR_KINDS), name


@pytest.mark.parametrize("path", DOORS, ids=label)
def test_doors_are_thin(path: Path) -> None:
    """A door is arguments in, result out: at most about forty lines of code behind its documentation."""
    if path.parent.name == "callback":
        pytest.skip("a callback is called at every event: its door is as wide as Ansible's interface")
    module = ast.parse(path.read_text())
    code: set[int] = set()
    for statement in module.body:
        documentation = isinstance(statement, (ast.Assign, ast.Import, ast.ImportFrom)) or (
            isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        )
        if not documentation:
            # Arguments are a table, however many lines it takes: statements are what is counted.
            code |= {node.lineno for node in ast.walk(statement) if isinstance(node, ast.stmt)}
    assert len(code) <= 40, f"{len(code)} lines of code"


@pytest.mark.parametrize("path", PLAYBOOKS, ids=label)
def test_playbooks_are_short_and_hold_phases_only(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 40
    for play in yaml.safe_load(text):
        for task in play.get("tasks", []):
            for inner in [*task.get("block", []), *task.get("rescue", [])] or [task]:
                assert {"ansible.builtin.include_role", "petal.hpc.run_guard"} & set(inner), inner


@pytest.mark.parametrize("path", PLAYBOOKS, ids=label)
def test_every_playbook_looks_at_the_run_first(path: Path) -> None:
    """A part of another playbook needs no look of its own: its first lines say that it is one."""
    if "part of" not in path.read_text().split("\n- ", 1)[0]:
        first = yaml.safe_load(path.read_text())[0]
        assert first.get("ansible.builtin.import_playbook") == "guard.yml"


@pytest.mark.parametrize("path", [*PLAYBOOKS, *ROLE_FILES], ids=label)
def test_the_provider_is_one_seam(path: Path) -> None:
    """Nothing asks which provider it is; steps are included by the provider's name, from its own directory."""
    if set(path.parts) & set(PROVIDERS):
        return
    asked = re.findall(r"provider\s*[!=]=|==\s*['\"](?:local|aws)['\"]", path.read_text())
    assert not asked


def test_every_provider_has_every_step() -> None:
    """What the role includes by provider exists for each provider that there is."""
    tasks = ROOT / "roles" / "software_volume" / "tasks"
    steps = {step for path in tasks.glob("*.yml") for step in re.findall(r"\}\}/([a-z_]+)\.yml", path.read_text())}
    assert steps
    for provider in PROVIDERS:
        directory = tasks / provider
        if directory.is_dir():
            assert steps <= {path.stem for path in directory.glob("*.yml")}


def test_role_defaults_and_argument_specs_name_the_same_variables() -> None:
    """Argument specs only check: a default that is not in defaults/main.yml does not exist."""
    for role in sorted((ROOT / "roles").iterdir()):
        defaults = set(yaml.safe_load((role / "defaults" / "main.yml").read_text()) or {})
        entry_points = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text())["argument_specs"]
        documented = {name for spec in entry_points.values() for name in spec.get("options", {})}
        required = {
            name
            for spec in entry_points.values()
            for name, option in spec.get("options", {}).items()
            if option.get("required")
        }
        assert documented - required <= defaults <= documented, role.name
        assert (role / "README.md").is_file(), role.name
        assert (role / "molecule" / "default" / "molecule.yml").is_file(), role.name
