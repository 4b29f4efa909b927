"""Whole services: one Starlette app per library under uvicorn, loaded by wrk.

`python -m benchmarks.services` measures all libraries that are installed, on both databases.
"""
