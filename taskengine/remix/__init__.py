"""Remixes: clips of files and streams joined into one asset, its breaks, and its live form."""
