"""The demonstration: a real engine, a client of its API, and a look at what comes out.

engine     `taskengine serve` as a child process, on embedded servers
receiver   where its callbacks go
film       what is packaged
live       what is captured while it runs
site       where both are to be had, and a page that plays the results
story      the jobs, as a client submits them
playback   whether the results play
"""

from taskengine.demo.show import show

__all__ = ["show"]
