"""The REST API, on Quart.

app          all routes in one app
resources    the endpoints, one module for each resource
openapi      what /openapi.json says of them
services     what they are given to work with
auth, limits                                        who calls, and how often
documents, query, paging, idempotency, recurring    what a request says
replies, shapes, errors                             what it is answered
origin, connections, sockets                        how it came, and how its connection ends
"""
