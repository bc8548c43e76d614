"""`preview`: pictures of all streams with what was found in them, over HTTP, made for whoever looks and only then.

    lane ─▶ view (small planes) ─▶ painter (draws, JPEG; a thread) ─▶ newest ─▶ serving (HTTP; a thread)

The lane scales a picture into planes that are kept, at most `fps` times a second, and waits for nobody. A JPEG is made
once for all viewers; each gets the newest one as soon as it has taken the one before.
"""
