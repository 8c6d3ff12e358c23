"""Instances in memory: their heartbeats, what they run, and what becomes of that."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from taskengine.messages import Topic
from taskengine.model import Ended, Fence, Outcome, Recorded, Task, TaskState
from taskengine.store import Beat, Dismissed
from taskengine.store.completion import ENGINE_FELL, ENGINE_STOPPED, lost_with
from taskengine.store.memory.edges import settle_edges
from taskengine.store.memory.notify import announce
from taskengine.store.memory.record import end_task
from taskengine.store.memory.rows import Peer, TaskRow
from taskengine.store.memory.tables import Tables


def join(
    tables: Tables,
    name: str,
    now: datetime,
    lease: float = 0.0,
    process: uuid.UUID | None = None,
) -> int:
    """See Store.join."""
    instance = tables.next_id("instance")
    tables.beats[instance] = 0
    tables.peers[instance] = Peer(name, lease, process, now)
    return instance


def offer(tables: Tables, instance: int, queue: str, actions: Collection[str]) -> None:
    """See Store.offer."""
    tables.check_instance(instance)
    tables.offers[instance, queue] = frozenset(actions)


def put_workflows(tables: Tables, instance: int, digest: str) -> None:
    """See Store.put_workflows."""
    if instance in tables.peers:
        tables.peers[instance].workflows = digest


def unserved(tables: Tables) -> Sequence[tuple[str, str]]:
    """See StoreReads.unserved."""
    tasks = [row.task for row in tables.tasks.values()]
    return sorted({(one.queue, one.action) for one in tasks if is_unserved(tables, one)})


def is_unserved(tables: Tables, task: Task) -> bool:
    """Whether no instance runs a queued task."""
    offers = [own for (_, queue), own in tables.offers.items() if queue == task.queue]
    return task.state is TaskState.QUEUED and not any(task.action in own for own in offers)


def leave(tables: Tables, instance: int, now: datetime, *, fallen: bool = False) -> None:
    """See Store.leave."""
    outcome, fate = Outcome.RELEASED, ENGINE_STOPPED
    if fallen:
        outcome, fate = Outcome.LOST, ENGINE_FELL
    _retire(tables, instance, outcome, fate, now)


def beat(tables: Tables, instance: int) -> Beat:
    """See Store.beat."""
    tables.check_instance(instance)
    if tables.peers[instance].dead:
        raise Dismissed(instance)
    tables.beats[instance] += 1
    held = _held(tables, instance)
    unwanted = [row for row in held if not tables.jobs[row.task.job_id].wanted]
    lanes = [lane for lane in tables.lanes.values() if lane.holder == instance]
    return Beat(
        frozenset(row.fence for row in held),
        frozenset(row.fence for row in unwanted),
        frozenset((lane.id, lane.claims) for lane in lanes),
    )


def beats(tables: Tables) -> Mapping[int, int | None]:
    """See Store.beats."""
    return {instance: _known_beat(tables, instance) for instance in tables.beats}


def _known_beat(tables: Tables, instance: int) -> int | None:
    return None if tables.peers[instance].dead else tables.beats[instance]


def leases(tables: Tables) -> Mapping[int, float]:
    """See Store.leases."""
    return {instance: peer.lease for instance, peer in tables.peers.items()}


def rescue(tables: Tables, instance: int, beat: int | None, now: datetime) -> Recorded | None:
    """See Store.rescue."""
    if instance not in tables.beats or _known_beat(tables, instance) != beat:
        return None
    peer = tables.peers[instance]
    fate = lost_with(instance, peer.name, peer.lease, known=peer.dead)
    before = set(tables.cascades)
    ended = tuple(_retire(tables, instance, Outcome.LOST, fate, now, rescued=True))
    waited = bool(tables.cascades.keys() - before)
    return Recorded(ended_jobs=ended, woken=True, scheduled=True, called=True, waited=waited)


def mark_over(tables: Tables, instance: int, fences: Collection[Fence]) -> None:
    """See Store.mark_over."""
    tables.over[instance] = frozenset(fences)


def declare_dead(tables: Tables, process: uuid.UUID) -> None:
    """See Store.declare_dead."""
    dead = [one for one in tables.peers.values() if one.process == process and not one.dead]
    for peer in dead:
        peer.dead = True
    if dead:
        announce(tables, [Topic.DEATH])


def _retire(
    tables: Tables,
    instance: int,
    outcome: Outcome,
    fate: str,
    now: datetime,
    *,
    rescued: bool = False,
) -> list[int]:
    """End what an instance holds, and forget it; the jobs that are over with that."""
    ended: list[int] = []
    over = tables.over.pop(instance, frozenset())
    for row in _held(tables, instance):
        unbegun = row.ahead and row.task.started_at is None
        own = Outcome.RELEASED if unbegun or row.fence in over else outcome
        end = Ended(row.fence, now, own, fate=fate)
        ended += end_task(tables, row, end, now, rescued=rescued)
    settle_edges(tables, ended, now)
    _forget(tables, instance, now)
    return ended


def _held(tables: Tables, instance: int) -> list[TaskRow]:
    return [row for row in tables.tasks.values() if row.holder == instance]


def _forget(tables: Tables, instance: int, now: datetime) -> None:
    tables.beats.pop(instance, None)
    tables.peers.pop(instance, None)
    tables.offers = {key: own for key, own in tables.offers.items() if key[0] != instance}
    for lane in tables.lanes.values():
        if lane.holder == instance:
            lane.let_go(now)
