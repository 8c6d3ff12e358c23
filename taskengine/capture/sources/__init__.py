"""What sources offer, read of their manifests: pure functions and small memories, no network.

`hls`, `dash` and `smooth` each turn the text of a manifest into tracks and windows of segments.
"""
