"""A check of a compute node, run there by `launch.py doctor` with the jobs' Python. Prints one line of JSON.

Argument: a file that the launcher has just written into the runs folder. Standard library alone, Python 3.6 and newer.
"""

import json
import os
import platform
import resource
import sys
import time

seen = sys.argv[1]
answer = {
    "time": time.time(),
    "host": platform.node(),
    "python": platform.python_version(),
    "cpus": len(os.sched_getaffinity(0)),
    "memory_lock": resource.getrlimit(resource.RLIMIT_MEMLOCK)[0],
    "open_files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
    "sees_runs": os.path.exists(seen),  # noqa: PTH110
    "may_write": os.access(os.path.dirname(seen), os.W_OK),  # noqa: PTH120
}
print(json.dumps(answer))
