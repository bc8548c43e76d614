"""Has engines compiled on a board of their own kind: reserves one, and sends it all that is needed.

`devices.py` who may do it, `fit.py` whether a device is as it must be, `client.py` the conversation with its agent,
`work.py` the way of one job there and back, `remote.py` the search for a device that is free.
"""
