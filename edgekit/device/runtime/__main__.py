"""`python -m edgekit.device.runtime --release DIR --work DIR`: started by the keeper."""

from edgekit.device.runtime.main import run_and_exit

if __name__ == "__main__":
    run_and_exit()
