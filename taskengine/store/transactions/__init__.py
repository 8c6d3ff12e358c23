"""What PostgresStore does, a transaction each: functions of a connection, on the asyncio side.

They keep the rules of correctness: a lock and what it guards are never read in one statement,
and locks are taken in one order: scopes, instances, jobs by id, tasks by id, lanes, counters.
"""
