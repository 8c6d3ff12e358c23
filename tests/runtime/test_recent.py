"""What is kept of the values that were read last."""

import trio

from taskengine.runtime.recent import Recent


async def test_the_oldest_goes_where_there_are_too_many(autojump_clock):
    recent = Recent(2)
    for key in "abac":
        recent.keep(key, key.upper())
    assert [*recent] == ["a", "c"]
    assert (recent.get("a"), recent.get("b")) == ("A", None)


async def test_a_value_is_as_old_as_its_reading(autojump_clock):
    recent = Recent(2, age=1.0)
    read = trio.current_time()
    await trio.sleep(0.6)
    recent.keep("a", 1, read)
    recent.keep("b", 2)
    await trio.sleep(0.4)
    assert (recent.get("a"), recent.get("b")) == (None, 2)


async def test_what_is_forgotten_is_gone(autojump_clock):
    recent = Recent(2)
    recent.keep("a", 1)
    recent.forget("a")
    recent.forget("b")
    assert (recent.get("a"), [*recent]) == (None, [])
