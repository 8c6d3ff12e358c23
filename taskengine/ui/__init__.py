"""Pages under /ui, for the people who run an engine: what it does, what waits and why.

They are written by the server from the same services as the REST API, with the same checks; a
script keeps what is seen up to date. Nothing comes from elsewhere, and nothing has to be built.

app          the routes, and who may use which
session      who is signed in: a signed cookie
visit        one request of somebody who is signed in
rendering    templates, and how values are written in them
"""

from taskengine.ui.app import add_pages

__all__ = ["add_pages"]
