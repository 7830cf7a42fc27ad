"""Programs that end without closing their publisher."""

from __future__ import annotations

import os
import sys
import threading

from tidings import Publisher

how, channel = sys.argv[1:3]
publisher = Publisher(sys.argv[3] if len(sys.argv) > 3 else os.environ["PUBLISHER_URL"], timeout=15)

match how:
    case "at once":  # before there is even a connection
        for number in range(200):
            publisher.publish_soon(channel, number)
    case "raising":
        for number in range(200):
            publisher.publish_soon(channel, number)
        sys.stderr.close()
        raise SystemExit(0)
    case "forgotten":  # nobody has it any more, and it goes on until it is done
        for number in range(200):
            publisher.publish_soon(channel, number)
        del publisher
    case "late thread":  # which is waited for after the main thread has ended
        started = threading.Event()

        def late() -> None:
            started.set()
            threading.main_thread().join()
            for number in range(200):
                publisher.publish_soon(channel, number)

        threading.Thread(target=late).start()
        started.wait()
