"""Measurements as ratios: ours and the yardstick side by side in one run, because machines differ and are shared.

``python -m benchmarks [NAME …]`` prints all of them, or some, as one table.
"""
