"""Programs that travel as text and run on any board's Python, 3.8 and newer, before anything of edgekit is there."""
