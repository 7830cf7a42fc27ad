/**
 * npm's centrifuge as a test uses it: its events come out in order, and payloads are plain values.
 *
 *     const ada = await arrive(t, "ada");
 *     const news = await ada.subscribe("news");
 *     (await news.next("publication")).data
 *
 * WEBSOCKET in the environment is where to connect, ENCODING is json or protobuf.
 */

import WebSocket from "ws";
import { token } from "./backend.mjs";

const { WEBSOCKET, ENCODING } = process.env;
const PATIENCE = 20_000; // milliseconds to wait for something that has to come
const RETRY = 50; // milliseconds before the first attempt to connect again; the SDK doubles them with each failure

const isBinary = ENCODING === "protobuf";
const { Centrifuge } = await import(isBinary ? "centrifuge/build/protobuf" : "centrifuge");

/** What the SDK takes as a payload: bytes where messages are Protobuf. */
export const encode = (value) => (isBinary ? new TextEncoder().encode(JSON.stringify(value)) : value);

/** The value of a payload that the SDK hands out. */
export function decode(data) {
  if (!isBinary) return data;
  return data?.length ? JSON.parse(new TextDecoder().decode(data)) : undefined;
}

/** Events of an emitter, each to be taken once. */
class Journal {
  #events = [];
  #arrived = () => {};

  constructor(emitter, names) {
    for (const name of names) emitter.on(name, (context) => this.#note(name, context));
  }

  get isEmpty() {
    return this.#events.length === 0;
  }

  /** The next event, which has to have this name. */
  async next(name) {
    const event = await this.take();
    if (event.name === name) return event;
    throw new Error(`expected ${name}, and then came ${JSON.stringify(event)}`);
  }

  /** The next event of this name, whatever comes before it. */
  async skipTo(name) {
    for (;;) {
      const event = await this.take();
      if (event.name === name) return event;
    }
  }

  async take() {
    if (this.isEmpty) await this.#arrival();
    return this.#events.shift();
  }

  #arrival() {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("nothing came")), PATIENCE);
      this.#arrived = () => resolve(clearTimeout(timer));
    });
  }

  #note(name, context) {
    const data = "data" in context ? { data: decode(context.data) } : {};
    this.#events.push({ name, ...context, ...data });
    this.#arrived();
  }
}

const SUBSCRIPTION_EVENTS = ["subscribing", "subscribed", "unsubscribed", "publication", "join", "leave", "error"];
const CLIENT_EVENTS = [...SUBSCRIPTION_EVENTS, "connecting", "connected", "disconnected", "message"];

/** A subscription of the SDK, with its journal. */
class Channel extends Journal {
  constructor(subscription) {
    super(subscription, SUBSCRIPTION_EVENTS);
    this.subscription = subscription;
    this.name = subscription.channel;
  }

  publish(value) {
    return this.subscription.publish(encode(value));
  }

  /** What the next publications say. */
  async publications(count) {
    const values = [];
    while (values.length < count) values.push((await this.next("publication")).data);
    return values;
  }

  /** What the kept publications say. */
  async history(options) {
    return (await this.subscription.history(options)).publications.map(({ data }) => decode(data));
  }
}

/** A client of the SDK, with its journal. */
class Listener extends Journal {
  constructor(client) {
    super(client, CLIENT_EVENTS);
    this.client = client;
  }

  /** Connect, which has to succeed at once, and return the id of the connection. */
  async connect() {
    this.client.connect();
    await this.next("connecting");
    return (await this.next("connected")).client;
  }

  /** A subscription that is live. */
  async subscribe(name, options = {}) {
    const channel = await this.tryToSubscribe(name, options);
    await channel.next("subscribed");
    return channel;
  }

  async tryToSubscribe(name, options = {}) {
    const subscription = this.client.newSubscription(name, { minResubscribeDelay: RETRY, ...options });
    const channel = new Channel(subscription);
    subscription.subscribe();
    await channel.next("subscribing");
    return channel;
  }

  async rpc(method, value) {
    return decode((await this.client.rpc(method, encode(value))).data);
  }
}

/** A client that is not connected yet, and leaves when the test `t` ends. */
export function introduce(t, options = {}, websocket = WEBSOCKET) {
  const patient = { websocket: WebSocket, timeout: PATIENCE, minReconnectDelay: RETRY };
  const client = new Centrifuge(websocket, { ...patient, ...options });
  t.after(() => client.disconnect());
  return new Listener(client);
}

/** A connected client of a user, whose token has these claims. */
export async function arrive(t, user, claims = {}, websocket = WEBSOCKET) {
  const listener = introduce(t, { getToken: async () => token(user, claims) }, websocket);
  listener.id = await listener.connect();
  return listener;
}
