"""Let ``ansible-test sanity`` bootstrap its pip from the package index instead of a host of its own.

ansible-test looks for ``~/.ansible/test/cache/get_pip_<version>.py`` before it downloads one. This puts a script
there that runs pip out of its own wheel, which the ordinary pip client fetches.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import ansible_test._internal.python_requirements as requirements

BOOTSTRAP = """\
import runpy
import sys

sys.path.insert(0, {wheel!r})
sys.argv[1:] = ["install", *(word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel"))]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""


def main() -> None:
    """Write the script for every version of pip that this ansible-test may ask for, unless it is there."""
    cache = Path.home() / ".ansible" / "test" / "cache"
    for version in sorted(set(re.findall(r"""pip=['"]([0-9.]+)['"]""", Path(requirements.__file__).read_text()))):
        script = cache / f"get_pip_{version.replace('.', '_')}.py"
        if script.exists():
            continue
        cache.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(cache), f"pip=={version}"],
            check=True,
        )
        script.write_text(BOOTSTRAP.format(wheel=str(cache / f"pip-{version}-py3-none-any.whl")))


if __name__ == "__main__":
    main()
