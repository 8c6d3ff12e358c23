"""What GET /workflows/<name> and `workflows show` tell of a definition with secrets in it."""

from __future__ import annotations

import json

from click.testing import CliRunner

from taskengine.actions import find_actions
from taskengine.api.openapi.workflows import workflow_schemas
from taskengine.cli import main
from taskengine.workflows.display import shown_definition
from taskengine.workflows.library import read
from taskengine.workflows.workflow import Workflow

FLOW = """workflow: parent
parameters:
  type: object
  properties:
    token: {type: string, minLength: 1, default: hunter2hunter2}
    pin: {type: string, writeOnly: true, default: "hunter2", enum: ["hunter2", "other"]}
    url: {type: string, default: "http://u:hunter2@a.test/?sig=hunter2"}
    plain: {type: string, default: shown, pattern: '^[a-z]+$'}
    auth: {type: object, properties: {user: {default: hunter2}}}
tasks:
  - name: call
    action: http.request
    with:
      url: "http://u:hunter2@a.test/?api_key=hunter2&page=1"
      method: POST
      headers:
        api-key: hunter2
        Authorization: "Bearer {{ secrets.TOKEN }}"
        X-Token: "{{ token }}"
        X-Session-Id: "{{ token }} hunter2 hunter2"
        accept: text/plain
      body: {password: hunter2, pin: hunter2, list: [{name: password, value: hunter2}], n: 1}
  - name: run
    action: process.run
    with: {command: tool, arguments: [--password, hunter2, "--api-key=hunter2", file]}
callback:
  message: "{{ tasks.call.status }}"
  secret_note: hunter2
"""


def content(tmp_path):
    (tmp_path / "common").mkdir()
    file = tmp_path / "common" / "parent.yaml"
    file.write_text(FLOW)
    return read(file, find_actions()).content


def test_secrets_of_a_definition_are_masked_and_the_rest_is_shown(tmp_path):
    shown = shown_definition(content(tmp_path))
    assert "hunter2" not in json.dumps(shown)
    given = shown["tasks"][0]["with"]
    assert given["url"] == "http://u:********@a.test/?api_key=********&page=1"
    assert given["headers"] == {
        "api-key": "*******",
        "Authorization": "Bearer {{ secrets.TOKEN }}",
        "X-Token": "{{ token }}",
        "X-Session-Id": "*" * 23 + "ter2",
        "accept": "text/plain",
    }
    assert given["body"]["n"] == 1
    known = shown["parameters"]["properties"]
    assert known["token"] == {"type": "string", "minLength": 1, "default": "*" * 14}
    assert known["plain"] == {"type": "string", "default": "shown", "pattern": "^[a-z]+$"}
    assert shown["callback"]["message"] == "{{ tasks.call.status }}"


def test_nothing_else_changes(tmp_path):
    for file in sorted((tmp_path.__class__("config/workflows/common")).glob("*.yaml")):
        whole = read(file, find_actions()).content
        assert shown_definition(whole) == whole


def test_the_command_shows_none_either(tmp_path):
    content(tmp_path)
    runner = CliRunner(env={"TASKENGINE_WORKFLOWS": str(tmp_path)})
    for more in ([], ["--json"]):
        told = runner.invoke(main, ["workflows", "show", "parent", *more])
        assert told.exit_code == 0
        assert "hunter2" not in told.output


def test_the_openapi_document_shows_no_secret(tmp_path):
    flow = Workflow.from_content(content(tmp_path))
    assert "hunter2" not in json.dumps(workflow_schemas([flow], ["local"]))
