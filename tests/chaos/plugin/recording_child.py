"""Say every 10 ms that this attempt runs: its name, this process, the time."""

import os
import signal
import sys
import time

ENDLESS = 600.0  # seconds

log, name, seconds, *ways = sys.argv[1:]
if "stubborn" in ways:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "leaving" in ways and os.fork() == 0:
    os.setsid()
descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
at_first_endless = "endless" in ways and name.endswith("-1")
end = time.monotonic() + (ENDLESS if at_first_endless else float(seconds))
while time.monotonic() < end:
    os.write(descriptor, f"{name} {os.getpid()} {time.time():.6f}\n".encode())
    time.sleep(0.01)
