"""A call that changes something waits until its user has said yes, where an administrator wants so.

policy.py     does this call need somebody's yes? Without Django
binding.py    what exactly was said yes to. Without Django
changes.py    what a call would change of the object as it is now. Without Django
models.py     calls that wait, and what was decided
desk.py       every step of them, each in one transaction
decisions.py  hears of what was decided, for the calls that are held meanwhile
gate.py       what a call passes on its way out
"""
