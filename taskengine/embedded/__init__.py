"""PostgreSQL and Valkey as our own child processes, so that the engine runs without any set-up.

postgres, valkey          a server for the length of a block
server                    the engine's side: find the server or start it, share it, let it go
guard                     the process above a server, which outlives no engine that uses it
cluster, cache            what the guard has to know of PostgreSQL, of Valkey
account, child, locks     users, processes and file locks
"""
