"""One order of locks (rule 8): whoever locks several rows of a table does it by their ids.

A wrong order is a deadlock now and then, which is repeated: no other test would see it.
"""

import re

import pytest

from taskengine.store.postgres.queries import migrations, queries

LOCKS = re.compile(r"\sfor (?:no key update|update|share|key share)\b(?! (?:of \w+ )?skip locked)")
ORDERED = re.compile(r"order by (?:\w\.)?(?:id|name|digest)(?= for )")
OF_ONE = re.compile(r"(?:where|and) (?:\w+\.)?(?:id|name) = (?:\$1|\(select)")
WAITING = {name: text for name, text in queries().items() if LOCKS.search(text)}


@pytest.mark.parametrize("name", WAITING)
def test_rows_are_locked_in_the_order_of_their_ids(name):
    text = " ".join(WAITING[name].split())
    assert OF_ONE.search(text) or ORDERED.search(text)
    assert ORDERED.search(text) or " any(" not in text


def test_there_are_such_statements():
    assert {"lock_scopes", "lock_jobs", "lock_tasks", "lock_parents", "lanes_of"} <= set(WAITING)


def test_the_writers_of_logs_and_callbacks_lock_no_rows_of_jobs():
    """A foreign key would."""
    [(_, _, schema), *_] = migrations()
    tables = re.findall(r"create table (\w+) \((.*?)\n\)", schema, re.DOTALL)
    assert {name for name, columns in tables if "references" in columns} == {
        "tasks",
        "lanes",
        "batches",
        "offers",
    }
    assert set(re.findall(r"references (\w+)", schema)) == {"instances"}
