"""GLMPROV SIMULATED `python -m sglang.launch_server`."""

import sys

from engine_simulator import launch

if __name__ == "__main__":
    launch.main(sys.argv[1:], command="python -m sglang.launch_server")
