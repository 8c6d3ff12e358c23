"""Task Engine: runs video-on-demand workflows behind a REST API.

main.py puts the parts together, engine.py runs the actors, model.py has the nouns, and
docs/architecture.md follows a job through the code.
"""
