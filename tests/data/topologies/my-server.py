"""An HTTPS server, as an engineer would bring one: Python's, with the lab's certificates."""

import json
import os
import ssl
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self._answer({"by": "my server", "path": self.path})

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer({"by": "my server", "transaction": "4711"})

    def _answer(self, content):
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = ThreadingHTTPServer(("", 443), Handler)
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(os.environ["LAB_CERT_FILE"], os.environ["LAB_KEY_FILE"])
context.load_cert_chain(os.environ["LAB_RSA_CERT_FILE"], os.environ["LAB_RSA_KEY_FILE"])
server.socket = context.wrap_socket(server.socket, server_side=True)
print("listening, as", os.environ["LAB_NODE"], "for", os.environ["LAB_LISTEN"], flush=True)
server.serve_forever()
