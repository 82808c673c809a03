"""Lets a real Home Assistant read the device message: its schemas, its templates, its entities.

    pip install homeassistant==2025.1.4 paho-mqtt==1.6.1 aiohttp_cors   # Python 3.13
    mosquitto -p 18830 &
    python homeassistant_discovery.py homeassistant_discovery.json 18830

Starts the core of Home Assistant with nothing but its MQTT integration, in a temporary folder, on
an empty broker of this machine; speaks for a node with the examples of the contract's schemas and with
what is rare; looks at the states, and at what the controls send. Exits with 1 and a list where
anything is not as it should be, a warning of the MQTT integration included.

Shown with Home Assistant 2024.11.3, 2025.1.4 and 2025.4.4 on Python 3.12 and 3.13: device discovery takes the message, and no key is
unknown. The dots in the keys and unique ids are allowed. An entity that is missing in the next message
STAYS; one that is described by its platform alone is removed, and that is no fault where it is not
known; it comes back when it is described again; an empty message removes the device.
"""

import asyncio
import json
import logging
import sys
import tempfile
from importlib import import_module
from inspect import signature
from pathlib import Path

from homeassistant import bootstrap, loader
from homeassistant.auth import auth_manager_from_config
from homeassistant.components import mqtt
from homeassistant.components.mqtt.schemas import DEVICE_DISCOVERY_SCHEMA, SHARED_OPTIONS
from homeassistant.config_entries import ConfigEntries, ConfigEntry
from homeassistant.core import CoreState, HomeAssistant
from homeassistant.helpers import device_registry, entity_registry

SCHEMAS = Path(__file__).parents[2] / "src/publish/schema"
TOPIC = "homeassistant/device/{}/config"
faults = []


def check(what, got, wanted):
    if got != wanted:
        faults.append(f"{what}: {got!r}, not {wanted!r}")


def example(name):
    return json.loads((SCHEMAS / f"{name}.json").read_text())["examples"][0]


def changed(value, **changes):
    return json.dumps(value | changes)


class Complaints(logging.Handler):
    """A warning of the integration is a fault of ours."""

    def emit(self, record):
        if record.name.startswith("homeassistant.components.mqtt"):
            faults.append(f"Home Assistant says: {record.getMessage()[:400]}")


def check_schemas(message):
    """Against the schemas that refuse what they don't know; discovery itself drops such keys."""
    message = json.loads(json.dumps(message))
    DEVICE_DISCOVERY_SCHEMA(json.loads(json.dumps(message)))
    for key, entity in message["components"].items():
        platform = entity.pop("platform")
        shared = {k: message[k] for k in SHARED_OPTIONS if k in message and k not in entity}
        whole = entity | shared | {"device": message["device"], "origin": message["origin"]}
        schema = import_module(f"homeassistant.components.mqtt.{platform}").PLATFORM_SCHEMA_MODERN
        try:
            schema(whole)
        except Exception as fault:  # voluptuous or an assertion of its own
            faults.append(f"{key}: {fault}")


