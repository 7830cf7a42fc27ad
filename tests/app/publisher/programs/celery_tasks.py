"""A Celery application whose tasks publish. The publisher is used before the worker forks, as it is made on import."""

from __future__ import annotations

import os

from celery import Celery

from tidings import Publisher

app = Celery("celery_tasks", broker=os.environ["CELERY_URL"])
app.conf.update(
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    task_default_queue=os.environ["CHANNEL"],
)

publisher = Publisher(os.environ["PUBLISHER_URL"], timeout=20)
publisher.publish(os.environ["CHANNEL"], ["loaded", os.getpid()])


@app.task(name="ship")
def ship(number: int) -> None:
    publisher.publish(os.environ["CHANNEL"], ["shipped", number, os.getpid()])
    publisher.publish_soon(os.environ["CHANNEL"], ["told", number, os.getpid()])
    publisher.flush()


if __name__ == "__main__":
    for each in range(10):
        ship.delay(each)
    app.pool.force_close_all()
