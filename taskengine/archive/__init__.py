"""Archives: live streams recorded for as long as wanted, and assets made of their segments.

segments.py and chapters.py say how an archive lies on disk, recording.py and archiver.py write it,
index.py reads it, selection.py chooses what an asset shows, and playlists.py, mpd.py and locking.py
make the asset's manifests. docs/archive.md has the rules.
"""