class House:
    """A Home Assistant, and what it shows."""

    def __init__(self, hass, message):
        self.hass, self.heard, self.kept = hass, [], set()
        self.device = message["device"]["identifiers"][0]
        self.node = message["availability"][0]["topic"].removesuffix("/availability")

    async def start(self, port):
        hass = self.hass
        hass.config.skip_pip = True
        loader.async_setup(hass)
        hass.config_entries = ConfigEntries(hass, {})
        await bootstrap.async_load_base_functionality(hass)
        await hass.config_entries.async_initialize()
        hass.auth = await auth_manager_from_config(hass, [{"type": "homeassistant"}], [])
        hass.set_state(CoreState.running)
        entry = dict(
            data={"broker": "127.0.0.1", "port": port}, domain="mqtt", title="mqtt", version=1,
            minor_version=2, options={}, source="user", unique_id=None, discovery_keys={},
        )
        if "subentries_data" in signature(ConfigEntry).parameters:  # since 2025.3
            entry["subentries_data"] = None
        await hass.config_entries.async_add(ConfigEntry(**entry))
        await mqtt.async_subscribe(hass, f"{self.node}/#", lambda m: self.heard.append((m.topic, m.payload)))
        await self.settle()

    async def settle(self):
        await asyncio.sleep(0.5)
        await self.hass.async_block_till_done()

    async def say(self, level, payload, retain=True):
        topic = f"{self.node}/{level}"
        await mqtt.async_publish(self.hass, topic, payload, 1, retain)
        self.kept |= {topic} if retain else set()
        await self.settle()

    async def describe(self, message):
        payload = json.dumps(message) if message else ""
        await mqtt.async_publish(self.hass, TOPIC.format(self.device), payload, 1, True)
        await self.settle()

    def entities(self):
        """The key of each entity that is there, with its id."""
        entities = entity_registry.async_get(self.hass).entities.values()
        return {e.unique_id.removeprefix(f"{self.device}."): e.entity_id for e in entities}

    def state(self, key):
        return self.hass.states.get(self.entities()[key])

    def shows(self, what, **wanted):
        for key, value in wanted.items():
            key = key.replace("__", ".")
            check(f"{what}: {key}", self.state(key).state, value)

    async def call(self, domain, service, key, **data):
        """What a control sends."""
        self.heard.clear()
        target = {"entity_id": self.entities()[key]}
        await self.hass.services.async_call(domain, service, target | data, blocking=True)
        await self.settle()
        return [(topic.removeprefix(f"{self.node}/"), payload) for topic, payload in self.heard]


async def readings(house):
    state, health = example("state"), example("health")
    house.shows("before the node speaks", cam0__anomaly="unavailable", spool="unavailable")
    await house.say("availability", "online")
    await house.say("cam0/availability", "online")
    await house.say("cam0/state", changed(state, anomaly="ON", score=0.91))
    house.shows("an anomaly", cam0__anomaly="on", cam0__score="0.91", cam0__connectivity="on")
    await house.say("cam0/state", changed(state, anomaly="OFF", score=None, judged=False))
    house.shows("not judged", cam0__anomaly="off", cam0__score="unknown")
    house.shows("the camera is well", cam0__camera_problem="off", cam0__reason="judged")
    blind = dict(judged=False, score=None, reason="camera_frozen", detail="20 s the same picture")
    await house.say("cam0/availability", "offline")
    await house.say("cam0/state", changed(state, **blind, causes=["anomaly", "camera_frozen"]))
    house.shows("frozen", cam0__camera_problem="on", cam0__reason="camera_frozen")
    shown = house.state("cam0.camera_problem").attributes
    check("causes", (shown["causes"], shown["detail"]), (["camera_frozen"], blind["detail"]))
    await house.say("cam0/state", changed(state, anomaly="ON", causes=["anomaly"]))
    house.shows("an anomaly is no problem of the camera", cam0__camera_problem="off")
    await house.say("cam0/availability", "disabled")
    house.shows("disabled", cam0__anomaly="unavailable", cam0__connectivity="off")
    await house.say("health", json.dumps(health))
    house.shows("healthy", spool_fault="off", spool=str(health["spool"]["alerts"]))
    check("temperature", float(house.state("temperature").state), health["temperature_c"])
    await house.say("cam0/availability", "online")
    spool = health["spool"] | {"state": "no_room", "alerts": 7}
    await house.say("health", changed(health, temperature_c=None, spool=spool))
    house.shows("a full disk", spool_fault="on", spool="7", temperature="unknown")
    for name, wanted in (("off", "off"), ("failed", "on"), ("quarantine", "on")):
        await house.say("health", changed(health, spool=spool | {"state": name}))
        house.shows(f"spool {name}", spool_fault=wanted)


