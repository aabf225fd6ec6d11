"""A connection that calls as nobody can have meant it is paused, until its owner lets it go on.

rules.py    what is too often and too much the same, without Django
models.py   pauses, and what each worker counted
sharing.py  what a connection did in other workers, as of a second ago
pauses.py   which are in force, as of a second ago at most
"""
