"""Announcements leave together (rule 20), by virtual times."""

from itertools import pairwise

import trio

from taskengine.actors.notifier import Notifier
from taskengine.actors.tree import Ring, close_ring, open_mailboxes
from taskengine.messages import Announce
from taskengine.runtime.mailbox import Mailbox


class Announced:
    """Nobody else is there; notes what is announced, and when."""

    def __init__(self):
        self.told = []

    async def announce(self, topics):
        await trio.lowlevel.checkpoint()
        self.told.append((trio.current_time(), sorted(topics)))

    async def listen(self):
        await trio.sleep_forever()
        yield ""


async def test_announcements_leave_at_most_every_20_ms(autojump_clock):
    store = Announced()
    with Mailbox[Announce](64) as mailbox:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Notifier(store, print).run, mailbox)
            for _ in range(100):  # in a second
                mailbox.address.hint(Announce("work"))
                mailbox.address.hint(Announce("schedule"))
                await trio.sleep(0.01)
            mailbox.address.close()
    times = [when for when, _ in store.told]
    assert min(after - before for before, after in pairwise(times)) > 0.019
    assert 40 <= len(times) <= 51
    assert all(topics == ["schedule", "work"] for _, topics in store.told)


def test_what_others_say_cannot_fail_whoever_hears_it():
    """Newer instances may know more topics; at the end nobody listens any more (rule 23)."""
    with open_mailboxes() as mailboxes:
        for topic in ("work", "of-the-future", "", "\ud800") * 100:
            mailboxes.wake(topic)
        close_ring(Ring.STARTERS, mailboxes)
        mailboxes.wake("work")
    mailboxes.wake("work")
