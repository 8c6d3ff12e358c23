"""Jobs, apart from their running: how they are made, changed and explained. No I/O, no clock.

submission    from the body of POST /job to a job to record
fields        the fields of a job as clients write them
changes       what an update makes of a job
explanation   why a job does not run
"""
