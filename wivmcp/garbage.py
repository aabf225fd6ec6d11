"""When does Python look for garbage in a process that serves?

What is there after the start stays: Django, the models, the compiled tools. To walk through all of
that once in some hundred requests takes 0.1 s, in which nobody is served.
"""

import gc

# Objects made beyond those freed, then collections of the younger generation.
THRESHOLDS = (20_000, 20, 20)


def spare_what_stays() -> None:
    """Once, when the process is ready to serve."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
