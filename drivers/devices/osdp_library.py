"""libosdp, where it is installed: the extra ``osdp`` brings it. Never install the package ``osdp`` beside it."""

from typing import Any, Final

try:
    import osdp_sys
except ImportError:  # the extra is not installed
    osdp_sys = None
library: Any = osdp_sys

INSTALL: Final = "pip install 'postern[osdp]'"


class OsdpMissingError(RuntimeError):
    """libosdp is not installed here."""

    def __init__(self) -> None:
        super().__init__(
            "OSDP readers need libosdp, which is not installed here. Install the extra on this machine: "
            f"{INSTALL} (and remove the package 'osdp' if it is there: pip uninstall osdp)"
        )


def has_libosdp() -> bool:
    """Whether the extra is installed."""
    return library is not None
