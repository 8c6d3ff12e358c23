"""The schemas of what serializers.py writes."""

from __future__ import annotations

from taskengine.api.openapi.operation import (
    ANY_OBJECT,
    COUNT,
    FLAG,
    PERCENT,
    TEXT,
    TIME,
    WHOLE,
    list_of,
    nullable,
    one_of,
    record,
)
from taskengine.model import JobState, JsonObject, Severity, TaskState

_FIRST: JsonObject = {
    "id": WHOLE,
    "client": TEXT,
    "workflow": TEXT,
    "priority": {"type": "integer", "minimum": 1, "maximum": 10},
    "position": WHOLE,
}
_COURSE: JsonObject = {
    "created_at": TIME,
    "updated_at": TIME,
    "queue_state": one_of(*(state.label for state in JobState)),
    "failed": FLAG,
    "run_at": TIME,
}
JOB_ROW = record("JobRow", **_FIRST, **_COURSE)
TASK = record(
    "Task",
    id=WHOLE,
    name=TEXT,
    action=TEXT,
    queue=TEXT,
    state=one_of(*(state.label for state in TaskState)),
    attempt=COUNT,
    progress=PERCENT,
    error=nullable(TEXT),
    started_at=nullable(TIME),
    ended_at=nullable(TIME),
)
JOB = record(
    "Job",
    **_FIRST,
    top_of_queue=FLAG,
    parameters=ANY_OBJECT,
    **_COURSE,
    semaphore_url=nullable(TEXT),
    persist=FLAG,
    progress=PERCENT,
    tasks=list_of(TASK),
    depends_on=list_of(WHOLE),
    rerun_of=nullable(WHOLE),
    definition=nullable(TEXT),
)
LOG_LINE = record(
    "LogLine",
    id=WHOLE,
    job_id=WHOLE,
    severity=one_of(*(int(severity) for severity in Severity)),
    severity_description=one_of(*(severity.name for severity in Severity)),
    progname=TEXT,
    message=TEXT,
    created_at=TIME,
    updated_at=TIME,
    task_id=COUNT,
    visible=FLAG,
)
