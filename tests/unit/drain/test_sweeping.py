"""What an attempt that died has left in the store goes after a day, and nothing else does."""

import os
import time
from datetime import UTC, datetime, timedelta

from scenario import Operation


def test_a_drain_sweeps_once_a_day(operation: Operation) -> None:
    operation.begin()
    store = operation.root / ".opsintel/store/parcels"
    kept = sorted(store.rglob("*.parquet"))
    garbage = kept[0].with_name("raw-of-a-dead-attempt.parquet")
    garbage.write_bytes(b"half a file")
    long_ago = time.time() - 2 * 24 * 3600
    for file in [*kept, garbage]:
        os.utime(file, (long_ago, long_ago))
    operation.drain()
    assert garbage.exists()  # the first drain has swept a moment ago
    tomorrow = datetime.now(UTC) + timedelta(hours=25)
    report = operation.drain(clock=lambda: tomorrow)
    assert not garbage.exists()
    assert sorted(store.rglob("*.parquet")) == kept
    assert report.promise.conservation is not None
    assert report.promise.conservation.holds
