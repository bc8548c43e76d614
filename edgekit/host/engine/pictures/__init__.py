"""Files of pictures: how large they are, and their pixels at a model's input size."""
