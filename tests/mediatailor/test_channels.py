"""The mediatailor workflows against an account that answers by the service's own model."""

import httpx
import pytest

from taskengine.mediatailor.lineup import channel_name
from taskengine.mediatailor.settings import MediaTailorSettings
from taskengine.model import BadInput, PermanentFailure
from taskengine.outbound import RequestFailed
from tests.actions.jobs import WorkflowJob, workflow
from tests.mediatailor.account import ENDPOINT, KEY_ID, REGION, SECRET, Account, Refused

SETTINGS = MediaTailorSettings(
    region=REGION, endpoint=ENDPOINT, access_key_id=KEY_ID, secret_access_key=SECRET
)
MASTER = """#EXTM3U
#EXT-X-STREAM-INF:BANDWIDTH=1000000,CODECS="{codecs}",RESOLUTION={size}
v.m3u8
"""
ALIKE = MASTER.format(codecs="avc1.64001f,mp4a.40.2", size="1280x720")
CLIPS = [
    {
        "source": "https://vod.example.org/e1.m3u8?token=1",
        "markers": {
            "meta_events": [
                {"slate": "https://vod.example.org/slate.m3u8", "presentation_time": "00:10:00.5"},
                {"slate": "https://other.example.org/pre.m3u8"},
            ]
        },
    },
    {"source": "https://vod.example.org/e2.m3u8"},
    {"source": "https://vod.example.org/e1.m3u8?token=1"},
]
NAME = channel_name("acme", "retro")
ASSEMBLY, STATE = "mediatailor_channel_assembly", "mediatailor_channel_state"


@pytest.fixture
def account():
    return Account(pages=2)


@pytest.fixture
def job(tmp_path, account):
    """Makes a job; `playlists` are what origins answer, by URL."""

    def make(name, number=7, playlists=None, settings=SETTINGS, **given):
        def answer(request: httpx.Request) -> httpx.Response:
            if str(request.url).startswith(ENDPOINT):
                return account.answer(request)
            return httpx.Response(200, text=(playlists or {}).get(str(request.url), ALIKE))

        made = WorkflowJob(
            workflow(name), tmp_path, answer=answer, mediatailor=settings, job_id=number
        )
        made.prepare({"content_id": "retro", **given})
        return made

    return make


async def test_a_new_channel_loops_the_clips_with_their_breaks(job, account):
    extras = await job(ASSEMBLY, clips=CLIPS, dvr_window_length=300).run()
    assert extras == {"message": f"https://channels.example/{NAME}/index.m3u8"}
    channel = account.channels[NAME]
    assert channel["ChannelState"] == "RUNNING"
    assert channel["Outputs"][0]["HlsPlaylistSettings"] == {"ManifestWindowSeconds": 300}
    assert account.policies[NAME]["Principal"] == "*"
    programs = account.programs[NAME]
    assert list(programs) == ["7-0000", "7-0001", "7-0002"]
    assert [one["OffsetMillis"] for one in programs["7-0000"]["AdBreaks"]] == [0, 600_500]
    assert programs["7-0000"]["VodSourceName"] == programs["7-0002"]["VodSourceName"]
    origins = {one["HttpConfiguration"]["BaseUrl"] for one in account.locations.values()}
    assert origins == {"https://vod.example.org", "https://other.example.org"}
    paths = {one["HttpPackageConfigurations"][0]["Path"] for one in account.sources.values()}
    assert paths == {"/e1.m3u8?token=1", "/e2.m3u8", "/slate.m3u8", "/pre.m3u8"}


async def test_another_job_replaces_what_the_channel_holds(job, account):
    await job(ASSEMBLY, clips=CLIPS).run()
    account.called.clear()
    await job(ASSEMBLY, number=8, clips=CLIPS[1:2], dvr_window_length=90).run()
    assert list(account.programs[NAME]) == ["8-0000"]
    assert account.channels[NAME]["Outputs"][0]["HlsPlaylistSettings"] == {
        "ManifestWindowSeconds": 90
    }
    assert account.called.count("StopChannel") == account.called.count("StartChannel") == 1
    assert "CreateVodSource" not in account.called
    assert "UpdateVodSource" not in account.called


async def test_a_channel_that_is_not_restarted_is_never_without_programs(job, account):
    await job(ASSEMBLY, clips=CLIPS).run()
    account.called.clear()
    await job(ASSEMBLY, number=8, clips=CLIPS, restart_channel=False).run()
    assert list(account.programs[NAME]) == ["8-0000", "8-0001", "8-0002"]
    assert not {"StopChannel", "StartChannel"} & set(account.called)
    assert account.channels[NAME]["ChannelState"] == "RUNNING"


async def test_a_stopped_channel_that_is_not_restarted_stays_so_and_the_log_says_it(job, account):
    await job(ASSEMBLY, clips=CLIPS).run()
    await job(STATE, state="stop").run()
    again = job(ASSEMBLY, number=8, clips=CLIPS, restart_channel=False)
    await again.run()
    assert account.channels[NAME]["ChannelState"] == "STOPPED"
    assert any("restart_channel" in line for line in again.warned())


@pytest.mark.parametrize(("update", "written"), [(False, 1), (True, 2)])
async def test_known_sources_are_written_again_on_request_alone(job, account, update, written):
    await job(ASSEMBLY, clips=CLIPS[1:2]).run()
    await job(ASSEMBLY, number=8, clips=CLIPS[1:2], update_existing_vod_sources=update).run()
    assert [one["written"] for one in account.sources.values()] == [written]


CHANGES = ["CreateSourceLocation", "CreateVodSource", "CreateChannel", "PutChannelPolicy"]
CHANGES += ["CreateProgram", "StartChannel"]


