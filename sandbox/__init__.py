"""Stand-ins for PropelAuth and Wiv over real HTTP: `python -m sandbox`.

Both services in one process, with state in memory only, a login page for a browser, and a control
route by which tests switch on faults and read what was received. See `sandbox/fixtures.py` for the
users, ids and credentials.
"""
