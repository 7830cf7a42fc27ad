/** The demo page: what the client hears becomes what the visitor sees, and the other way round. */

import { Identity } from "./identity.js";
import { Latency } from "./latency.js";
import { Messages } from "./messages.js";
import { People, nameOf } from "./people.js";
import { CONNECTION_LOST } from "./protocol.js";
import { Status } from "./status.js";
import { Tidings } from "./tidings.js";

const INVALID_TOKEN = 3500;
const PAUSE = 5; // seconds
const BURST = 10;
/** Everything that the channel still has: a visitor should find the conversation, not an empty room. */
const BEGINNING = { offset: 0, epoch: "" };

const one = (selector) => document.querySelector(selector);
const identity = new Identity();
const people = new People();
const messages = new Messages();
const latency = new Latency();
const status = new Status(retry);
const address = new URL("connection/websocket", document.baseURI);
address.protocol = address.protocol.replace("http", "ws");
const client = new Tidings(address.href, { token: fetchToken });

const underway = []; // own messages that have not come back: {text, at}
const counts = { messages: 0, recovered: 0, unseen: 0 };
let lobby = null;
let visits = 0; // how often the channel was entered; every time but the first is a reconnect
let renewed = false; // a fresh token was tried since the connection was last live

async function fetchToken() {
  const response = await fetch(`demo/session?name=${encodeURIComponent(identity.name)}`);
  if (!response.ok) throw new Error(`no session: the server answered ${response.status}`);
  const { token, channel, curl } = await response.json();
  one("#channel").textContent = channel;
  one("#curl").textContent = curl;
  lobby ??= enter(channel);
  return token;
}

function enter(channel) {
  const entered = client.subscribe(channel, { since: BEGINNING });
  const on = (type, listener) => entered.addEventListener(type, (event) => listener(event.detail));
  on("subscribed", settle);
  on("publication", receive);
  on("join", welcome);
  on("leave", farewell);
  on("unsubscribed", end);
  return entered;
}

// The connection.

client.addEventListener("state", ({ detail: { state, code, reason, retryAt } }) => {
  if (state === "connecting") return visits ? status.reconnecting() : status.connecting();
  if (state === "live") return identity.adopt(client.client);
  if (state === "waiting") return status.waiting(retryAt, whyWaiting(code, reason));
  // A server that was started anew has a new secret, and takes the old token for a forged one.
  if (code === INVALID_TOKEN && !renewed) {
    renewed = true;
    return client.connect();
  }
  return status.closed(`The connection was closed: ${reason} (${code}).`);
});

function whyWaiting(code, reason) {
  if (reason === "interrupted") return "Paused. Publish something from another tab or a terminal: it is kept for you.";
  return `Connection lost${reason ? `: ${reason}` : ""}. What you miss now is fetched after the reconnect.`;
}

function retry() {
  one("#scroller").focus({ preventScroll: true }); // the button goes away
  if (lobby?.state === "unsubscribed") location.reload(); // for good, so only a new page can subscribe again
  else if (client.state === "waiting") client.retryNow();
  else client.connect();
}

// The channel.

function settle({ recovered, count }) {
  status.live();
  hint("");
  renewed = false;
  visits += 1;
  if (visits > 1) messages.line(...afterReconnect(recovered, count));
  else if (count) messages.line("history", "Earlier messages");
  lobby.presence().then(
    (presence) => people.replace(presence, client.client),
    () => {}, // lost again, or not permitted: the list stays as it is
  );
}

function end({ code, reason }) {
  client.disconnect();
  status.closed(`The subscription has ended: ${reason} (${code}).`);
}

function afterReconnect(recovered, count) {
  if (!recovered) return ["lost", "Back, but what was published meanwhile is no longer kept"];
  if (!count) return ["recovered", "Back again, and nothing was missed"];
  return ["recovered", `Recovered ${count} ${count === 1 ? "message" : "messages"} after a reconnect`];
}

function receive({ data, info, offset, time, recovered }) {
  const own = identity.owns(info?.client);
  const took = own ? roundTrip(data) : null;
  const missed = recovered && visits > 1;
  if (took !== null && !recovered) latency.add(took);
  messages.add({
    info,
    data,
    at: new Date(time || Date.now()),
    own,
    took: recovered ? null : took,
    attributes: { offset: offset ?? 0, recovered: missed, history: recovered && !missed },
  });
  people.nod(info?.client ?? "");
  count(missed);
}

/** Own publications come back in the order in which they were sent, so the first of the same text is meant. */
function roundTrip(data) {
  const place = underway.findIndex(({ text }) => text === data?.text);
  return place < 0 ? null : performance.now() - underway.splice(place, 1)[0].at;
}

function count(missed) {
  counts.messages += 1;
  counts.recovered += missed ? 1 : 0;
  counts.unseen += document.hidden ? 1 : 0;
  one("#message-count").textContent = counts.messages.toLocaleString("en");
  one("#recovered-count").textContent = counts.recovered.toLocaleString("en");
  document.title = counts.unseen ? `(${counts.unseen}) Tidings` : "Tidings";
}

document.addEventListener("visibilitychange", () => {
  counts.unseen = 0;
  document.title = "Tidings";
});

function welcome(info) {
  const fresh = people.join(info);
  if (fresh && info.client !== client.client) messages.line("join", `${nameOf(info)} joined`);
}

function farewell(info) {
  people.leave(info);
  messages.line("leave", `${nameOf(info)} left`);
}

// What the visitor does.

one("#composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = one("#text").value.trim();
  if (!text) return;
  if (status.state !== "live") return hint("Not connected: your text waits here.");
  one("#text").value = "";
  send(text);
});

async function send(text) {
  const message = { text, at: performance.now() };
  underway.push(message);
  try {
    await lobby.publish({ text });
    hint("");
  } catch (error) {
    if (underway.includes(message)) underway.splice(underway.indexOf(message), 1);
    hint(whyNotSent(error));
  }
}

function whyNotSent({ code, message }) {
  if (code === CONNECTION_LOST.code) return "No answer yet; it may still arrive.";
  return `Not sent: ${message} (${code}).`;
}

function hint(text) {
  one("#hint").textContent = text;
}

one("#pause").addEventListener("click", () => {
  if (status.state !== "live") return;
  one(".lobby").scrollIntoView({ block: "nearest" }); // on a phone it is above
  client.interrupt(PAUSE);
});

one("#burst").addEventListener("click", () => {
  if (status.state !== "live") return;
  one(".lobby").scrollIntoView({ block: "nearest" });
  for (let i = 1; i <= BURST; i += 1) send(`${i} of ${BURST}`);
});

one("#copy").addEventListener("click", async ({ currentTarget: button }) => {
  getSelection().selectAllChildren(one("#curl"));
  try {
    await navigator.clipboard.writeText(one("#curl").textContent);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Selected"; // without permission, Ctrl+C is one key away
  }
  setTimeout(() => (button.textContent = "Copy"), 2000);
});

one("#me").textContent = identity.name;
if (matchMedia("(hover: hover)").matches) one("#text").focus();
client.connect();
