"""The gate daemon: cameras, reader, lanes, journal, uplink and the kiosk page."""
