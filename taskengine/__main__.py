"""The command `taskengine`, also as `python -m taskengine`."""

from taskengine.cli import run

if __name__ == "__main__":
    run()
