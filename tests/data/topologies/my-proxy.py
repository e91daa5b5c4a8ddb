"""A customer's proxy of one's own: CONNECT to port 443 of listed addresses, perhaps with a log-in."""

import base64
import os
import pathlib
import select
import socket
import socketserver

LISTED = set(os.environ["LAB_DESTINATIONS"].split(","))
USER = os.environ.get("LAB_PROXY_USER")


class Proxy(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class Caller(socketserver.StreamRequestHandler):
    def handle(self):
        method, target, _ = self.rfile.readline().decode().split()
        fields = {}
        while line := self.rfile.readline().decode().strip():
            name, _, value = line.partition(":")
            fields[name.lower()] = value.strip()
        status = self.refusal(method, target, fields)
        print(method, target, status or 200, flush=True)
        if status:
            more = 'Proxy-Authenticate: Basic realm="mine"\r\n' if status == 407 else ""
            self.wfile.write(f"HTTP/1.1 {status} No\r\n{more}Content-Length: 0\r\n\r\n".encode())

    def refusal(self, method, target, fields):
        """The status of what is refused; 0 once a tunnel has been there."""
        host, _, port = target.rpartition(":")
        if method != "CONNECT" or port != "443":
            return 403
        if USER and fields.get("proxy-authorization") != log_in():
            return 407
        try:
            found = {row[4][0] for row in socket.getaddrinfo(host, 443, socket.AF_INET)}
        except OSError:
            return 403
        if not found <= LISTED:
            return 403
        try:
            server = socket.create_connection((host, 443), timeout=15)
        except OSError:
            return 502
        with server:
            self.wfile.write(b"HTTP/1.1 200 Go on\r\n\r\n")
            carry(self.connection, server)
        return 0


def log_in():
    password = pathlib.Path(os.environ["LAB_PROXY_PASSWORD_FILE"]).read_text().strip()
    return "Basic " + base64.b64encode(f"{USER}:{password}".encode()).decode()


def carry(one, other):
    """Bytes both ways, until both ends have ended."""
    ends = {one: other, other: one}
    while ends:
        for end in select.select(list(ends), [], [])[0]:
            data = end.recv(65536)
            if data:
                ends[end].sendall(data)
            else:
                ends.pop(end).shutdown(socket.SHUT_WR)


address, _, port = os.environ["LAB_LISTEN"].rpartition(":")
Proxy((address, int(port)), Caller).serve_forever()
