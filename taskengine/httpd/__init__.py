"""hypercorn, repaired: an ASGI application that no client can hold up (decision 15).

serving         listens, accepts, waits out a lack of descriptors, stops
places          how many may be connected, in all and from one address, and who goes first
connection      hypercorn's TCPServer: heads in time, a polite end
protocol        its HTTP/1.1: one request and its answer after the other, in one task
wire            what is written is read in time, or the client is dropped
answers         what is answered where no application is asked, always JSON
limits          the seconds and numbers of all this
"""
