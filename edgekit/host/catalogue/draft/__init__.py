"""A recipe for a user's own model: what its file says, what has to be asked, and what is written. Pure but for writing.

facts.py      what a model's file says of an input
exporter.py   what an exporter's metadata mean
question.py   what a user is asked, and the answers
picture.py    what the model's input holds
head.py       what its outputs hold, by schema/heads
ends.py       cameras and broker: what goes to the recipe, and what to fleet.toml
text.py       recipe.toml
folder.py     writes the recipe's folder
fleet_text.py the settings for fleet.toml
"""
