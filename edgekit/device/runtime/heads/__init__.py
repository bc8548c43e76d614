"""Detectors' outputs become boxes: each family says where its scores and boxes lie, and one way picks among them."""
