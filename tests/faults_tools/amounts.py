"""How much a campaign does: a little in every run of the suite, and as much more as ``POSTERN_FAULTS`` says.

What a campaign counted is in the log: pytest shows it with ``--log-cli-level=INFO``, and beside a failure.
"""

import logging
import os
from typing import Final

VARIABLE: Final = "POSTERN_FAULTS"


def scaled(usual: int) -> int:
    """``usual``, or that many times the factor in the environment (``POSTERN_FAULTS=20``)."""
    return max(1, round(usual * float(os.environ.get(VARIABLE, "1"))))


def seen(words: object) -> None:
    """Put figures of a campaign, and its seed, into the log."""
    logging.getLogger("faults").info("%s", words)
