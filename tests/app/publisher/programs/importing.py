"""Prints which modules are imported after a publisher is made: by its first calls, a failure among them."""

from __future__ import annotations

import os
import sys

from tidings import Publisher, TidingsError

publisher = Publisher(os.environ["PUBLISHER_URL"], timeout=15)
before = set(sys.modules)
publisher.publish(sys.argv[1], 1)
publisher.broadcast([sys.argv[1]], b"\xff")
try:
    publisher.publish("nowhere:1", 1)
except TidingsError:
    publisher.close()
sys.stdout.write("".join(f"{name}\n" for name in sorted(set(sys.modules) - before)))
