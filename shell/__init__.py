"""What every daemon and tool stands on: clock, settings, logs, supervision and the page kit."""
