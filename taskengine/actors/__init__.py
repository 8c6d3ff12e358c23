"""The actors: supervised loops that wake each other by mail; the truth is in the store.

In the order in which a job meets them:

intake                  records submissions
scheduler, gatekeeper   queue what waited for its time, or for the answer of a URL
controller              starts queued jobs, as far as the slots reach
claimer, worker         take tasks, and run their actions
recorder                 writes what the workers tell
courier                 delivers callbacks
workspace_cleaner         removes the workspaces of jobs that have ended

and for the instance:

heartbeat    its heartbeat, and the deaths of its peers
notifier     wake-ups from and to other instances
ticker       recurring work
event_feed       what changes, to the streams of /events
counter_publisher  the queue counters, to Valkey or Redis

What they are made of: `staff` makes them, `post` has their mailboxes, `state` says what runs here;
`dispatcher` talks with many hosts at once; `batches` bounds what one transaction carries;
`definitions`, `failures` and `reporter` serve the workers.
"""
