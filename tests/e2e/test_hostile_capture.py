"""Captures of hostile sources fail with a reason, and the engine answers all the while."""

from functools import partial
from pathlib import Path

import h11
import trio

from tests.capture.hostile import MANIFESTS, bomb
from tests.capture.origin import next_request
from tests.support.serving import ended_job, lines_of, post_job, serving

PATIENT = 5.0  # seconds in which the engine has to say that it lives, on a busy machine
MEMORY = 800 << 10  # kB that it may take, at most

NOWHERE = ("404", (), b"")
PACKED = "more than 16777216 bytes"
REASONS = {f"/{place}": reason for place, reason in enumerate(MANIFESTS)}
# Bounds of what is read together: one source alone is fetched from.
SET_LOWER = ("3000", "1000000 characters")
REASONS = {
    path: reason for path, reason in REASONS.items() if not any(one in reason for one in SET_LOWER)
}
REASONS |= {
    "/endless": PACKED,
    "/bomb": PACKED,
    "/round": "more than 5 redirects",
    "/inside": "no public address",
    "/away": "no public address",
}


def responses():
    """Heads and bodies by path; a body that is None has no end."""
    texts = dict(
        zip([f"/{place}" for place in range(len(MANIFESTS))], MANIFESTS.values(), strict=True)
    )
    found = {path: ("200", (), text.encode()) for path, text in texts.items()}
    inside = b"http://169.254.169.254/latest/meta-data"
    itself = next(text for text in MANIFESTS.values() if "self.m3u8" in text)
    return found | {
        "/self.m3u8": ("200", (), itself.encode()),
        "/endless": ("200", (), None),
        "/bomb": ("200", ((b"content-encoding", b"gzip"),), bomb(300 << 20)),
        "/round": ("302", ((b"location", b"/round"),), b""),
        "/away": ("302", ((b"location", inside),), b""),
    }


async def answer(known, stream):
    connection = h11.Connection(h11.SERVER)
    async with stream:
        try:
            request = await next_request(stream, connection)
            if request is None:
                return
            status, headers, body = known.get(request.target.decode(), NOWHERE)
            lines = [f"HTTP/1.1 {status} X".encode(), b"connection: close"]
            lines += [b": ".join(one) for one in headers]
            await stream.send_all(b"\r\n".join(lines) + b"\r\n\r\n" + (body or b""))
            while body is None:
                await stream.send_all(bytes(1 << 16))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return


async def asked_again_and_again(client, seconds):
    """How long the engine took at most to say that it lives."""
    while True:
        began = trio.current_time()
        assert (await client.get("/livez")).status_code == 200
        seconds.append(trio.current_time() - began)
        await trio.sleep(0.1)


async def test_hostile_sources_leave_the_engine_untouched(tmp_path, nursery):
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, partial(answer, responses()), [listener])
    own = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
    async with (
        serving(tmp_path / "var", outbound_allow="127.0.0.1/32") as (process, client),
        trio.open_nursery() as watching,
    ):
        seconds = []
        watching.start_soon(asked_again_and_again, client, seconds)
        jobs = {}
        for path, reason in REASONS.items():
            source = "http://10.0.0.1/x" if path == "/inside" else own + path
            given = {"content_id": "x", "output_folder": f"x{path}", "clips": [{"source": source}]}
            jobs[await post_job(client, "vodcapture", **given)] = reason
        for job_id, reason in jobs.items():
            job = await ended_job(client, job_id, 100)
            lines = [one["message"] for one in await lines_of(client, job_id)]
            assert job["failed"] is True
            assert any(reason in line for line in lines), lines
        watching.cancel_scope.cancel()
        status = Path(f"/proc/{process.pid}/status").read_text()
    assert max(seconds) < PATIENT
    [peak] = [int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line]
    assert peak < MEMORY, peak
