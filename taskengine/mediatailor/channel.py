"""Bringing a channel to its lineup, and starting, stopping, deleting it.

Every step looks first and acts where something is missing, so that a repeated attempt goes on where
the last one ended; `confirm` is awaited before each change, and fails for an outdated attempt.
A running channel is never without programs: new ones are put behind the old, and then the old go.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import trio

from taskengine.mediatailor.lineup import GROUP, MANIFEST, Lineup, Program, VodSource, job_of
from taskengine.mediatailor.service import NotThere, Service
from taskengine.model import PermanentFailure
from taskengine.outbound import RequestFailed

Answer = dict[str, Any]
POLL_PAUSE: Final = 0.5  # seconds between two looks at a channel's state
LOOKS: Final = 120  # until it has to be there
AHEAD: Final = "1440"  # minutes of a running channel's schedule that are listed at once
RUNNING, STOPPED = "RUNNING", "STOPPED"


@dataclass(frozen=True, slots=True)
class LoopingChannel:
    name: str
    service: Service
    confirm: Callable[[], Awaitable[None]]

    async def look(self) -> Answer | None:
        """What the service says of it; None: there is none."""
        return await self._seek("DescribeChannel", ChannelName=self.name)

    async def offer_location(self, location: str, origin: str) -> None:
        """Make the origin of sources known by the name of the location."""
        place = {"SourceLocationName": location}
        if await self._seek("DescribeSourceLocation", **place) is None:
            await self._do("CreateSourceLocation", **place, HttpConfiguration={"BaseUrl": origin})

    async def offer_source(self, source: VodSource, *, update: bool) -> None:
        """Make a source of a known location known; a known source is written again where `update`
        says so."""
        name = {"SourceLocationName": source.location, "VodSourceName": source.name}
        if await self._seek("DescribeVodSource", **name) is None:
            await self._do("CreateVodSource", **name, HttpPackageConfigurations=source.packages)
        elif update:
            await self._do("UpdateVodSource", **name, HttpPackageConfigurations=source.packages)

    async def make(self, window: int) -> Answer:
        """Create the channel, or give an existing one its window, in seconds."""
        output = {
            "ManifestName": MANIFEST,
            "SourceGroup": GROUP,
            "HlsPlaylistSettings": {"ManifestWindowSeconds": window},
        }
        given = {"ChannelName": self.name, "Outputs": [output]}
        found = await self.look()
        if found is None:
            await self._do("CreateChannel", **given, PlaybackMode="LOOP", Tier="BASIC")
        elif [_settings_of(one) for one in found["Outputs"]] != [output]:
            await self._do("UpdateChannel", **given)
        found = await self.look()
        if found is None:
            raise RequestFailed(f"the channel {self.name} was made and is not there yet")
        await self._do("PutChannelPolicy", ChannelName=self.name, Policy=_open_to_all(found["Arn"]))
        return found

    async def schedule(self, job_id: int, lineup: Lineup) -> None:
        """Put a job's programs into the loop, in their order, then take those of earlier jobs out.
        Raises PermanentFailure where a later job has been there."""
        there = await self._programs()
        if any((job_of(one) or 0) > job_id for one in there):
            raise PermanentFailure(f"a later job has assembled the channel {self.name} meanwhile")
        before = there[-1] if there else None
        for program in lineup.programs:
            if program.name not in there:
                await self._do("CreateProgram", **self._program(program, before))
            before = program.name
        await self._clear(keep={program.name for program in lineup.programs})

    async def _clear(self, keep: Collection[str]) -> None:
        """Take programs out of the loop: the schedule of a running channel shows so many at once,
        and the others as those go."""
        done = set(keep)
        while old := [one for one in await self._programs() if one not in done]:
            for name in old:
                await self._remove("DeleteProgram", ChannelName=self.name, ProgramName=name)
            done.update(old)

    def _program(self, program: Program, before: str | None) -> Answer:
        transition = {"RelativePosition": "AFTER_PROGRAM", "Type": "SEQUENTIAL"}
        if before is not None:
            transition["RelativeProgram"] = before
        breaks = [
            {
                "MessageType": "SPLICE_INSERT",
                "OffsetMillis": one.offset,
                "Slate": {
                    "SourceLocationName": one.slate.location,
                    "VodSourceName": one.slate.name,
                },
            }
            for one in program.breaks
        ]
        return {
            "ChannelName": self.name,
            "ProgramName": program.name,
            "SourceLocationName": program.source.location,
            "VodSourceName": program.source.name,
            "ScheduleConfiguration": {"Transition": transition},
            "AdBreaks": breaks,
        }

    async def start(self) -> None:
        await self._come_to(RUNNING, "StartChannel")

    async def stop(self) -> None:
        await self._come_to(STOPPED, "StopChannel")

    async def delete(self) -> bool:
        """Stop it first, then remove it with its programs; whether there was one."""
        if await self.look() is None:
            return False
        await self.stop()
        await self._clear(keep=())
        await self._remove("DeleteChannelPolicy", ChannelName=self.name)
        await self._remove("DeleteChannel", ChannelName=self.name)
        return True

    async def _come_to(self, state: str, operation: str) -> None:
        found = await self.look()
        if found is None:
            raise PermanentFailure(f"there is no channel {self.name}")
        if found["ChannelState"] == state:
            return
        await self._do(operation, ChannelName=self.name)
        for _ in range(LOOKS):
            found = await self.look()
            if found is None or found["ChannelState"] == state:
                return
            await trio.sleep(POLL_PAUSE)
        raise RequestFailed(f"the channel {self.name} is not {state} yet")

    async def _programs(self) -> list[str]:
        """The names of what is in the loop, each once: a loop repeats itself in a schedule."""
        names: dict[str, None] = {}
        more: Answer = {}
        while True:
            page = await self.service.call(
                "GetChannelSchedule", ChannelName=self.name, DurationMinutes=AHEAD, **more
            )
            items = page.get("Items", [])
            names |= dict.fromkeys(
                one["ProgramName"]
                for one in items
                if one.get("ScheduleEntryType", "PROGRAM") == "PROGRAM"
            )
            if not page.get("NextToken"):
                return list(names)
            more = {"NextToken": page["NextToken"]}

    async def _do(self, operation: str, **parameters: Any) -> Answer:
        await self.confirm()
        return await self.service.call(operation, **parameters)

    async def _remove(self, operation: str, **parameters: Any) -> None:
        with suppress(NotThere):  # an earlier attempt did it, and its answer was lost
            await self._do(operation, **parameters)

    async def _seek(self, operation: str, **parameters: Any) -> Answer | None:
        try:
            return await self.service.call(operation, **parameters)
        except NotThere:
            return None


def playback_url(channel: Answer) -> str:
    """Where viewers find a channel's live playlist."""
    return str(channel["Outputs"][0]["PlaybackUrl"])


def _settings_of(output: Answer) -> Answer:
    hls = output.get("HlsPlaylistSettings", {})
    return {
        "ManifestName": output["ManifestName"],
        "SourceGroup": output["SourceGroup"],
        "HlsPlaylistSettings": {"ManifestWindowSeconds": hls.get("ManifestWindowSeconds")},
    }


def _open_to_all(arn: str) -> str:
    """The policy by which anybody may play a channel; without one nobody may."""
    statement = {
        "Sid": "AllowAnonymous",
        "Effect": "Allow",
        "Principal": "*",
        "Action": "mediatailor:GetManifest",
        "Resource": arn,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
