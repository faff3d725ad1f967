"""The commands of ``postern-driver``, one idea a module; ``drivers.tool.commands`` registers them."""
