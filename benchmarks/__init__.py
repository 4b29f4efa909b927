"""The same small workload on DeeBase, on the drivers below it and on other libraries: `python -m benchmarks`."""
