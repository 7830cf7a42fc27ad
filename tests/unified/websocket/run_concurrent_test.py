"""Run the tests of concurrent connections alone.

python tests/unified/websocket/run_concurrent_test.py [--verbose] [--dry-run]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).with_name("test_concurrent_connections.py")


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the tests of concurrent connections alone.")
    parser.add_argument("--verbose", action="store_true", help="name each test")
    parser.add_argument("--dry-run", action="store_true", help="show what would be tested")
    options = parser.parse_args()
    flags = ["-v"] if options.verbose else ["-q"]
    return int(pytest.main([str(TESTS), *flags, *(["--collect-only"] if options.dry_run else [])]))


if __name__ == "__main__":
    sys.exit(main())
