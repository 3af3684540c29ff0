"""What a fork server imports once: a batch with its kernels loaded, for forks to begin with.

The folder to warm up in comes by the environment, ``WARM_FOLDER``; without it nothing happens.
"""

import os
from pathlib import Path

from tests.runners.simulate_cases import simulate

if "WARM_FOLDER" in os.environ:
    simulate(Path(os.environ["WARM_FOLDER"]), "2025-06-02", "2025-06-03")
