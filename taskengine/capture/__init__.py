"""Capturing streams: manifests read, segments fetched and kept, clips cut to the frame.

`docs/capture.md` follows a segment through these modules.
"""
