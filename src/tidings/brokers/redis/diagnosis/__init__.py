"""What is good and what is unsafe about the Redis behind an address."""

from tidings.brokers.redis.diagnosis.asking import examine
from tidings.brokers.redis.diagnosis.facts import Facts
from tidings.brokers.redis.diagnosis.judging import judge
from tidings.findings import Finding, Level

__all__ = ["Facts", "Finding", "Level", "examine", "judge"]
