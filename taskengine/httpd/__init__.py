"""The HTTP/1.1 server: an ASGI application behind h11 that no client can hold up.

serving         listens, accepts, waits out a lack of descriptors, stops
places          how many may be connected, in all and from one address, and who goes first
connection      one connection: heads in time, requests one after the other, a polite end
exchange        one request and its answer, as ASGI
wire            what is written is read in time, or the client is dropped
answers         what is answered where no application is asked, always JSON
limits          the seconds and numbers of all this
"""
