"""One board for what scheduling and memory promise, on a real arm64 kernel. The folder is a package: it has a board."""
