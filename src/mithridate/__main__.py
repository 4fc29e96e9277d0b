"""`python -m mithridate`: the command."""

from mithridate.cli import main

if __name__ == "__main__":
    main()