async def events(house):
    alert = example("alert")
    await house.say("cam0/alert", json.dumps(alert), retain=False)
    shown = house.state("cam0.alert").attributes
    data = alert["data"]
    check("event", shown["event_type"], data["phase"])
    check("region", shown["bbox"], data["region"]["bbox"])
    check("score", shown["score"], data["score"]["value"])
    for phase in ("updated", "closed"):
        fault = {"detail": "20 s the same picture", "severity": 2.0}
        other = data | {"phase": phase, "cause": "camera_frozen", "region": None}
        other |= {"score": None, "fault": fault}
        await house.say("cam0/alert", changed(alert, data=other), retain=False)
        shown = house.state("cam0.alert").attributes
        check("event", (shown["event_type"], shown["cause"]), (phase, "camera_frozen"))
        check("no region", (shown["bbox"], shown["score"]), (None, None))
        check("a fault", shown["detail"], fault["detail"])


async def pictures(house):
    picture = b"\xff\xd8\xff\xe0 not a whole JPEG"
    await house.say("cam0/snapshot", picture)
    image = house.hass.data["image"].get_entity(house.entities()["cam0.snapshot"])
    check("picture", (await image.async_image(), image.content_type), (picture, "image/jpeg"))


async def controls(house):
    for key, payload in (("enabled", "ON"), ("mute", "OFF"), ("threshold", "0.5")):
        await house.say(f"cam0/{key}/state", payload)
    house.shows("controls", cam0__enabled="on", cam0__mute="off", cam0__threshold="0.5")
    sent = await house.call("switch", "turn_off", "cam0.enabled")
    check("enabled", sent, [("cam0/enabled/set", "OFF")])
    check("mute", await house.call("switch", "turn_on", "cam0.mute"), [("cam0/mute/set", "ON")])
    sent = await house.call("number", "set_value", "cam0.threshold", value=0.62)
    check("threshold", sent, [("cam0/threshold/set", "0.62")])
    check("reload", await house.call("button", "press", "reload"), [("request/reload", "{}")])
    house.shows("until the node says so", cam0__enabled="on", cam0__threshold="0.5")


async def removal(house, message):
    def is_gone(key):
        return key.startswith("cam1.")

    everything = set(message["components"])
    kept = {k: v for k, v in message["components"].items() if not is_gone(k)}
    gone = {k: {"platform": v["platform"]} for k, v in message["components"].items() if is_gone(k)}
    await house.describe(message | {"components": kept})
    check("missing entities stay", set(house.entities()), everything)
    for what in ("removed", "removed again"):
        await house.describe(message | {"components": kept | gone})
        check(what, set(house.entities()), set(kept))
    await house.describe(message)
    check("described again", set(house.entities()), everything)
    await house.describe(None)
    check("an empty message removes all", house.entities(), {})
    check("and the device", len(device_registry.async_get(house.hass).devices), 0)


async def main(path, port):
    message = json.loads(Path(path).read_text())
    logging.getLogger().addHandler(Complaints(logging.WARNING))
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "configuration.yaml").touch()
        hass = HomeAssistant(folder)
        house = House(hass, message)
        await house.start(port)
        check_schemas(message)
        await house.describe(message)
        check("entities", set(house.entities()), set(message["components"]))
        try:
            for part in (readings, events, pictures, controls):
                await part(house)
            await removal(house, message)
        except KeyError as missing:
            faults.append(f"there is no entity {missing}, the rest is not looked at")
        # Leaves the broker as it was.
        for topic in house.kept | {TOPIC.format(house.device)}:
            await mqtt.async_publish(hass, topic, "", 0, True)
        await house.settle()
        await hass.async_stop(force=True)
    print("\n".join(faults) or f"{len(message['components'])} entities, all as they should be")
    return bool(faults)


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    sys.exit(asyncio.run(main(sys.argv[1], int(sys.argv[2]))))
