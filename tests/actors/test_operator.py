"""The operator: bulk operations of several clients, in turns."""

import trio

from taskengine.actors.operator import TURN, Operator
from taskengine.actors.wiring import no_workflow
from taskengine.messages import Wake
from taskengine.operations import STEPS, BulkAction, BulkOperation, BulkState, limited
from taskengine.runtime.clock import virtual_clock
from taskengine.runtime.mailbox import Mailbox
from taskengine.store import JobFilter
from taskengine.store.memory import MemoryStore
from taskengine.testing.contract.world import World, submission
from tests.conftest import NOON


async def test_a_long_operation_holds_up_no_other(autojump_clock):
    store, seen = MemoryStore(), []
    world, action = await World(store).settle(), BulkAction.PAUSE
    await world.submit(*(submission() for _ in range(TURN * 3 * STEPS[action])))
    await world.submit(submission(client="beta"))
    for client in ("acme", "beta"):
        wanted = limited(action, JobFilter(client=client))
        await store.start_operation(BulkOperation(client, action, wanted, NOON))

    def look():
        seen.append([row.operation.state for row in store.tables.operations.values()])

    with Mailbox[Wake](1) as mailbox:
        async with trio.open_nursery() as nursery:
            operator = Operator(store, no_workflow, virtual_clock(NOON), look)
            nursery.start_soon(operator.run, mailbox)
            await trio.sleep(60)
            nursery.cancel_scope.cancel()
    assert [BulkState.RUNNING, BulkState.DONE] in seen[: TURN + 5]
    assert seen[-1] == [BulkState.DONE, BulkState.DONE]
