"""Settings of all unit tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A slow machine is no fault, and neither is luck: the same examples everywhere. More: --hypothesis-profile=long
settings.register_profile(
    "quick", max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("long", max_examples=3000, deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile("quick")
