"""PostgreSQL and Valkey as our own child processes, so that the engine runs without any set-up."""
