"""When does Python look for garbage in a process that serves?

What is there after the start stays: Django, the models, the compiled tools. To walk through all of
that again and again takes a sixth of the start, and later, once in some hundred requests, 0.1 s in
which nobody is served.
"""

import gc

# Objects made beyond those freed, then collections of the younger generation.
THRESHOLDS = (20_000, 20, 20)


def wait_until_started() -> None:
    """As the first thing of a start; `spare_what_stays` is its end."""
    gc.disable()


def spare_what_stays() -> None:
    """Once, when the process is ready to serve.

    The garbage of the start stays, too: it's a megabyte, and to find it would make the first caller
    wait for another tenth of a second.
    """
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    gc.enable()
