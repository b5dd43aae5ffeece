"""Run a program; print seconds, those of the processor, peak memory and exit code.

Small itself, because a process starts with the peak of the one that starts it.
"""

import os
import subprocess
import sys
import time

begin = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
# This process alone: getrusage would give the largest of all children so far.
_, status, usage = os.wait4(process.pid, 0)
process.returncode = os.waitstatus_to_exitcode(status)
seconds = time.perf_counter() - begin
processor = usage.ru_utime + usage.ru_stime
sys.stdout.write(f"{seconds} {processor} {usage.ru_maxrss} {process.returncode}\n")
