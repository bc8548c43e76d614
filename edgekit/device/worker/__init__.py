"""One process per application: sources, stages and sinks on pinned lanes."""
