"""Measurements, each a package here whose `command` runs as `taskengine bench <name>`."""
