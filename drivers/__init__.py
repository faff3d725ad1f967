"""Hardware at the gate: serial ports, relay boards, input modules, and the installer's command line."""
