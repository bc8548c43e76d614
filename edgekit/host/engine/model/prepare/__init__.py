"""Rewrites the model that a user has into the one that an engine is made from.

`rewrite.prepare` is the one pass: sizes that the recipe fixes, inputs that it names, weights that lay beside the file,
operators of a newer set; each rewrite is a note, and is proven by running both models. A backend sees the result alone.
"""
