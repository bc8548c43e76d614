"""A connection to an MQTT broker that comes back by itself, through paho."""

from __future__ import annotations

import random
import ssl
import sys
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from edgekit.device.runtime.schedule.pinning import name_thread
from edgekit.device.runtime.sinks.network_words import network_words
from edgekit.schema.sink import MqttSink

_IN_FLIGHT = 20
"""Messages that may be under way at a time, with the broker or in paho's memory."""
_CONNECT_S = 10.0
_CLOSE_S = 1.0
_PORT, _TLS_PORT = 1883, 8883
"""Source: IANA, mqtt and secure-mqtt."""
_REFUSED = {134: "refuses this user and password", 135: "refuses this user and password"}
"""paho gives MQTT 5's reason codes for those of 3.1.1. Source: MQTT 5.0, section 3.2.2.2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Will:
    """What stands in a topic while the connection is there, and what the broker puts there when it is lost."""

    topic: str
    here: str = "true"
    gone: str = "false"


class BrokerConnection:
    """Sends what it is given, and says what has arrived. Its thread connects, and connects again."""

    def __init__(self, plan: MqttSink, client_id: str, will: Will, ca_file: Path | None, problem: str) -> None:
        """Connect to nothing yet.

        Args:
            plan: the broker, and how to get in.
            client_id: no other client of the broker has it.
            will: is there as long as the connection is.
            ca_file: who signs the broker's certificate; None: whom this machine trusts.
            problem: why nothing can be sent yet.

        Raises:
            OSError: `ca_file` cannot be read, or holds no certificate.
        """
        self._will = will
        self.problem = problem
        """Why nothing can be sent; empty while it is connected."""
        self.connections = 0
        """How often it was connected: what a broker may have forgotten is sent again then."""
        self.on_change: Callable[[], None] = lambda: None
        """Called from its thread after anything happened."""
        self._pause_s = plan.backoff_s
        self._answered = False
        """Whether the broker has answered on this connection."""
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._under_way: set[int] = set()
        self._early: set[int] = set()
        """Arrived before `send` has come back."""
        self._own: set[int] = set()
        """Of `will.here`."""
        self._thread: threading.Thread | None = None
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv311)
        if plan.user is not None:
            client.username_pw_set(plan.user, plan.password)
        if plan.tls:
            client.tls_set_context(ssl.create_default_context(cafile=ca_file))
        client.will_set(will.topic, will.gone, qos=1, retain=True)
        client.connect_timeout = _CONNECT_S
        # A broker that comes back is not met by all of its boards in the same moment.
        client.reconnect_delay_set(min(plan.backoff_s, random.uniform(1, 2)), plan.backoff_s)  # type: ignore[arg-type]  # noqa: S311
        client.max_inflight_messages_set(_IN_FLIGHT)
        client.on_connect, client.on_disconnect = self._connected, self._disconnected
        client.on_connect_fail, client.on_publish = self._failed, self._published
        client.connect_async(plan.host, plan.port or (_TLS_PORT if plan.tls else _PORT), plan.keepalive_s)
        self._client = client

    @property
    def room(self) -> int:
        """How many messages it takes now."""
        with self._lock:
            return 0 if self.problem else max(0, _IN_FLIGHT - len(self._under_way))

    def start(self, name: str) -> None:
        """Begin to connect, on a thread of this name; it runs where the calling thread may."""
        self._thread = threading.Thread(target=self._run, args=(name,), name=name, daemon=True)
        self._thread.start()

    def send(self, topic: str, payload: bytes, *, qos: int, retain: bool = False) -> int:
        """Send a message, or send it again once there is a connection; its number, for `arrived`."""
        number = self._client.publish(topic, payload, qos=qos, retain=retain).mid  # takes paho's locks: none of ours
        with self._lock:
            if number in self._early:
                self._early.discard(number)
            else:
                self._under_way.add(number)
        return number

    def arrived(self, numbers: Collection[int]) -> set[int]:
        """Those of some messages that are not under way any more."""
        with self._lock:
            return set(numbers) - self._under_way

    def close(self) -> None:
        """Say goodbye, and wait for it no longer than a moment."""
        self._closing.set()
        with suppress(ValueError, RuntimeError):  # paho's, for what it cannot send
            if not self.problem:
                self._client.publish(self._will.topic, self._will.gone, qos=1, retain=True).wait_for_publish(_CLOSE_S)
        self._client.disconnect()
        if self._thread is not None:
            self._thread.join(_CLOSE_S)

    def _run(self, name: str) -> None:
        name_thread(name, threading.get_native_id(), Path("/proc"))
        while not self._closing.is_set():
            try:
                self._client.loop_forever(retry_first_connection=True)
            except Exception as error:  # paho goes on after an OSError alone
                self._say(f"cannot be reached: {error}")
                self._closing.wait(self._pause_s)

    def _say(self, problem: str) -> None:
        self.problem = problem
        self.on_change()

    def _connected(self, _client: object, _data: object, _flags: object, reason: ReasonCode, _more: object) -> None:
        self._answered = True
        if reason.is_failure:
            self._say(_REFUSED.get(reason.value, f"refuses this client: {reason}"))
            return
        if not self._own:  # else paho itself sends again what has not arrived
            self._own.add(self._client.publish(self._will.topic, self._will.here, qos=1, retain=True).mid)
        self.connections += 1
        self._say("")

    def _disconnected(self, _client: object, _data: object, _flags: object, reason: ReasonCode, _more: object) -> None:
        answered, self._answered = self._answered, False
        if not answered:
            self._say("takes connections, and does not answer")
        elif not self.problem:  # after a refusal that is known already
            self._say(f"is gone: {reason}")

    def _failed(self, _client: object, _data: object) -> None:
        """It is called where the error is handled, and not told of it."""
        self._say(f"cannot be reached: {network_words(sys.exc_info()[1])}")

    def _published(self, _client: object, _data: object, number: int, _reason: object, _more: object) -> None:
        with self._lock:
            if number in self._own:
                self._own.discard(number)
            elif number in self._under_way:
                self._under_way.discard(number)
            else:
                self._early.add(number)
        self.on_change()
