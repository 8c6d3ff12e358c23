"""When tests take place."""

from datetime import UTC, datetime

NOON = datetime(2031, 2, 1, 12, 0, tzinfo=UTC)
