"""How many inputs does a property get? FUZZ_EXAMPLES=2000 gives each of them that many.

Without it they are few and the same each time, so that a change fails by its own fault only. With
it they are random, and what failed is kept in .hypothesis/ to be tried first.
"""

import os

import pytest
from hypothesis import HealthCheck, Phase, settings

CHOSEN = os.environ.get("FUZZ_EXAMPLES")
EXAMPLES = int(CHOSEN or 30)
as_long_as_it_takes = pytest.mark.timeout(0 if CHOSEN else 120)

# Making a failure over HTTP short takes minutes, in which pytest would end the test without it.
few_phases = (Phase.explicit, Phase.reuse, Phase.generate)

fuzz = settings(
    max_examples=EXAMPLES,
    derandomize=CHOSEN is None,
    deadline=None,
    phases=tuple(Phase) if CHOSEN else few_phases,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)

# Where each takes a password's third of a second.
few = settings(fuzz, max_examples=max(1, EXAMPLES // 10))
