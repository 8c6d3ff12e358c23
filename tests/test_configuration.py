"""Options: where they come from, and what is said of those that cannot be used."""

from pathlib import Path

import pytest

from taskengine.configuration import PREFIX, check_environment, read_configuration
from taskengine.model import Misconfigured


@pytest.fixture
def given(tmp_path, monkeypatch):
    """Set a file and variables, and read them: the lines of the problems, or the configuration."""
    file = tmp_path / "te.toml"
    monkeypatch.setenv("TASKENGINE_CONFIG", str(file))

    def read(text="", variables=None, **options):
        file.write_text(text)
        for name, value in (variables or {}).items():
            monkeypatch.setenv(name, value)
        try:
            return read_configuration(**options)
        except Misconfigured as error:
            return str(error).replace(str(file), "te.toml").splitlines()

    return read


def test_options_win_over_the_environment_and_that_over_the_file(given):
    text = "drain = 1\nnotice = 1\nlease = 4\n[storage]\ndefault = 'local'\n"
    text += "[storage.local]\ninput_root = '/i'"
    variables = {"TASKENGINE_NOTICE": "2", "TASKENGINE_LEASE": "5"}
    variables["TASKENGINE_STORAGE_LOCAL_INPUT_ROOT"] = "/ü b"
    read = given(text, variables, lease="6", storage_default="s3")
    assert (read.drain, read.notice, read.lease) == (1, 2, 6)
    assert (read.storage.default, read.storage.local.input_root) == ("S3", Path("/ü b"))


