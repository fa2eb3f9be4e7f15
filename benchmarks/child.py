"""Run a command and say its wall seconds, processor seconds, peak memory and exit code, as a process of its own.

    python child.py LOG LONGEST COMMAND...

A process that has just been started counts, until its own program is loaded, the memory of the one that started it.
This one is small, and a benchmark full of pictures is not. LOG gets what the command prints; after LONGEST seconds it
is killed.
"""

import json
import os
import subprocess
import sys
import threading
import time

_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes


def main(log: str, longest: float, command: list[str]) -> None:
    """Print the figures as JSON."""
    cpu = peak = None
    with open(log, "wb") as output:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        guard = threading.Timer(longest, process.kill)
        guard.start()
        if hasattr(os, "wait4"):
            _, status, usage = os.wait4(process.pid, 0)
            code = os.waitstatus_to_exitcode(status)
            cpu, peak = usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _UNIT
        else:
            code = process.wait()
        seconds = time.perf_counter() - start
        guard.cancel()
    print(json.dumps({"seconds": seconds, "cpu": cpu, "peak": peak, "code": code}))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), sys.argv[3:])
