"""Couriers: deliver the outbox, in order for each job and URL, many receivers at once."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import chain

import httpx
import trio

from taskengine.actors.bodies import Bodies
from taskengine.actors.callback_requests import (
    REQUEST_DEADLINE,
    options_of,
    parsed_url,
    rendered,
    told_failure,
)
from taskengine.actors.instance_state import InstanceState
from taskengine.actors.per_host import Due, PerHostDispatcher
from taskengine.actors.rounds import QuickHosts, Round, rounds_of
from taskengine.actors.wiring import Wiring
from taskengine.callbacks.bodies import sent_at
from taskengine.callbacks.options import CallbackOptions
from taskengine.callbacks.retry_after import wished_pause
from taskengine.messages import Alert, Wake, tell_nobody
from taskengine.meters import Meters
from taskengine.model import (
    Callback,
    Delivery,
    Lane,
    LaneFence,
    LaneResult,
    TaskEngineError,
    TooHeavy,
)
from taskengine.outbound import finish
from taskengine.policy import callback_retry_at
from taskengine.runtime.clock import Now
from taskengine.runtime.mailbox import Mailbox
from taskengine.runtime.threads import in_thread
from taskengine.store import Dismissed, Store
from taskengine.traces import Traces
from taskengine.transport import is_refusal

logger = logging.getLogger(__name__)

POLL_INTERVAL = 5.0  # seconds between looks without a hint, jittered
MAX_AT_ONCE = 32  # lanes of one courier
STOPPING_GRACE = 1.0  # seconds in which a lane begins its last tries, once the engine stops
GONE = 410
FAILURES = (
    *(httpx.HTTPError, httpx.InvalidURL, trio.TooSlowError, ValueError),
    TaskEngineError,  # of the client's options: a body that cannot be rendered
)


Served = tuple[Lane, Sequence[Delivery]]


@dataclass(slots=True)
class Courier:
    """Claims lanes, sends what waits in them, and records what became of it in batches.

    At most PER_HOST lanes are served at once for a host. One that answers quickly has more of them
    claimed, for these to be served in rounds: else claims and records would take longer than the
    deliveries. As soon as it is slow, or fails, the rest of a round is given back. Where it refuses
    connections, one lane of a round is tried, and what that meets counts for all of them.
    """

    store: Store
    state: InstanceState
    now: Now
    http: httpx.AsyncClient
    unverified: httpx.AsyncClient  # takes any TLS certificate
    bodies: Bodies
    random: random.Random = field(default_factory=lambda: _dice())
    meters: Meters = field(default_factory=Meters)
    traces: Traces = field(default_factory=Traces)
    alert: Callable[[Alert], None] = tell_nobody
    dispatcher: PerHostDispatcher[Round, Sequence[Served]] = field(init=False)
    _quick: QuickHosts = field(default_factory=QuickHosts, init=False)
    _mine: set[LaneFence] = field(default_factory=set, init=False)
    _late: list[Served] = field(default_factory=list, init=False)  # not recorded yet
    _mailbox: Mailbox[Wake] | None = field(default=None, init=False)

    @classmethod
    def of(cls, wiring: Wiring) -> Courier:
        resources = wiring.resources
        return cls(
            store=resources.patient,
            state=wiring.state,
            now=resources.now,
            http=resources.environment.http,
            unverified=resources.environment.unverified,
            bodies=wiring.bodies,
            meters=resources.meters,
            traces=resources.traces,
            alert=wiring.alert,
        )

    def __post_init__(self) -> None:
        self.dispatcher = PerHostDispatcher(
            MAX_AT_ONCE, POLL_INTERVAL, self.now, self._claim, self._serve, self._record_all
        )

    @property
    def busy(self) -> int:
        return int(self.dispatcher.busy)

    @property
    def _stopping(self) -> bool:
        return self._mailbox is not None and self._mailbox.closing

    async def run(self, mailbox: Mailbox[Wake]) -> None:
        self._mailbox = mailbox
        try:
            await self.dispatcher.run(mailbox)
        finally:
            self._late.clear()
            self._forget(self._mine)

    async def _claim(self, limit: int, busy_hosts: Collection[str]) -> Due[Round]:
        await self._record_late()
        instance, now = self.state.instance, self.now()
        try:
            given = (limit, busy_hosts, now, self._quick.hosts)
            lanes, next_due = await self.store.claim_lanes(instance, *given)
        except Dismissed:
            return [], None  # the heartbeat joins anew
        except TooHeavy as error:
            logger.warning("a claim of %d lanes is too heavy: %s", limit, error)
            return await self._claim(limit // 2, busy_hosts) if limit > 1 else ([], None)
        for lane in lanes:
            self.state.lanes[lane.fence] = trio.CancelScope()
            self._mine.add(lane.fence)
        return rounds_of(lanes), next_due

    async def _serve(self, lanes: Round) -> Sequence[Served]:
        """Deliver what waits in the lanes of a round, as long as the receiver is quick."""
        served: list[Served] = []
        begun = trio.current_time()
        for place, lane in enumerate(lanes.lanes):
            started = trio.current_time()
            deliveries = await self._serve_lane(lane)
            served.append((lane, deliveries))
            is_quick = self._quick.learn(lane.url, deliveries, trio.current_time() - started)
            if deliveries and deliveries[-1].refused:
                served += self._refused(lanes.lanes[place + 1 :], deliveries[-1])
                break
            is_late = self._stopping and trio.current_time() > begun + STOPPING_GRACE
            if is_late or not is_quick:
                await self._give_back(lanes.lanes[place + 1 :])
                break
        return served

    def _refused(self, lanes: Sequence[Lane], told: Delivery) -> Iterator[Served]:
        """Lanes of a host that has just refused a connection to another one: each fails as if it
        had been tried, and has its own next try."""
        for lane in lanes:
            due_at = self._next_try(lane.failures + 1, None, None)
            delivery = replace(told, callback_id=lane.callbacks[0].id, due_at=due_at)
            self._count(lane, delivery)
            yield lane, [delivery]

    async def _give_back(self, lanes: Sequence[Lane]) -> None:
        if lanes:
            fences = {lane.fence for lane in lanes}
            await self.store.release_lanes(self.state.instance, fences, self.now())
            self._forget(fences)

    async def _serve_lane(self, lane: Lane) -> Sequence[Delivery]:
        """Deliver what waits in a lane, in order, until one fails."""
        deliveries: list[Delivery] = []
        try:
            with self.state.lanes[lane.fence]:
                await self._deliver_all(lane, deliveries)
        except Exception:  # of a clean-up, while the lane was given up
            logger.exception("lane %d was left unfinished", lane.id)
        return deliveries

    async def _deliver_all(self, lane: Lane, deliveries: list[Delivery]) -> None:
        hasty_until = trio.current_time() + STOPPING_GRACE
        options = options_of(lane)
        for callback in lane.callbacks:
            if self._stopping and trio.current_time() > hasty_until:
                break  # a try that is cut is sent twice, and so are those of its lane before it
            await self.state.surely_alive()
            deliveries.append(await self._deliver(lane, callback, options))
            self._count(lane, deliveries[-1])
            if not deliveries[-1].delivered:
                break

    def _count(self, lane: Lane, delivery: Delivery) -> None:
        """A delivery that was tried; people hear of a lane that is given up."""
        self.meters.callbacks.labels("delivered" if delivery.delivered else "failed").inc()
        if not delivery.delivered and delivery.due_at is None:
            told = f"callbacks of job {lane.job_id} to one of its URLs are given up"
            self.alert(Alert("callbacks_given_up", told, lane.job_id))

    async def _deliver(
        self, lane: Lane, callback: Callback, options: CallbackOptions | Exception
    ) -> Delivery:
        started = trio.current_time()
        async with self.bodies.of(callback) as body:
            delivery = await self._try(lane, callback, body, options)
        self.traces.callback_tried(lane, callback, delivery, trio.current_time() - started)
        return delivery

    async def _try(
        self, lane: Lane, callback: Callback, body: bytes, options: CallbackOptions | Exception
    ) -> Delivery:
        status, error, retry_after, refused = None, None, None, False
        try:
            with trio.fail_after(REQUEST_DEADLINE):
                response = await self._post(lane, callback, body, options)
                status = response.status_code
                retry_after = response.headers.get("retry-after")
                await finish(response)
        except FAILURES as failure:
            error, refused = told_failure(failure), is_refusal(failure)
        except Exception as bug:  # ours, or a library's: one delivery ends no engine
            logger.exception("callback %d of job %d cannot be sent", callback.id, lane.job_id)
            error = told_failure(bug)
        now = self.now()
        if status is not None and 200 <= status < 300:
            return Delivery(callback.id, now, delivered=True, status=status)
        due_at = self._next_try(lane.failures + 1, status, retry_after)
        return Delivery(callback.id, now, False, status, error, due_at, refused)

    async def _post(
        self, lane: Lane, callback: Callback, body: bytes, options: CallbackOptions | Exception
    ) -> httpx.Response:
        if isinstance(options, Exception):
            raise options
        now = self.now()
        body = sent_at(body, now)
        if options.body is not None:
            body = await in_thread(partial(rendered, options, callback.event, body), len(body))
        signed = options.signed(callback.webhook_id, int(now.timestamp()), body)
        headers = {**self.traces.headers(lane, callback), **signed}
        http = self.http if options.verify else self.unverified
        request = http.build_request("POST", parsed_url(lane.url), content=body, headers=headers)
        return await http.send(request, stream=True)

    def _next_try(
        self, failures: int, status: int | None, retry_after: str | None
    ) -> datetime | None:
        now = self.now()
        due_at = callback_retry_at(now, failures, self.random)
        if status == GONE or due_at is None:
            return None
        return max(due_at, now + wished_pause(retry_after, now))

    async def _record_all(self, rounds: Sequence[Sequence[Served]]) -> None:
        await self._record(list(chain.from_iterable(rounds)))

    async def _record(self, served: Sequence[Served]) -> None:
        """Of what is too heavy or held up by somebody's lock, one half after the other; what cannot
        be written by itself is tried again before each claim."""
        try:
            await self._write(served)
        except TooHeavy as error:
            if middle := len(served) // 2:
                await self._record(served[:middle])
                await self._record(served[middle:])
            else:
                logger.warning("lane %d is recorded later: %s", served[0][0].id, error)
                self._late += served

    async def _record_late(self) -> None:
        for one in list(self._late):
            with suppress(TooHeavy):
                await self._write([one], wait=False)
                self._late.remove(one)

    async def _write(self, served: Sequence[Served], **options: bool) -> None:
        results = [LaneResult(lane.fence, tries) for lane, tries in served if tries]
        await self.store.deliver(self.state.instance, results, **options)
        self._forget({lane.fence for lane, _ in served})

    def _forget(self, lanes: Collection[LaneFence]) -> None:
        for lane in list(lanes):
            self._mine.discard(lane)
            del self.state.lanes[lane]


def _dice() -> random.Random:
    """Seeded from the global generator: a test that seeds that one sees the same jitter again."""
    return random.Random(random.random())
