"""What a page asks at the same time."""

import pytest
import trio

from taskengine.model import StoreUnavailable
from taskengine.ui.asking import AT_ONCE, answers


async def answered(seconds):
    await trio.sleep(seconds)
    return seconds


async def test_a_page_waits_for_a_few_answers_at_once(autojump_clock):
    questions = {f"q{number}": lambda: answered(1) for number in range(AT_ONCE + 1)}
    assert await answers(**questions) == dict.fromkeys(questions, 1)
    assert trio.current_time() == 2


async def test_a_question_that_fails_ends_the_others(autojump_clock):
    async def away():
        raise StoreUnavailable("away")

    with pytest.raises(ExceptionGroup) as failed:
        await answers(away=away, slow=lambda: answered(60))
    assert failed.group_contains(StoreUnavailable)
    assert trio.current_time() == 0
