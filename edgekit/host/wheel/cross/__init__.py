"""Source packages become wheels for a board: an ordinary front end drives a back end that believes it runs there."""
