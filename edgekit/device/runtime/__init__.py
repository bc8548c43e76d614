"""The code that runs in a worker, one process per application: sources, stages and sinks on pinned lanes."""
