"""What callbacks say, how clients want them, and their signatures. Couriers deliver them.

bodies    the bodies of the contract
options   the `callback` part of a client's options
signing   the headers of Standard Webhooks
"""
