"""Publishing from programs that are no node: from threads, from Celery, from Django, from a notebook.

Publisher, AsyncPublisher      what applications call
front                          takes the calls, and makes orders of them
orders                         the bounded queue between the callers and the thread
engine                         the thread, its loop, and a carrier in it
carrier · http · broker        how orders get to a server, or to a broker
replies                        what a server's answer means
lifetimes                      forks, and the end of the process
"""

from tidings.app.publisher.publisher import Publisher
from tidings.app.publisher.twin import AsyncPublisher

__all__ = ["AsyncPublisher", "Publisher"]
