"""`python -m lem` is `lem`."""

from lem.cli import main

main()
