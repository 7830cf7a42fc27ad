/** One channel of a connection: its events, its position, and how it comes back. */

import { CONNECTION_LOST, POSITION_INVALIDATED, RESUBSCRIBE_FROM, promised, waitAfter } from "./protocol.js";

/**
 * A channel as one client sees it; made by `Tidings.subscribe`. `state` is "subscribing", "subscribed" or
 * "unsubscribed". Its events, each with its detail:
 *
 * "subscribed" `{recovering, recovered, count}`: live from here on. `recovering` says that a position was reported,
 * `recovered` that everything since then follows now; `count` publications follow. Where the position to begin at is no
 * longer kept, these are what the channel still has;
 * "publication" `{data, offset, info, tags, time, recovered}`, in order and each once;
 * "join" and "leave" `{user, client, conn_info}`;
 * "unsubscribed" `{code, reason}`: ended for good.
 */
export class Subscription extends EventTarget {
  state = "subscribing";
  #send;
  #failures = 0;
  #entered = false;
  #held = null; // pushes that came while the history was being read
  #retry = 0;

  constructor(channel, since, send) {
    super();
    this.channel = channel;
    this.position = since; // of the last publication that was handed out
    this.#send = send;
  }

  /** Publish to the channel. Returns when the server has accepted it; throws a `TidingsError`. */
  async publish(data) {
    await promised(this.#send, { publish: { channel: this.channel, data } });
  }

  /** Who is subscribed now: an object from client id to `{user, client, conn_info}`. Throws a `TidingsError`. */
  async presence() {
    return (await promised(this.#send, { presence: { channel: this.channel } })).presence.presence;
  }

  // Called by the connection.

  _begin() {
    if (this.state === "unsubscribed") return;
    const recovery = this.position ? { recover: true, ...this.position } : {};
    this.#send({ subscribe: { channel: this.channel, ...recovery } }, (reply) => this.#answered(reply));
  }

  _pause() {
    clearTimeout(this.#retry);
    if (this.state === "subscribed") this.state = "subscribing";
    this.#held = null;
  }

  _push({ pub, join, leave, unsubscribe }) {
    if (this.#held) return this.#held.push({ pub, join, leave, unsubscribe });
    if (this.state !== "subscribed") return;
    if (pub) this.#publication(pub, false);
    if (join) this.#emit("join", join.info);
    if (leave) this.#emit("leave", leave.info);
    if (unsubscribe) this.#dropped(unsubscribe);
  }

  // Private steps.

  #answered({ error, subscribe }) {
    if (error === CONNECTION_LOST) return; // the next connection begins again
    if (error) return error.temporary ? this.#later() : this.#end(error.code, error.message);
    const { recoverable, epoch = "", offset = 0, was_recovering, recovered, publications = [] } = subscribe;
    this.#failures = 0;
    this.position = recoverable ? { offset, epoch } : null;
    const detail = { recovering: !!was_recovering, recovered: !!recovered };
    if (was_recovering && !recovered && !this.#entered) this.#fetchKept(detail);
    else this.#live(detail, publications);
  }

  /** The beginning is no longer kept: hand out what still is, before anything that is live. */
  #fetchKept(detail) {
    const { offset } = this.position ?? { offset: 0 };
    const held = (this.#held = []);
    this.#send({ history: { channel: this.channel, limit: -1 } }, ({ error, history }) => {
      this.#held = null;
      if (error === CONNECTION_LOST) return;
      const { publications = [] } = history ?? {}; // not permitted: then nothing is shown
      this.#live(detail, publications.filter((publication) => publication.offset <= offset));
      for (const push of held) this._push(push);
    });
  }

  #live(detail, publications) {
    this.state = "subscribed";
    this.#entered = true;
    this.#emit("subscribed", { ...detail, count: publications.length });
    for (const publication of publications) this.#publication(publication, true);
  }

  #publication(publication, recovered) {
    if (this.position) this.position = { ...this.position, offset: publication.offset };
    this.#emit("publication", { ...publication, recovered });
  }

  #dropped({ code, reason }) {
    if (code < RESUBSCRIBE_FROM) return this.#end(code, reason);
    if (code === POSITION_INVALIDATED) this.position = null;
    this.state = "subscribing";
    this.#later();
  }

  #later() {
    this.#retry = setTimeout(() => this._begin(), waitAfter(this.#failures++) * 1000);
  }

  #end(code, reason) {
    this.state = "unsubscribed";
    this.#emit("unsubscribed", { code, reason });
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
