"""The commands of ``postern-driver``, one idea a module; ``drivers.cli`` registers them."""
