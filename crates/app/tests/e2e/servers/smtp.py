"""An SMTP server that keeps each message in a Maildir; it says its port when it listens."""

import asyncio
import ssl
import sys

from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

transport, maildir, user, password, *pair = sys.argv[1:]


def authenticate(server, session, envelope, mechanism, given):
    return AuthResult(success=given == LoginPassword(user.encode(), password.encode()), handled=False)


context = None
if pair:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)

handler = Mailbox(maildir)
loop = asyncio.new_event_loop()


def session():
    return SMTP(
        handler,
        hostname="localhost",
        tls_context=context if transport == "StartTls" else None,
        require_starttls=transport == "StartTls",
        # Of TLS from the first byte on it knows nothing.
        auth_require_tls=transport == "StartTls",
        authenticator=authenticate,
        loop=loop,
    )


listening = loop.create_server(session, "127.0.0.1", 0, ssl=context if transport == "Implicit" else None)
port = loop.run_until_complete(listening).sockets[0].getsockname()[1]
print("port", port, file=sys.stderr, flush=True)
loop.run_forever()
