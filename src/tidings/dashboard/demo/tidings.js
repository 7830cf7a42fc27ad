/**
 * A small client for the Centrifuge protocol: JSON over one WebSocket.
 *
 * It reconnects by itself after everything that is not final, takes each channel up again from the position it had
 * reached, and says when that was not possible. It holds one token at a time and asks for another when the server
 * calls the first expired. It stores nothing that was to be sent while there was no connection: such calls fail.
 *
 *     const client = new Tidings(address, { token: async () => "…" });
 *     const news = client.subscribe("news");
 *     news.addEventListener("publication", (event) => console.log(event.detail.data));
 *     client.connect();
 */

import { CONNECTION_LOST, STATE_INVALIDATED, TOKEN_EXPIRED, decode, isFinal, promised, waitAfter } from "./protocol.js";
import { Subscription } from "./subscription.js";

const CONNECT_TIMEOUT = 10; // seconds, for token, socket and connect reply together
const PING_GRACE = 10; // seconds that a ping may be late

/**
 * A connection, and the subscriptions that it carries.
 *
 * `state` is "closed", "connecting", "live" or "waiting". Each change is announced by an event "state" whose detail
 * has the `state` and, for "waiting" and "closed", the `code` and `reason` of the loss. "waiting" adds `retryAt`, the
 * time of the next attempt in milliseconds since 1970. `client` is the id that the server gave this connection.
 */
export class Tidings extends EventTarget {
  state = "closed";
  client = "";
  #url;
  #fetchToken;
  #openSocket;
  #token = null;
  #socket = null;
  #subscriptions = new Map();
  #answers = new Map(); // command id → what to do with its reply
  #lastId = 0;
  #pings = { every: 0, answered: false };
  #losses = 0; // in a row, since the last connect reply
  #attempt = null; // a fresh object per attempt, by which a token that comes too late is recognised
  #held = false; // waiting on purpose: only the clock and `retryNow` end it
  #retry = 0;
  #watchdog = 0;
  #listening = null;

  /**
   * `token` is an async function that brings a connection token; when it throws, the client tries again later.
   * `openSocket` makes a WebSocket for an address, and is there to be replaced where no browser is.
   */
  constructor(url, { token, openSocket = (address) => new WebSocket(address) }) {
    super();
    this.#url = url;
    this.#fetchToken = token;
    this.#openSocket = openSocket;
  }

  /** Start, or start again after "closed". Does nothing otherwise. */
  connect() {
    if (this.state !== "closed") return;
    this.#losses = 0;
    this.#listen();
    this.#open();
  }

  /** End the connection and stay away until `connect` is called. Calls without an answer fail. */
  disconnect() {
    if (this.state !== "closed") this.#end(1000, "disconnected by the client");
  }

  /** While waiting: make the next attempt now. */
  retryNow() {
    if (this.state === "waiting") this.#open();
  }

  /** Drop the socket as a bad network would, and come back after so many seconds. */
  interrupt(seconds) {
    if (this.state === "closed") return;
    this.#held = true;
    this.#lose(0, "interrupted", seconds);
  }

