"""How many examples does a property get? HYPOTHESIS_FACTOR=20 gives each of them twenty times more.

Without it a property gets the same examples each time, so that a change fails by its own fault
only. With it they are random, and what failed is kept in .hypothesis/ to be tried first.
"""

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

FACTOR = int(os.environ.get("HYPOTHESIS_FACTOR", "1"))
# Making a failure over HTTP short takes minutes, in which pytest would end the test without it.
WITHOUT_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
as_long_as_it_takes = pytest.mark.timeout(120 if FACTOR == 1 else 0)


def examples(count: int, **options: Any) -> settings:
    """No example is too slow: a machine may have other work. Fixtures last for all examples."""
    unusual = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return settings(
        max_examples=count * FACTOR,
        derandomize=FACTOR == 1,
        deadline=None,
        suppress_health_check=unusual,
        **options,
    )


def examples_over_http(count: int, **options: Any) -> settings:
    phases = WITHOUT_SHRINKING if FACTOR == 1 else tuple(Phase)
    return examples(count, phases=phases, **options)
