"""RKNN engines on the host: their files, and the vendor's toolkit behind one door."""
