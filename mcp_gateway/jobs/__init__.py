"""A tool may start something that goes on after it has answered: a job.

rule.py            what a tool's `job` says, without Django
parties.py         whether the tools that it names can have a part in it
links.py           the jobs of the compiled catalog
wait_argument.py   how a call says that it waits
waiting.py         looking at a job for as long as somebody waits
calls.py           what becomes of a call that starts a job or asks how one goes
notes.py           what a model is told
"""