def test_all_problems_are_told_at_once_with_their_place(given):
    text = (
        'data_dirr = "x"\nnotice = true\nstorrage = 1\n[queues]\nwrok = 1\n[storage]\ndefalt = ""'
    )
    variables = {"TASKENGINE_DRIAN": "3", "TASKENGINE_DRAIN": "soon", "TASKENGINE_COMMANDS": "ls"}
    assert sorted(given(text, variables, lease="0", bind="here")) == sorted(
        [
            "te.toml: data_dirr: there is no such option; is data_dir meant?",
            "te.toml: storrage: there is no such option; is storage.cache meant?",
            "te.toml: storage.defalt: there is no such option; is storage.default meant?",
            "te.toml: notice: expected a number, got true or false",
            "te.toml: queues: there is no queue 'wrok', expected work, windows_capture, callback; "
            "is 'work' meant?",
            "TASKENGINE_DRIAN: there is no such option; is TASKENGINE_DRAIN meant?",
            "TASKENGINE_DRAIN: expected a number, got 'soon'",
            'TASKENGINE_COMMANDS: expected a JSON object such as {"sum": ["sha256sum"]}',
            "--lease: expected more than 0, got '0'",
            "--bind: expected ADDRESS:PORT, got 'here'",
        ]
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("data_dir = ", "te.toml:1: Invalid value"),
        ("\n\ndata_dir = x\n", "te.toml:3: Invalid value"),
        ("a = 1\na = 2", "te.toml:2: Cannot overwrite a value"),
        ("storage = 3", "te.toml: storage: expected a table, with default, workspace, cache, "
         "local, S3, azure_blob"),
        ("[alerts]\nurls = ['http://u:s3cret@[::1/']",
         "te.toml: alerts.urls: expected http or https URLs, with a host and no blanks"),
        ("[traces]\nurl = 'http://u:s3cret@h:99999/v1/traces'",
         "te.toml: traces.url: expected an http or https URL, as in "
         "http://127.0.0.1:4318/v1/traces"),
        ("queues = {work = 999999999}",
         "te.toml: queues.work: expected at most 10,000, got '999999999'"),
        ("tool_memory = 1099511627777",
         "te.toml: tool_memory: expected at most 1,099,511,627,776, got '1099511627777'"),
        ("[storage]\nlocal = 3", "te.toml: storage.local: expected a table, with input_root, "
         "output_root, workspace_root"),
        ("[storage.local]\ninput_root = ''",
         "te.toml: storage.local.input_root: expected a folder, got ''"),
        ("[storage]\nlocal_input_root = '/i'", "te.toml: storage.local_input_root: there is no "
         "such option; is storage.local.input_root meant?"),
        ('data_dir = ""', "te.toml: data_dir: expected a folder, got ''"),
        ("drain = nan", "te.toml: drain: expected at least 0, got 'nan'"),
        ("lease = inf", "te.toml: lease: expected a finite number, got 'inf'"),
        ("workflows = 3", "te.toml: workflows: expected a list, got '3'"),
        ("[queues]\nwork = true", "te.toml: queues.work: expected a number, got true or false"),
        ("[queues]\nwork = 1.5", "te.toml: queues.work: expected a whole number, got '1.5'"),
        ('proxies = ["10.1.2.3/8"]',
         "te.toml: proxies.0: expected an address or a network, as 10.0.0.0/8, got '10.1.2.3/8'"),
        ('hosts = ["http://engine.example/"]',
         "te.toml: hosts.0: expected a name such as engine.example, got 'http://engine.example/'"),
        ('[storage.S3]\nbucket = "a b/../c"',
         "te.toml: storage.S3.bucket: expected a name of letters, digits, - . and _"),
        ('[storage.S3]\nbucket = "b"\nendpoint = "http://u:secret@h"',
         "te.toml: storage.S3.endpoint: expected http://HOST or https://HOST, without user, ? and "
         "#"),
        ('[storage.azure_blob]\naccount = "a"\ncontainer = "c"\nendpoint = "https://[::1"',
         "te.toml: storage.azure_blob.endpoint: expected http://HOST or https://HOST, without "
         "user, ? and #"),
        ("[commands]\nsum = []",
         "te.toml: commands.sum: expected a list that is not empty, got '[]'"),
        ("public_reads = 'perhaps'",
         "te.toml: public_reads: expected true or false, got 'perhaps'"),
        ("[storage]\ndefault = 'disk'",
         "te.toml: storage.default: expected one of local, S3, azure_blob, got 'disk'"),
        ("database_url = ''", "te.toml: database_url: expected a text that is not empty"),
        ("bootstrap_client = 'key'", "te.toml: bootstrap_client: expected NAME:KEY"),
        ("bootstrap_client = '../x:key'",
         "te.toml: bootstrap_client: the name: expected no '/', '\\' or ':', and no '.' in front"),
        ("bootstrap_client = 'x:kéy'",
         "te.toml: bootstrap_client: the key: expected printable ASCII characters"),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong_is_told_in_a_line(given, text, told):
    assert given(text) == [told]


def test_a_file_that_is_no_text_or_is_missing_is_told(given, tmp_path, monkeypatch):
    (tmp_path / "latin.toml").write_bytes(b'data_dir = "\xfc"')
    for name, told in (("latin.toml", "expected a text in UTF-8"), ("none", "no such file")):
        monkeypatch.setenv("TASKENGINE_CONFIG", str(tmp_path / name))
        with pytest.raises(Misconfigured, match=told):
            read_configuration()


@pytest.mark.parametrize("name", ["database_url", "redis_url", "bootstrap_client"])
def test_no_secret_is_shown(given, name):
    [told] = given(f"{name} = ['postgresql://te:s3cret@host/db']")
    assert "s3cret" not in told


def test_an_empty_variable_is_as_good_as_none(given, monkeypatch):
    variables = dict.fromkeys(("TASKENGINE_DATABASE_URL", "TASKENGINE_DATA_DIR"), "")
    read = given('data_dir = "/d"', {**variables, "TASKENGINE_QUEUES": ""})
    assert (read.database_url, read.data_dir) == (None, Path("/d"))
    [told] = given("", {"TASKENGINE_DATADIR": ""})
    assert told == "TASKENGINE_DATADIR: there is no such option; is TASKENGINE_DATA_DIR meant?"


def test_what_a_cluster_adds_and_what_clients_read_is_let_be(given, monkeypatch):
    """Kubernetes describes each service of the namespace to each container."""
    names = ("SERVICE_HOST", "SERVICE_PORT_HTTP", "PORT", "PORT_8080_TCP", "PORT_8080_TCP_ADDR")
    for name in (*names, "URL", "CLIENT", "API_KEY"):
        monkeypatch.setenv(PREFIX + name, "tcp://10.0.0.1:8080")
    assert given().drain == 20
    check_environment()
    monkeypatch.setenv("TASKENGINE_APIKEY", "s3cret")
    with pytest.raises(Misconfigured, match="no such option") as caught:
        check_environment()
    assert "s3cret" not in str(caught.value)


def test_secrets_come_from_the_file_and_each_from_a_variable(given):
    text = '[secrets]\nUPLOAD = "of-the-file"\nOTHER = "also-of-it"'
    variables = {"TASKENGINE_SECRET_UPLOAD": "of-the-environment", "TASKENGINE_SECRET_EMPTY": ""}
    secrets = given(text, variables).secrets
    assert secrets == {"UPLOAD": "of-the-environment", "OTHER": "also-of-it"}


def test_a_secret_that_cannot_be_masked_or_named_is_refused_and_not_shown(given):
    assert given('[secrets]\nPIN = "1234567"') == [
        "te.toml: secrets: PIN: expected 8 characters or more"
    ]
    assert given("", {"TASKENGINE_SECRET_A-B": "hunter2hunter2"}) == [
        "TASKENGINE_SECRET_: 'A-B': expected a name of letters, digits and _"
    ]


def test_hosts_are_compared_in_small_letters(given):
    read = given('hosts = ["Engine.Example.", "*"]')
    assert read.hosts == ("engine.example", "*")
