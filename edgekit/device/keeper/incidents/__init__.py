"""What went wrong on this board, remembered for `edgekit why`: recorded when it happens, told whenever it is asked."""
