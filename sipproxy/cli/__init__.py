"""C{sipproxyctl}: the operator's command line (sipproxyctl(1)).

Talks to the server over its control socket; what is in a SQLite file can be
reached without a server too. A command is one file with a function
C{command()}, and one line in L{sipproxy.cli.main}.
"""
