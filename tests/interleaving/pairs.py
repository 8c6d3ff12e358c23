"""Which actions a world has: every two of them want the same rows, and are run as pairs.

Left out is what cannot meet. Schedules share no row with jobs but the switch of
`queue_scheduled_jobs`, which is tried beside `queue_due` and the gates. Clients are read by claims
alone, for their options. Lanes are taken by couriers without a lock on their jobs, so that they
are tried where callbacks wait. Log lines and results are rows of their own. `join` makes a row
that nobody has heard of.
"""

from __future__ import annotations

import uuid

from taskengine.policy import SYSTEM
from taskengine.testing.contract.world import at
from tests.interleaving.actions import (
    Action,
    activate,
    admit,
    admit_newcomer,
    answer,
    beat,
    begin,
    cascade,
    claim,
    claim_gates,
    claim_ticks,
    clear,
    declare,
    declare_and_rescue,
    deliver,
    end_tick,
    fail,
    finish,
    gate,
    join,
    lanes,
    leave,
    pause,
    put_schedule,
    queue_due,
    rank,
    release,
    release_lanes,
    remove_schedule,
    replay,
    rerun,
    rescue,
    rescue_known,
    resume,
    retry,
    setting,
    slots,
    stop,
    submit,
    sweep,
    sweep_jobs,
    time,
)
from tests.interleaving.worlds import DEAD, FIRST, GATE, SECOND

SAME_REQUEST, KEY = uuid.UUID(int=7), {"idempotency_key": "k", "body_digest": "d"}
again = submit(number=1, request_id=SAME_REQUEST)
keyed = submit(number=2, **KEY)

ACTIONS: dict[str, list[Action]] = {
    "siblings": [
        *(finish("a"), fail("a"), retry("a"), release("a"), begin("a")),
        *(finish("b"), fail("b"), release("b")),
        *(pause("job"), stop("job"), rerun("job"), rank("job", 2), submit("job")),
        *(rescue, leave(DEAD), leave(FIRST), beat(DEAD), claim(SECOND), claim(DEAD), slots, join),
        *(declare, rescue_known, declare_and_rescue),
    ],
    "twins": [
        *(finish("a"), finish("b"), finish("a", "b"), fail("a", "b"), retry("a", "b")),
        *(pause("job"), stop("job"), rerun("job"), leave(FIRST), claim(SECOND)),
        *(stop("child"), pause("child"), rerun("child"), submit("child")),
    ],
    "cap": [
        *(admit(), admit(1), admit_newcomer, finish("one"), fail("two")),
        *(pause("one"), stop("one"), rerun("one")),
        *(rank("high", 9), rank("low", 2), rank("one", 2), pause("high"), stop("high")),
        *(time("high", 60), gate("high", GATE), rerun("high")),
        *(slots, setting(SYSTEM, "priority_slots", 2), setting("acme", "max_jobs", 2)),
        *(submit(priority=2), submit(number=3), claim(SECOND)),
    ],
    "family": [
        *(finish("mother"), fail("mother"), finish("father"), fail("father"), rescue, admit()),
        *(pause("mother"), stop("mother"), rerun("mother"), rerun("father")),
        *(pause("child"), stop("child"), rerun("child"), resume("sister"), rerun("sister")),
        *(stop("sister"), stop("grandchild"), rerun("grandchild"), time("child", 60)),
        *(submit("mother"), submit("mother", "father", number=2), submit("child", "mother")),
        *(submit("sister"), sweep, sweep_jobs),  # a parent that had no child
    ],
    "told": [
        *(cascade(1), cascade(500), submit("mother"), submit("child", "mother"), sweep, clear),
        *(rerun("mother"), rerun("father"), rerun("child"), rerun("sister"), rerun("late")),
        *(stop("child"), pause("child"), resume("sister"), stop("sister"), time("child", 60)),
        *(stop("late"), admit(), finish("father"), fail("father")),
    ],
    "being_handed": [
        *(cascade(1), cascade(500), submit("old"), submit("child", "new"), sweep),
        *(finish("old"), leave(FIRST), rerun("new"), rerun("child"), stop("new"), stop("child")),
        *(pause("new"), pause("sister"), admit(), claim(FIRST)),
    ],
    "handed": [
        *(finish("old"), fail("old"), release("old"), leave(FIRST), admit()),
        *(rerun("old"), rerun("child"), rerun("new"), stop("new"), stop("child"), pause("new")),
        *(submit("child", "new"), submit("old"), pause("child")),
    ],
    "handed_on": [
        *(finish("new"), fail("new"), leave(FIRST)),
        *(rerun("child"), rerun("new"), stop("new"), stop("child"), pause("child")),
        *(submit("child", "new"), clear, cascade(500)),
    ],
    "paused": [
        *(finish("a"), fail("a"), retry("a"), release("a"), leave(FIRST), claim(SECOND)),
        *(resume("job"), stop("job"), rerun("job"), rank("job", 2), time("job", 60)),
        *(admit(), pause("other"), submit("job"), slots),
    ],
    "resumed": [
        *(finish("a"), fail("a"), retry("a"), release("a"), leave(FIRST), claim(SECOND)),
        *(pause("job"), stop("job"), rerun("job"), rank("job", 9), time("job", 60)),
        *(admit(), admit(1), queue_due, submit("job")),
    ],
    "ended": [
        *(rerun("job"), stop("job"), clear, replay, lanes(SECOND), submit("job")),
        *(again, keyed, submit(**KEY), submit("broken"), submit("job", number=2)),
    ],
    "gated": [
        *(claim_gates, answer("open", None), answer("closed", at(60)), queue_due, admit()),
        *(pause("asked"), resume("asked"), stop("asked"), rerun("asked"), gate("asked", None)),
        *(gate("asked", "http://other.test"), time("asked", 60), time("due", 60)),
        *(pause("due"), stop("due"), resume("due"), rank("due", 2), rerun("due")),
        activate("queue_scheduled_jobs", False),
    ],
    "outbox": [
        *(lanes(SECOND), lanes(FIRST), deliver("all", True), deliver("again", False, at(60))),
        *(deliver("dead", False), replay, finish("b"), fail("b"), stop("job"), rerun("job")),
        *(rescue, declare_and_rescue, leave(FIRST), beat(DEAD), lanes(DEAD), release_lanes),
    ],
    "ticking": [
        *(claim_ticks, end_tick, put_schedule, remove_schedule, queue_due),
        *(activate("nightly", False), activate("nightly", True)),
        activate("queue_scheduled_jobs", False),
    ],
}
