"""What trio lacks; nothing here knows of jobs.

mailbox                 what actors talk by
supervisor              restarts an actor that crashes
clock                   the time that all instances agree on
process, guard, pulse   child processes that end with the engine, however it ends
signals, shutdown       how an engine is told to stop
descriptors             how many there are, and what of them is kept
"""
