"""A receiver of callbacks: it verifies signatures, and takes each callback once.

    WEBHOOK_SECRET=whsec_… python receiver.py PORT

Prints a line for each callback. The secret is the one that `taskengine client set NAME
callback.secret=…` was given; signatures are those of https://www.standardwebhooks.com.
"""

from __future__ import annotations

import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

LARGEST = 2_000_000  # bytes
SECRET = Webhook(os.environ["WEBHOOK_SECRET"])
SIGNED = ("webhook-id", "webhook-timestamp", "webhook-signature")
seen: set[str] = set()  # a database in real life: it has to outlive this process


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        if not 0 < length <= LARGEST:
            return self.answer(413)
        raw = self.rfile.read(length)
        try:
            callback = SECRET.verify(raw, {name: self.headers.get(name, "") for name in SIGNED})
        except WebhookVerificationError:  # somebody else's, changed, or five minutes old
            return self.answer(401)
        number = self.headers["webhook-id"]
        if number not in seen:  # at least once means that it may come twice
            seen.add(number)
            print(callback.get("event") or callback.get("status"), callback, flush=True)
        return self.answer(204)  # anything but 2xx, and it comes again

    def answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Callbacks alone are printed."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
