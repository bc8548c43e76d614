"""What users write and edgekit ships: recipes and targets, read and checked; and which target a board is."""
