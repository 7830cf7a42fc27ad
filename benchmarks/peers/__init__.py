"""Other servers that bring messages to browsers, with the same load client in the same run: `make bench-peers`.

They are installed into build/peers, from `requirements.txt` and with a Go toolchain, and never beside Tidings. One that
is not there is left out, and the report says so.
"""

from benchmarks.peers.servers import PEERS, Centrifugo, Peer, left_out, present

__all__ = ["PEERS", "Centrifugo", "Peer", "left_out", "present"]
