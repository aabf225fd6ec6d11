"""HTTP+SSE (MCP 2024-11-05): a stream a client holds open, and POSTs that bring its messages.

sse.py         GET /sse and POST /messages/
stream.py      one open stream: what comes in, what goes out, its end
posted.py      a message as it was posted, and sealed for its way to another worker
handshake.py   clients that go on after a stream ended, without a handshake
keeper.py      one watcher for all of a worker's streams: pings, ends, credentials, changes
relay.py       on PostgreSQL: messages for streams of other workers
rows.py        what that needs of the database; models.py has the tables
listener.py    PostgreSQL's LISTEN
shutdown.py    whether the server was told to end

The SDK reads and answers the messages. Its own transport for HTTP+SSE isn't used: a stream of it
takes four times the memory, and can't be reached from another worker.
"""
