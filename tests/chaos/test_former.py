"""Which version an upgrade begins with."""

import subprocess

import pytest

from tests.chaos.former import MIGRATIONS, NoFormerVersion, former_commit, former_tree

WHO = ("-c", "user.name=t", "-c", "user.email=t@example.test", "-c", "commit.gpgsign=false")


def git(root, *arguments):
    command = ["git", "-C", str(root), *WHO, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def history(tmp_path):
    """A repository of three commits, of which the second brought the newest migration."""
    root = tmp_path / "root"
    (root / MIGRATIONS).mkdir(parents=True)
    (root / "config").mkdir()
    git(root, "init", "--quiet")
    names = [f"{MIGRATIONS}/0001_first.sql", f"{MIGRATIONS}/0002_second.sql", "config/later"]
    for name in names:
        (root / name).write_text(name)
        (root / "config/last").write_text(name)
        git(root, "add", "-A")
        git(root, "commit", "--quiet", "-m", name)
    return root


def test_without_a_release_it_is_the_commit_before_the_newest_migration(history, tmp_path):
    assert git(history, "rev-parse", former_commit(history)) == git(history, "rev-parse", "HEAD~2")
    tree = former_tree(history, tmp_path / "former")
    assert [path.name for path in (tree / MIGRATIONS).iterdir()] == ["0001_first.sql"]
    assert (tree / "config/last").read_text() == f"{MIGRATIONS}/0001_first.sql"


def test_a_release_is_what_users_come_from(history):
    git(history, "tag", "v1", "HEAD~1")
    assert former_commit(history) == "v1"


def test_a_migration_that_is_not_committed_yet_comes_after_the_last_commit(history):
    (history / MIGRATIONS / "0003_third.sql").touch()
    assert former_commit(history) == "HEAD"


def test_where_there_is_no_history_it_says_what_to_do(history, tmp_path):
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{history}", str(shallow))
    with pytest.raises(NoFormerVersion, match="git fetch --unshallow"):
        former_commit(shallow)
    with pytest.raises(NoFormerVersion, match="git fetch --unshallow"):
        former_commit(tmp_path)
    with pytest.raises(NoFormerVersion, match="git cannot give it"):
        former_tree(history, tmp_path / "former", "no-such-version")
