# ruff: noqa: N802, N803 - operations and parameters are called as in the model
"""An account of MediaTailor that answers by the real service's model.

Requests have to carry the signature that the model's signer makes of them; what they say is
validated by the model's input shapes, what they are answered is written by its output shapes.
"""

import json
import re
from datetime import UTC, datetime
from urllib.parse import unquote

import httpx
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

REGION, KEY_ID, SECRET = "eu-central-1", "AKIDEXAMPLE", "a-secret-of-the-tests"
ENDPOINT = "https://api.mediatailor.example"
MODEL = ServiceModel(Loader().load_service_model("mediatailor", "service-2"), "mediatailor")


class Refused(Exception):
    def __init__(self, status, code, message=""):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Account:
    """`called` has the names of the operations; `fails` are answered so, once each, after they
    were carried out where `lost` is said."""

    def __init__(self, pages=100):
        self.channels, self.programs = {}, {}
        self.locations, self.sources, self.policies = {}, {}, {}
        self.called, self.fails, self.lost = [], {}, set()
        self.pages = pages  # programs on a page of a schedule

    def answer(self, request: httpx.Request) -> httpx.Response:
        try:
            operation, given = _read(request)
            _check_signature(request)
            self.called.append(operation.name)
            told = self.fails.pop(operation.name, None)
            if told and operation.name not in self.lost:
                raise told
            result = getattr(self, operation.name)(**given)
            if told:
                raise told
        except Refused as error:
            headers = {"x-amzn-errortype": error.code}
            return httpx.Response(error.status, json={"Message": error.message}, headers=headers)
        return httpx.Response(200, json=_written(result, operation.output_shape))

    # Sources

    def DescribeSourceLocation(self, SourceLocationName):
        return _found(self.locations, SourceLocationName)

    def CreateSourceLocation(self, SourceLocationName, HttpConfiguration):
        _add(self.locations, SourceLocationName, {"HttpConfiguration": HttpConfiguration})
        return {"SourceLocationName": SourceLocationName}

    def DescribeVodSource(self, SourceLocationName, VodSourceName):
        return _found(self.sources, (SourceLocationName, VodSourceName))

    def CreateVodSource(self, SourceLocationName, VodSourceName, HttpPackageConfigurations):
        _found(self.locations, SourceLocationName)
        packages = {"HttpPackageConfigurations": HttpPackageConfigurations, "written": 1}
        _add(self.sources, (SourceLocationName, VodSourceName), packages)
        return {"VodSourceName": VodSourceName}

    def UpdateVodSource(self, SourceLocationName, VodSourceName, HttpPackageConfigurations):
        found = _found(self.sources, (SourceLocationName, VodSourceName))
        found["HttpPackageConfigurations"] = HttpPackageConfigurations
        found["written"] += 1
        return {"VodSourceName": VodSourceName}

    # Channels

    def DescribeChannel(self, ChannelName):
        return _found(self.channels, ChannelName)

    def CreateChannel(self, ChannelName, Outputs, PlaybackMode, Tier):
        assert (PlaybackMode, Tier) == ("LOOP", "BASIC")
        channel = {
            "Arn": f"arn:aws:mediatailor:{REGION}:1:channel/{ChannelName}",
            "ChannelName": ChannelName,
            "ChannelState": "STOPPED",
            "PlaybackMode": PlaybackMode,
        }
        _add(self.channels, ChannelName, channel)
        self.programs[ChannelName] = {}
        return self.UpdateChannel(ChannelName, Outputs)

    def UpdateChannel(self, ChannelName, Outputs):
        found = _found(self.channels, ChannelName)
        url = f"https://channels.example/{ChannelName}"
        found["Outputs"] = [
            {**one, "PlaybackUrl": f"{url}/{one['ManifestName']}.m3u8"} for one in Outputs
        ]
        return found

    def PutChannelPolicy(self, ChannelName, Policy):
        arn = _found(self.channels, ChannelName)["Arn"]
        [statement] = json.loads(Policy)["Statement"]
        if statement["Resource"] != arn:
            raise Refused(400, "BadRequestException", "the policy is of another channel")
        self.policies[ChannelName] = statement
        return {}

    def DeleteChannelPolicy(self, ChannelName):
        self.policies.pop(ChannelName, None)
        return {}

    def StartChannel(self, ChannelName):
        if not self.programs[_found(self.channels, ChannelName)["ChannelName"]]:
            raise Refused(400, "BadRequestException", "the channel has no programs")
        self.channels[ChannelName]["ChannelState"] = "RUNNING"
        return {}

    def StopChannel(self, ChannelName):
        _found(self.channels, ChannelName)["ChannelState"] = "STOPPED"
        return {}

    def DeleteChannel(self, ChannelName):
        if _found(self.channels, ChannelName)["ChannelState"] == "RUNNING":
            raise Refused(400, "BadRequestException", "the channel is running")
        if self.programs[ChannelName]:
            raise Refused(400, "BadRequestException", "the channel has programs")
        del self.channels[ChannelName], self.programs[ChannelName]
        return {}

    # Programs

    def GetChannelSchedule(self, ChannelName, DurationMinutes=None, NextToken="0"):
        """A running loop repeats itself in its schedule."""
        channel = _found(self.channels, ChannelName)
        names = list(self.programs[ChannelName])
        repeated = names * 2 if channel["ChannelState"] == "RUNNING" else names
        start, end = int(NextToken), int(NextToken) + self.pages
        entry = {"Arn": "arn", "ChannelName": ChannelName, "ScheduleEntryType": "PROGRAM"}
        items = [
            {**entry, "ProgramName": name, "SourceLocationName": "any"}
            for name in repeated[start:end]
        ]
        return {"Items": items} | ({"NextToken": str(end)} if end < len(repeated) else {})

    def CreateProgram(self, ChannelName, ProgramName, **given):
        _found(self.channels, ChannelName)
        places = [(given["SourceLocationName"], given["VodSourceName"])]
        places += [tuple(one["Slate"].values()) for one in given["AdBreaks"]]
        for place in places:
            _found(self.sources, place)
        programs = self.programs[ChannelName]
        before = given["ScheduleConfiguration"]["Transition"].get("RelativeProgram")
        if (before is None) != (not programs) or (before and before not in programs):
            raise Refused(400, "BadRequestException", f"no program {before}")
        order = list(programs)
        order.insert(order.index(before) + 1 if before else 0, ProgramName)
        _add(programs, ProgramName, given)
        self.programs[ChannelName] = {name: programs[name] for name in order}
        return {}

    def DeleteProgram(self, ChannelName, ProgramName):
        _found(self.programs[ChannelName], ProgramName)
        del self.programs[ChannelName][ProgramName]
        if not self.programs[ChannelName]:
            running = self.channels[ChannelName]["ChannelState"] == "RUNNING"
            assert not running, "viewers of a running channel see nothing"
        return {}


