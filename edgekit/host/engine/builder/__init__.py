"""Engines that only a board of their own kind can compile: one is reserved, and sent everything.

`devices.py` who may do it, `fit.py` whether a device is as it must be, `client.py` the conversation with its agent,
`work.py` the way of one job there and back, `remote.py` the search for a device that is free.
"""
