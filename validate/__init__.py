"""Proof: runs a hub and its artifacts on the same photos and says, in numbers, whether they paint the same."""
