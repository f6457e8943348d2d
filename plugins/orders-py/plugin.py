"""orders-py: sends each order to a topic, and leaves out what testers place.

This file is yours: change it, save it, and `relay dev` shows what becomes of your events.
"""

from relay import Event, discard, kafka, plugin


def check(settings):
    """Called once, before the first event. What is wrong with the settings is said here, and the relay then refuses to
    load the plugin instead of failing event by event."""
    if settings["topic"] == "":
        return [("/topic", 'is empty; name a topic, for example "orders"')]
    return []


def transform(event: Event, settings):
    """Called for each event, in the order in which they were committed. The relay may make a new instance at any time:
    the same event must always get the same answer, so keep nothing between events."""
    # An event that needs no message is discarded, with a reason that operators can count.
    if event.aggregate_type != "order":
        return discard("not an order")
    # What is not JSON becomes a dead letter, and so does an order without a customer: an exception is the event's own,
    # and the next one goes on.
    order = event.json()
    if not settings["testers"] and order["customer"]["email"].endswith("@test.example"):
        return discard("placed by a tester")
    # Key, payload and headers go on as they came unless you say otherwise: `kafka(topic, key=…, json=…)`,
    # `headers={"name": "value"}`. Other targets: `nats("orders.new")`, `http("/orders")`. Several messages: `[a, b]`.
    return kafka(settings["topic"])


# Makes a component of it. A setting that is not here is an error and not ignored; one without a default must be there.
# `relay plugin inspect` shows all of this.
Transform = plugin(
    name="orders-py",
    version="0.1.0",
    summary="Sends each order to a topic",
    settings={
        "topic": {"type": "string", "description": "The topic that orders go to."},
        "testers": {"type": "boolean", "default": False, "description": "Whether orders of testers go there too."},
    },
    check=check,
    transform=transform,
)
