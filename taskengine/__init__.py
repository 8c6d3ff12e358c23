"""Task Engine: runs video-on-demand workflows behind a REST API."""
