"""A real MQTT broker on loopback, which can go away and come back, and a client that hears what it is told."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from edgekit.host.preflight import find_program
from tests.fakes.authority import make_authority
from tests.fakes.eventually import PATIENCE_S, eventually
from tests.fakes.ports import free_port

USER, PASSWORD = "edge", "p@ss-7Qz-mqtt"


class Broker:
    """mosquitto on two ports of its own, one with TLS (`ca.pem` in its folder); it takes one user, by password."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        make_authority(folder)
        self.port, self.tls_port = free_port(), free_port()
        passwords = folder / "passwords"
        passwords.touch(mode=0o600)
        argv = [find_program("mosquitto_passwd"), "-b", passwords, USER, PASSWORD]
        subprocess.run(argv, check=True, capture_output=True)
        (folder / "mosquitto.conf").write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\n"
            f"persistence true\npersistence_location {folder}/\nmax_queued_messages 0\nuser root\n"
            f"listener {self.tls_port} 127.0.0.1\ncertfile {folder}/server.pem\nkeyfile {folder}/server.key\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns once it listens."""
        argv = [find_program("mosquitto"), "-c", self.folder / "mosquitto.conf"]
        with (self.folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen(argv, stdout=log, stderr=log)
        eventually(self._listens)

    def stop(self) -> None:
        """It is gone; it knows its listeners again when it comes back."""
        if self._process is not None:
            self._process.terminate()
            self._process.send_signal(signal.SIGCONT)
            self._process.wait(PATIENCE_S)
            self._process = None

    def pause(self) -> None:
        """It hangs: connections stay, and the kernel takes new ones, but nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """It goes on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _listens(self) -> bool:
        assert self._process is not None and self._process.poll() is None, (self.folder / "mosquitto.log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Listener:
    """Hears everything under `#`, and keeps it by topic; it comes back with the broker."""

    def __init__(self, port: int, name: str) -> None:
        self.heard: dict[str, list[bytes]] = {}
        self._lock = threading.Lock()
        self._there = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=False)
        self._client.username_pw_set(USER, PASSWORD)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self._client.on_subscribe = lambda *_: self._there.set()
        self._client.on_message = self._hear
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._there.wait(PATIENCE_S)

    def of(self, topic: str) -> list[Any]:
        """What a topic was told, in order."""
        with self._lock:
            return [json.loads(payload) for payload in self.heard.get(topic, [])]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _hear(self, _client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        with self._lock:
            self.heard.setdefault(message.topic, []).append(message.payload)


@contextmanager
def listening(broker: Broker, name: str = "listener") -> Iterator[Listener]:
    """Hear a broker that runs."""
    listener = Listener(broker.port, name)
    try:
        yield listener
    finally:
        listener.close()


@contextmanager
def running_broker(folder: Path) -> Iterator[Broker]:
    """A broker that runs until the end."""
    broker = Broker(folder)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()
