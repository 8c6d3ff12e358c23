"""What trio lacks: mailboxes, supervision, an engine clock, guarded child processes."""
