"""A short version of ``make cluster-demo``: one site signs, another one deploys, and changes between jobs."""

from __future__ import annotations

from pathlib import Path

import pytest
from cluster_demo import Demo
from minicluster.cluster import reason_not_to


@pytest.mark.skipif(bool(reason_not_to()), reason=reason_not_to() or "it can be done here")
@pytest.mark.usefixtures("store")
def test_a_cluster_takes_what_is_signed_changes_between_jobs_and_goes_back(tmp_path: Path) -> None:
    last = Demo(tmp_path, short=True).run()
    assert last.startswith("nodes=2 modules_ok=2 job=ok "), last