def _found(known, name):
    if name not in known:
        raise Refused(404, "NotFoundException", f"{name} is not there")
    return known[name]


def _add(known, name, content):
    if name in known:
        raise Refused(409, "ConflictException", f"{name} is there")
    known[name] = content


def _read(request):
    """The operation that a request is, and what it says, validated."""
    for name in MODEL.operation_names:
        operation = MODEL.operation_model(name)
        template = operation.http["requestUri"]
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template)
        found = re.fullmatch(pattern, request.url.raw_path.decode().partition("?")[0])
        if found and request.method == operation.http["method"]:
            break
    else:
        raise Refused(404, "UnknownOperationException")
    members = operation.input_shape.members
    body = json.loads(request.content) if request.content else {}
    query = dict(request.url.params)
    given = {}
    for member, shape in members.items():
        place = shape.serialization.get("location", "body")
        key = shape.serialization.get("name", member)
        source = {"uri": found.groupdict(), "querystring": query, "body": body}[place]
        if key in source:
            given[member] = unquote(source[key]) if place == "uri" else source.pop(key)
    assert not {**body, **query}, "parameters that the model does not have"
    report = ParamValidator().validate(given, operation.input_shape)
    if report.has_errors():
        raise Refused(400, "BadRequestException", report.generate_report())
    return operation, given


def _check_signature(request):
    told = request.headers.get("authorization", "")
    signed = re.search(r"SignedHeaders=([\w;-]+)", told)
    when = request.headers.get("x-amz-date", "")
    if signed is None or not when:
        raise Refused(403, "MissingAuthenticationTokenException")
    headers = {name: request.headers[name] for name in signed[1].split(";")}
    again = AWSRequest(request.method, str(request.url), data=request.content, headers=headers)
    again.context["timestamp"] = when
    signer = SigV4Auth(Credentials(KEY_ID, SECRET), "mediatailor", REGION)
    canonical = signer.canonical_request(again)
    expected = signer.signature(signer.string_to_sign(again, canonical), again)
    age = datetime.now(UTC) - datetime.strptime(when, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if f"Signature={expected}" not in told or abs(age.total_seconds()) > 300:
        raise Refused(403, "InvalidSignatureException")


def _written(value, shape):
    """As the model has it: only its members, under their names on the wire."""
    if shape is None or value is None:
        return {}
    if shape.type_name == "structure":
        return {
            member.serialization.get("name", name): _written(value[name], member)
            for name, member in shape.members.items()
            if name in value
        }
    if shape.type_name == "list":
        return [_written(one, shape.member) for one in value]
    return value
