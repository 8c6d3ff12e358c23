"""The REST API, on Quart.

app          all routes in one app
resources    the endpoints, one module for each resource
openapi      what /openapi.json says of them
services     what they are given to work with
auth, limits                                        who calls, and how often
reception, arrival, sizes                           first who sends a body, then the body
documents, batches, reading, updating               what is in it; readings, heavy: read aside
query, paging, idempotency, recurring               what else a request says
replies, shapes, errors                             what it is answered
origin, connections, sockets                        how it came, and how its connection ends
"""
