"""``python -m qgbatch``."""

from qgbatch.cli import main

if __name__ == "__main__":
    main()
