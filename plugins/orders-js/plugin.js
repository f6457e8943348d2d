// orders-js: sends each order to a topic, and leaves out what testers place.
//
// This file is yours: change it, save it, and `relay dev` shows what becomes of your events.
import { discard, kafka, plugin } from "./relay.js";

export const transform = plugin({
  // Shown by `relay plugin inspect`.
  name: "orders-js",
  version: "0.1.0",
  summary: "Sends each order to a topic",

  // What an operator writes under `[plugin.orders-js] config`. A setting that is not here is an error and not ignored;
  // one without a default must be there.
  settings: {
    topic: { type: "string", description: "The topic that orders go to." },
    testers: { type: "boolean", default: false, description: "Whether orders of testers go there too." },
  },

  // Called once, before the first event. What is wrong with the settings is said here, and the relay then refuses to
  // load the plugin instead of failing event by event.
  check({ topic }) {
    return topic === "" ? [{ path: "/topic", message: 'is empty; name a topic, for example "orders"' }] : [];
  },

  // Called for each event, in the order in which they were committed. The relay may make a new instance at any time:
  // the same event must always get the same answer, so keep nothing between events.
  event(event, { topic, testers }) {
    // An event that needs no message is discarded, with a reason that operators can count.
    if (event.aggregateType !== "order") return discard("not an order");
    // What is not JSON becomes a dead letter, and so does an order without a customer: an exception is the event's
    // own, and the next one goes on.
    const order = event.json();
    if (!testers && order.customer.email.endsWith("@test.example")) return discard("placed by a tester");
    // Key, payload and headers go on as they came unless you say otherwise: `.key(…)`, `.json(value)`,
    // `.header("name", "value")`. Other targets: `nats("orders.new")`, `http("/orders")`. Several messages: `[a, b]`.
    return kafka(topic);
  },
});
