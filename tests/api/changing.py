"""Sending changes of jobs, and seeing what became of them."""

from __future__ import annotations

import json


async def send(api, method, path, body=None, client="demo-client", **headers):
    key = {"client": client, "api-key": headers.pop("key", None)}
    headers = {"content-type": "application/json", **key, **headers}
    headers = {name: value for name, value in headers.items() if value is not None}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = await api.request(method, path, headers=headers, data=data)
    return answer.status_code, await answer.get_json()


async def show(api, number):
    return await (await api.get(f"/jobs/{number}")).get_json()


async def state(api, number):
    return (await show(api, number))["queue_state"]
