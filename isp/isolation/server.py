"""A process that has loaded everything and decoded nothing, and forks a child for every file that is to be read.

It runs one thread, opens no file and parses nothing: a byte on the control socket brings the connection that a new
child answers. It lives as long as somebody holds that socket's other end, and its children live no longer than it.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket

from isp.errors import ChildError
from isp.isolation import child, forked_child
from isp.isolation.messages import Answer, Ended, pack

_CONTROL = 0  # the file descriptor
_LOOK_EVERY = 500  # milliseconds


def main() -> None:
    """Serve until the process that started this one closes its end of the control socket, or is gone."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the process that asks decides
        signal.signal(number, signal.SIG_IGN)
    child.load()
    gc.collect()
    gc.freeze()  # or a child that looks for garbage copies all pages
    _Server(socket.socket(fileno=_CONTROL)).serve()
    os._exit(0)


class _Server:
    """Its children by their process id, and the connection that each of them answers."""

    def __init__(self, control: socket.socket) -> None:
        self.control = control
        self.connections: dict[int, socket.socket] = {}
        self.bell, self.rope = socket.socketpair()
        self.rope.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self.rope.fileno(), warn_on_full_buffer=False)
        self.poll = select.poll()
        self.poll.register(control, select.POLLIN)
        self.poll.register(self.bell, select.POLLIN)

    def serve(self) -> None:
        """Work until it is over, then end all children."""
        parent, bell, control = os.getppid(), self.bell.fileno(), self.control.fileno()
        while os.getppid() == parent:  # a forked copy of it may hold the socket open
            ready = {descriptor for descriptor, _ in self.poll.poll(_LOOK_EVERY)}
            for descriptor in ready - {bell, control}:
                self._abandon(descriptor)
            if bell in ready:  # only now, for it closes connections, and a new one has the number of a closed one
                self._bury()
            if control in ready and not self._take():
                break
        for pid in self.connections:
            os.kill(pid, signal.SIGKILL)

    def _take(self) -> bool:
        """Fork a child for the connection that comes; False when none will come any more."""
        byte, descriptors, _, _ = socket.recv_fds(self.control, 1, 1)
        if not byte:
            return False
        connection, server = socket.socket(fileno=descriptors[0]), os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            _tell(connection, Answer(error=ChildError(f"no process can be started ({error.strerror})", "memory")))
            connection.close()
            return True
        if pid == 0:
            forked_child.main(connection, server, (self.control, self.bell, self.rope, *self.connections.values()))
        self.connections[pid] = connection
        self.poll.register(connection, 0)  # that nobody waits for the answer any more is told unasked
        return True

    def _bury(self) -> None:
        """Tell those who wait for children that have ended how they ended."""
        self.bell.recv(4096)
        while self.connections:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            connection = self.connections.pop(pid)
            with contextlib.suppress(KeyError):  # abandoned
                self.poll.unregister(connection)
            _tell(connection, Ended(os.waitstatus_to_exitcode(status)))
            connection.close()

    def _abandon(self, descriptor: int) -> None:
        """End a child whose answer nobody waits for: it is told by the connection's other end being closed."""
        self.poll.unregister(descriptor)
        for pid, connection in self.connections.items():
            if connection.fileno() == descriptor:
                os.kill(pid, signal.SIGKILL)


def _tell(connection: socket.socket, message: Answer | Ended) -> None:
    """Send a short message, and never wait."""
    with contextlib.suppress(OSError):
        connection.send(pack(message), socket.MSG_DONTWAIT)
