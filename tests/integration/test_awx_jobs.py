"""The playbooks as AWX runs them: in a container for each job, with its callback, its credentials and its variables."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from awx_runner import JOBS, Course
from awx_site import site
from minicluster.cluster import reason_not_to

pytestmark = pytest.mark.skipif(bool(reason_not_to()), reason=reason_not_to() or "it can be done here")


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Course]:
    """One site for all: a job runs once, after those that it needs."""
    with site(tmp_path_factory.mktemp("awx")) as there:
        yield Course(there)


@pytest.mark.parametrize("name", JOBS)
def test_a_job_ends_as_it_must_and_hands_on_what_it_must(name: str, course: Course) -> None:
    course.of(name)


def test_no_secret_is_in_what_awx_keeps(course: Course) -> None:
    course.of("build")
    assert course.site.seen == []
