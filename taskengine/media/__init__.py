"""Media work: ffmpeg, the packager, playlists and manifests. Processes and formats, no jobs."""
