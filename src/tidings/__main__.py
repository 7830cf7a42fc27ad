"""`python -m tidings`, the same as `tidings`."""

from tidings.cli.main import main

main()
