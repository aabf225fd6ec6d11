"""Servers to compare with, each as small as it can be. Started by `benchmarks/peers/subjects.py`.

All read the same from the environment: TOKEN, the one that is accepted; UPSTREAM, the REST API's
URL; TOOLS, a file with the tools' definitions; OPENAPI, one with the document of the REST API.
"""
