"""`taskengine serve`, with all options of the configuration."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

import click

from taskengine.cli.failures import Misused, members
from taskengine.process_log import set_up_log


class WithConfiguration(click.Command):
    """A command whose options are made of the configuration, when they are asked for."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        if not self.params:
            from taskengine.cli.configuration import configuration_options

            self.params = [*configuration_options()]
        return super().get_params(ctx)


@click.command(cls=WithConfiguration)
def serve(**options: Any) -> None:
    """Run the engine until SIGTERM or SIGINT.

    Every option is also an environment variable and a key of config/taskengine.toml; options
    win over the environment, that over the file. SIGHUP reads the workflow files again.
    """
    import trio

    from taskengine.configuration import read_configuration
    from taskengine.main import serve as serve_engine
    from taskengine.model import BadInput
    from taskengine.plugins import BrokenPlugin
    from taskengine.workflows.library import WorkflowErrors

    if file := options.pop("config"):
        os.environ["TASKENGINE_CONFIG"] = str(file)
    configuration = read_configuration(**options)
    set_up_log(configuration.log_level, configuration.log_format)
    try:
        check_address(configuration.bind)
        trio.run(lambda: serve_engine(configuration, started=announce))
    except (BadInput, BrokenPlugin, WorkflowErrors, OSError, BaseExceptionGroup) as error:
        if all(isinstance(e, BadInput | BrokenPlugin | WorkflowErrors) for e in members(error)):
            raise Misused("\n".join(map(str, members(error)))) from None
        if taken := next((e for e in members(error) if is_about_address(e)), None):
            raise click.ClickException(f"cannot listen on {configuration.bind}: {taken}") from None
        raise


def check_address(bind: str) -> None:
    """Raises OSError for an address that cannot be listened on, before a database is made."""
    host, _, port = bind.rpartition(":")
    found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    for family, kind, protocol, _, address in found:
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind(address)


def is_about_address(error: BaseException) -> bool:
    """Whether the address is taken, is none of this host, or needs more rights."""
    codes = (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES)
    return isinstance(error, OSError) and error.errno in codes and error.filename is None


def announce(url: str) -> None:
    """Tell whoever started the engine that it takes jobs."""
    click.echo(f"Task Engine listens on {url}")
