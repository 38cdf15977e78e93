"""GLMPROV SIMULATED `python -m vllm.entrypoints.openai.api_server`."""

import sys

from engine_simulator import launch

if __name__ == "__main__":
    launch.main(sys.argv[1:], command="python -m vllm.entrypoints.openai.api_server")
