"""What actions return, before it is stored."""

import json

import pytest

from taskengine.actors.results import encode_result
from taskengine.model import PermanentFailure
from taskengine.texts import MAX_DEPTH


def nested(levels):
    value = {}
    for _ in range(levels - 1):
        value = {"in": value}
    return value


@pytest.mark.parametrize("secrets", [(), ("secret-word",)])
async def test_a_result_has_as_many_levels_as_a_submission(secrets):
    kept = nested(MAX_DEPTH)
    assert json.loads(await encode_result(kept, secrets)) == kept
    for levels in (MAX_DEPTH + 1, 600):
        with pytest.raises(PermanentFailure, match="nested deeper than 64 levels"):
            await encode_result(nested(levels), secrets)


async def test_what_no_store_can_keep_is_replaced():
    given = {"a\udc00": ["b\ud800\0c", "\\u0000"], "wide": [{}] * 100}
    assert json.loads(await encode_result(given)) == {
        "a\ufffd": ["b\ufffd\ufffdc", "\\u0000"],
        "wide": [{}] * 100,
    }


async def test_keys_that_are_no_texts_are_told_as_json_tells_them():
    given = {True: 1, None: 2, 1.5: 3, 7: {False: ()}}
    assert await encode_result(given) == '{"true":1,"null":2,"1.5":3,"7":{"false":[]}}'
