"""The actors: supervised loops that wake each other by mail; the truth is in the store.

`tree` has the table of them. In the order in which a job meets them:

intake                  batches submissions into one insert
scheduler, gatekeeper   queue what waited for its time, or for the answer of a URL
controller              starts queued jobs, as far as the slots reach
claimer, worker         take tasks, and run their actions
recorder                writes what the workers tell
operator                does what bulk operations ask for
settler                 tells jobs that wait for others what became of these
courier                 delivers callbacks
workspace_cleaner       removes the workspaces of jobs that have ended

and for the instance:

heartbeat, rescuer      show that it lives, and queue again what dead peers held
notifier                wake-ups from and to other instances
cron, retention         recurring work; the removal of old jobs
sweeper                 jobs that a lost message left behind
event_feed              what changes, to the streams of /events
forecaster              foretells when queued jobs start, and judges that
counter_publisher       the queue counters, to Valkey or Redis
loop_watch              how late the event loop is, and which action holds it up

`wiring` is what they are made from, `mailboxes` who is woken by what, `instance_state` what runs
here. `per_host` calls many hosts at once; `batches` and `adaptive_limit` bound what one transaction
carries. `attempt` is what a worker runs, from its inputs to its end; `telling` asks what its action
raised for words.
"""
