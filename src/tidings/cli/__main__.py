"""`python -m tidings.cli`, the same as `tidings`."""

from tidings.cli.main import main

main()