@pytest.mark.parametrize("operation", CHANGES)
@pytest.mark.parametrize("is_done", [False, True])
async def test_an_attempt_goes_on_where_the_last_one_failed(job, account, operation, is_done):
    account.fails[operation] = Refused(503, "ServiceUnavailable")
    account.lost |= {operation} if is_done else set()
    made = job(ASSEMBLY, clips=CLIPS)
    with pytest.raises(RequestFailed):
        await made.run()
    await made.task("assemble_channel", attempt=2)
    assert account.channels[NAME]["ChannelState"] == "RUNNING"
    assert list(account.programs[NAME]) == ["7-0000", "7-0001", "7-0002"]


async def test_an_earlier_job_that_comes_late_changes_nothing(job, account):
    await job(ASSEMBLY, number=8, clips=CLIPS).run()
    with pytest.raises(PermanentFailure, match="later job"):
        await job(ASSEMBLY, number=7, clips=CLIPS[:1], restart_channel=False).run()
    assert list(account.programs[NAME]) == ["8-0000", "8-0001", "8-0002"]


async def test_an_outdated_attempt_changes_nothing(job, account):
    made = job(ASSEMBLY, clips=CLIPS)
    with pytest.raises(PermanentFailure, match="outdated"):
        await made.task("assemble_channel", refusal=PermanentFailure("outdated"))
    assert set(account.called) == {"DescribeChannel", "DescribeSourceLocation"}


async def test_channels_of_two_clients_never_meet():
    assert channel_name("acme", "retro") != channel_name("other", "retro")
    assert channel_name("acme", "retro!") != channel_name("acme", "retro?")


OTHER = MASTER.format(codecs="avc1.64001f,mp4a.40.2", size="640x360")


@pytest.mark.parametrize("place", ["https://vod.example.org/e2.m3u8", CLIPS[0]["source"]])
async def test_sources_that_are_not_encoded_alike_fail_before_a_channel_is_touched(
    job, account, place
):
    with pytest.raises(PermanentFailure, match="640x360"):
        await job(ASSEMBLY, clips=CLIPS, playlists={place: OTHER}).run()
    assert account.called == []


async def test_a_source_that_is_no_playlist_fails(job, account):
    page = {"https://vod.example.org/e2.m3u8": "<html>"}
    with pytest.raises(PermanentFailure, match=r"e2\.m3u8: expected a playlist of HLS"):
        await job(ASSEMBLY, clips=CLIPS, playlists=page).run()


@pytest.mark.parametrize(
    "wrong",
    [
        {"clips": []},
        {"clips": [{"source": "https://vod.example.org/e1.mpd"}]},
        {"clips": [{"source": "ftp://vod.example.org/e1.m3u8"}]},
        {"clips": [{"source": CLIPS[1]["source"], "markers": {"meta_events": [{}]}}]},
        {"clips": CLIPS, "dvr_window_length": 10},
        {"clips": [{"source": CLIPS[1]["source"], "end": 5}]},
    ],
)
def test_wrong_assemblies_are_refused_at_submission(job, wrong):
    with pytest.raises(BadInput):
        job(ASSEMBLY, **wrong)


def test_deleting_a_channel_that_is_to_start_is_refused_at_submission(job):
    with pytest.raises(BadInput):
        job(STATE, state="start", delete=True)


async def test_a_channel_is_stopped_and_started(job, account):
    await job(ASSEMBLY, clips=CLIPS).run()
    for state, told in (("stop", "STOPPED"), ("stop", "STOPPED"), ("start", "RUNNING")):
        assert await job(STATE, state=state).run() == {}
        assert account.channels[NAME]["ChannelState"] == told


async def test_a_channel_that_is_not_there_cannot_be_started(job):
    with pytest.raises(PermanentFailure, match="there is no channel"):
        await job(STATE, state="start").run()


@pytest.mark.parametrize(
    "operation", [None, "DeleteProgram", "DeleteChannelPolicy", "DeleteChannel"]
)
async def test_a_channel_is_deleted_with_its_programs(job, account, operation):
    await job(ASSEMBLY, clips=CLIPS).run()
    made = job(STATE, number=8, state="stop", delete=True)
    if operation:
        account.fails[operation] = Refused(500, "InternalError")
        account.lost.add(operation)
        with pytest.raises(RequestFailed):
            await made.run()
    await made.run()
    assert (account.channels, account.programs, account.policies) == ({}, {}, {})


async def test_deleting_what_is_not_there_is_told_of(job):
    made = job(STATE, state="stop", delete=True)
    await made.run()
    assert made.warned()


async def test_a_wrong_key_fails_for_good_and_shows_no_secret(job, account):
    wrong = SETTINGS.model_copy(update={"access_key_id": "AKIDOTHER"})
    settings = MediaTailorSettings(**{**wrong.model_dump(), "secret_access_key": "wrong-secret"})
    with pytest.raises(PermanentFailure, match="InvalidSignature") as failure:
        await job(ASSEMBLY, clips=CLIPS, settings=settings).run()
    assert "wrong-secret" not in str(failure.value)


async def test_without_an_account_the_job_fails_and_says_what_is_missing(job):
    with pytest.raises(PermanentFailure, match=r"mediatailor\.access_key_id"):
        await job(ASSEMBLY, clips=CLIPS, settings=MediaTailorSettings()).run()


async def test_requests_that_come_too_fast_are_tried_again(job, account):
    account.fails["DescribeChannel"] = Refused(429, "TooManyRequestsException")
    made = job(ASSEMBLY, clips=CLIPS)
    with pytest.raises(RequestFailed):
        await made.run()
    await made.run()
