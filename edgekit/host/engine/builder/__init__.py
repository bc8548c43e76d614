"""Has engines compiled on a board of their own kind: reserves one, and sends it all that is needed.

`remote.py` the search for a device that is free, `devices.py` which may be asked, `work.py` the way of one job there
and back, `job.py` what is sent for it, `client.py` the conversation with the device's agent, `bounds.py` how much
memory a compiler may use there, `cleaning.py` deletes what a device keeps. Whether a device is as it must be says
`host/fit/builder.py`, handed down as a rule.

A device is not trusted: `answers.py` reads what it says, `arrays.py` what an engine answered there, `measured.py`
compares what it says of itself.
"""