  /** The subscription to a channel, made at the first call. `since` is a position to begin at: `{offset, epoch}`. */
  subscribe(channel, { since = null } = {}) {
    const known = this.#subscriptions.get(channel);
    if (known) return known;
    const subscription = new Subscription(channel, since, (command, done) => this.#ask(command, done));
    this.#subscriptions.set(channel, subscription);
    if (this.state === "live") subscription._begin();
    return subscription;
  }

  /** Call a method of the application and return what it answers. Throws a `TidingsError`. */
  async rpc(method, data) {
    return (await promised((command, done) => this.#ask(command, done), { rpc: { method, data } })).rpc.data;
  }

  // Coming and going.

  async #open() {
    const attempt = (this.#attempt = {});
    clearTimeout(this.#retry);
    this.#held = false;
    this.#become("connecting");
    this.#watch(CONNECT_TIMEOUT);
    try {
      this.#token ??= await this.#fetchToken();
    } catch (error) {
      if (attempt === this.#attempt) this.#lose(0, error.message);
    }
    if (attempt !== this.#attempt) return;
    this.#socket = this.#openSocket(this.#url);
    this.#socket.onopen = () => this.#hello();
    this.#socket.onmessage = (event) => this.#receive(event.data);
    this.#socket.onclose = (event) => this.#closed(event.code, event.reason);
  }

  #hello() {
    this.#ask({ connect: { token: this.#token, name: "tidings.js" } }, ({ error, connect }) => {
      if (error === CONNECTION_LOST) return;
      if (error) return this.#refused(error);
      this.client = connect.client;
      this.#pings = { every: connect.ping ?? 0, answered: connect.pong ?? false };
      this.#losses = 0;
      this.#watchPings();
      this.#become("live");
      for (const subscription of this.#subscriptions.values()) subscription._begin();
    });
  }

  /** An error in answer to connect leaves the connection unusable, whatever the error. */
  #refused({ code, message, temporary }) {
    if (code === TOKEN_EXPIRED) this.#token = null;
    if (temporary || code === TOKEN_EXPIRED) this.#lose(code, message);
    else this.#end(code, message);
  }

  #closed(code, reason) {
    if (code === STATE_INVALIDATED) {
      this.#token = null;
      for (const subscription of this.#subscriptions.values()) subscription.position = null;
    }
    if (isFinal(code)) this.#end(code, reason);
    else this.#lose(code, reason);
  }

  #lose(code, reason, seconds = waitAfter(this.#losses++)) {
    this.#leave();
    this.#retry = setTimeout(() => this.#open(), seconds * 1000);
    this.#become("waiting", { code, reason, retryAt: Date.now() + seconds * 1000 });
  }

  /** Positions stay, so that whoever connects again recovers. The token goes: it may be the reason for the end. */
  #end(code, reason) {
    this.#leave();
    this.#listening.abort();
    this.#token = null;
    this.#become("closed", { code, reason });
  }

  #leave() {
    clearTimeout(this.#retry);
    clearTimeout(this.#watchdog);
    const [socket, answers] = [this.#socket, this.#answers];
    this.#attempt = this.#socket = null;
    this.#answers = new Map();
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
    for (const subscription of this.#subscriptions.values()) subscription._pause();
    for (const done of answers.values()) done({ error: CONNECTION_LOST });
  }

  #become(state, detail = {}) {
    this.state = state;
    this.dispatchEvent(new CustomEvent("state", { detail: { state, ...detail } }));
  }

  // Speaking and hearing.

  #ask(command, done) {
    if (!command.connect && this.state !== "live") return done({ error: CONNECTION_LOST });
    const id = ++this.#lastId;
    this.#answers.set(id, done);
    this.#socket.send(JSON.stringify({ id, ...command }));
  }

  /** Answers are callbacks and not promises, so that a publication cannot overtake the reply in front of it. */
  #receive(frame) {
    if (this.state === "live") this.#watchPings();
    for (const { id, push, ...reply } of decode(frame)) {
      if (id) this.#answers.get(id)?.(reply);
      else if (push) this.#subscriptions.get(push.channel)?._push(push);
      else if (this.#pings.answered) this.#socket?.send("{}");
      this.#answers.delete(id);
    }
  }

  #watchPings() {
    if (this.#pings.every) this.#watch(this.#pings.every + PING_GRACE);
    else clearTimeout(this.#watchdog);
  }

  #watch(seconds) {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => this.#lose(0, "the server is silent"), seconds * 1000);
  }

  /** What a browser knows sooner than a timer: the network went, it is back, somebody looks at the page again. */
  #listen() {
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    const hurry = () => this.#held || globalThis.document?.hidden || this.retryNow();
    globalThis.addEventListener?.("offline", () => this.#held || this.#lose(0, "the network is away"), { signal });
    globalThis.addEventListener?.("online", hurry, { signal });
    globalThis.document?.addEventListener("visibilitychange", hurry, { signal });
  }
}
