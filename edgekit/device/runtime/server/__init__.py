"""Models served over HTTP: the Open Inference Protocol, version 2, with binary tensors.

    client ─▶ door (HTTP; a thread) ─▶ service (routes, bounds) ─▶ model ─▶ queue of its lane ─▶ slot of its engine

A request is one entry of a stream that its model has in front of the lane: whether a frame or a request is next is the
scheduler's to say. The lane's thread runs the engine on the request's own bytes, and the answer goes back to the loop.

Source: KServe, Open Inference Protocol, "Predict Protocol - Version 2" (HTTP/REST), and Triton's binary tensor data
extension of it.
"""
