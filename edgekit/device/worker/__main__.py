"""`python -m edgekit.device.worker --release DIR --work DIR`: started by the keeper."""

from edgekit.device.worker.main import run_and_exit

if __name__ == "__main__":
    run_and_exit()
