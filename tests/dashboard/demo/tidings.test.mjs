/** The demo page's client against literal frames, with a socket that is an object and a clock that is told to move. */

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

const demo = new URL(`${process.env.DEMO}/`, "file:");
const { Tidings } = await import(new URL("tidings.js", demo));
const { TidingsError, decode, isFinal, waitAfter } = await import(new URL("protocol.js", demo));

const LONGER_THAN_ANY_WAIT = 20_001;

/** The server's end of a socket. */
class Socket {
  heard = [];
  closed = false;

  send(frame) {
    this.heard.push(frame);
  }

  close() {
    this.closed = true;
  }

  say(...lines) {
    this.onmessage({ data: lines.join("\n") });
  }

  /** What was heard since this was last asked. */
  news() {
    return this.heard.splice(0);
  }
}

/** A client with everything that it did: the sockets it opened, the tokens it asked for, the states it went through. */
function setUp({ token = async () => "jwt" } = {}) {
  const seen = { sockets: [], tokens: 0, states: [] };
  const client = new Tidings("ws://here/connection/websocket", {
    token: () => ((seen.tokens += 1), token()),
    openSocket: () => (seen.sockets.push(new Socket()), seen.sockets.at(-1)),
  });
  client.addEventListener("state", ({ detail }) => seen.states.push(detail.state));
  return { client, seen };
}

/** Let promises settle, which mocked timers do not touch. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

async function accept(socket, id) {
  socket.onopen();
  socket.news();
  socket.say(`{"id":${id},"connect":{"client":"c","version":"1","ping":25,"pong":true}}`);
}

async function connected(options) {
  const { client, seen } = setUp(options);
  client.connect();
  await settled();
  accept(seen.sockets[0], 1);
  return { client, seen, socket: seen.sockets[0] };
}

/** The events of a subscription as text, in order. */
function record(subscription) {
  const events = [];
  const on = (type, tell) => subscription.addEventListener(type, ({ detail }) => events.push(tell(detail)));
  on("subscribed", ({ recovering, recovered, count }) => `subscribed ${recovering} ${recovered} ${count}`);
  on("publication", ({ data, recovered }) => `${recovered ? "recovered" : "live"} ${data}`);
  on("join", ({ client }) => `join ${client}`);
  on("leave", ({ client }) => `leave ${client}`);
  on("unsubscribed", ({ code, reason }) => `unsubscribed ${code} ${reason}`);
  return events;
}

beforeEach(() => mock.timers.enable({ apis: ["setTimeout", "Date"] }));
afterEach(() => mock.reset());

// The rules.

test("the wait grows with the losses, keeps its bounds and is otherwise left to chance", () => {
  const [never, always] = [() => 0, () => 1 - Number.EPSILON];
  assert.equal(waitAfter(0, never), 0.5);
  assert.ok(Math.abs(waitAfter(0, always) - 1) < 1e-9);
  assert.ok(Math.abs(waitAfter(3, always) - 4.5) < 1e-9);
  assert.equal(waitAfter(3, never), 0.5);
  assert.equal(waitAfter(2000, always), 20);
});

test("codes of 3500 to 3999, of 4500 to 4999, and 1009 are final; no other code is", () => {
  for (const code of [3500, 3999, 4500, 4999, 1009]) assert.ok(isFinal(code), code);
  for (const code of [1000, 1006, 3000, 3499, 4000, 4499, 5000]) assert.ok(!isFinal(code), code);
});

test("a frame holds one reply per line, and may end in a newline", () => {
  assert.deepEqual(decode('{"id":1}\n{}\n'), [{ id: 1 }, {}]);
});

// The connection.

test("connecting fetches a token, sends it first, and is live with the reply", async () => {
  const { client, seen } = setUp();
  client.connect();
  await settled();
  assert.deepEqual(seen.sockets[0].heard, []);
  seen.sockets[0].onopen();
  assert.deepEqual(seen.sockets[0].heard, ['{"id":1,"connect":{"token":"jwt","name":"tidings.js"}}']);
  assert.deepEqual(seen.states, ["connecting"]);
  seen.sockets[0].say('{"id":1,"connect":{"client":"abc","version":"1"}}');
  assert.deepEqual(seen.states, ["connecting", "live"]);
  assert.equal(client.client, "abc");
});

test("a ping is answered where the server wants a pong, and only there", async () => {
  const { socket } = await connected();
  socket.say("{}");
  assert.deepEqual(socket.heard, ["{}"]);
  const other = setUp();
  other.client.connect();
  await settled();
  other.seen.sockets[0].onopen();
  other.seen.sockets[0].say('{"id":1,"connect":{"client":"c","version":"1","ping":25}}');
  other.seen.sockets[0].news();
  other.seen.sockets[0].say("{}");
  assert.deepEqual(other.seen.sockets[0].heard, []);
});

test("a server that is silent for longer than a ping and its grace is left", async () => {
  const { seen, socket } = await connected();
  mock.timers.tick(34_999);
  socket.say("{}");
  mock.timers.tick(34_999);
  assert.equal(seen.states.at(-1), "live");
  mock.timers.tick(1);
  assert.equal(seen.states.at(-1), "waiting");
  assert.ok(socket.closed);
});

test("a server that never answers connect is left after ten seconds", async () => {
  const { client, seen } = setUp();
  client.connect();
  await settled();
  seen.sockets[0].onopen();
  mock.timers.tick(10_000);
  assert.equal(seen.states.at(-1), "waiting");
});

test("a loss is followed by another connection with the same token", async () => {
  const { seen, socket } = await connected();
  socket.onclose({ code: 1006, reason: "" });
  mock.timers.tick(LONGER_THAN_ANY_WAIT);
  await settled();
  accept(seen.sockets[1], 2);
  assert.deepEqual(seen.states, ["connecting", "live", "waiting", "connecting", "live"]);
  assert.equal(seen.tokens, 1);
});

test("after a success the waits are short again", async () => {
  mock.method(Math, "random", () => 0.999);
  const { seen, socket } = await connected();
  socket.onclose({ code: 1006, reason: "" });
  for (const refusals of [1, 2, 3]) {
    mock.timers.tick(LONGER_THAN_ANY_WAIT);
    await settled();
    if (refusals < 3) seen.sockets.at(-1).onclose({ code: 1006, reason: "" });
  }
  accept(seen.sockets.at(-1), 2);
  seen.sockets.at(-1).onclose({ code: 1006, reason: "" });
  const before = seen.sockets.length;
  mock.timers.tick(1_000);
  await settled();
  assert.equal(seen.sockets.length, before + 1);
});

test("a final code ends it, and connecting again takes a fresh token", async () => {
  const { client, seen, socket } = await connected();
  socket.onclose({ code: 3500, reason: "invalid token" });
  mock.timers.tick(LONGER_THAN_ANY_WAIT);
  await settled();
  assert.equal(seen.states.at(-1), "closed");
  assert.equal(seen.sockets.length, 1);
  client.connect();
  await settled();
  assert.equal(seen.sockets.length, 2);
  assert.equal(seen.tokens, 2);
});

test("an expired token is replaced by another", async () => {
  const { client, seen } = setUp();
  client.connect();
  await settled();
  seen.sockets[0].onopen();
  seen.sockets[0].say('{"id":1,"error":{"code":109,"message":"token expired"}}');
  assert.equal(seen.states.at(-1), "waiting");
  mock.timers.tick(LONGER_THAN_ANY_WAIT);
  await settled();
  assert.equal(seen.tokens, 2);
});

test("an error in answer to connect is tried again when it is temporary, and final otherwise", async () => {
  for (const [temporary, state] of [[true, "waiting"], [false, "closed"]]) {
    const { client, seen } = setUp();
    client.connect();
    await settled();
    seen.sockets[0].onopen();
    seen.sockets[0].say(`{"id":1,"error":{"code":100,"message":"no","temporary":${temporary}}}`);
    assert.equal(seen.states.at(-1), state);
    client.disconnect();
  }
});

test("a token that cannot be had is asked for again", async () => {
  const answers = [() => Promise.reject(new Error("away")), async () => "jwt"];
  const { client, seen } = setUp({ token: () => answers.shift()() });
  client.connect();
  await settled();
  assert.equal(seen.states.at(-1), "waiting");
  mock.timers.tick(LONGER_THAN_ANY_WAIT);
  await settled();
  assert.equal(seen.sockets.length, 1);
});

test("a token that comes after disconnect opens nothing", async () => {
  let bring;
  const { client, seen } = setUp({ token: () => new Promise((resolve) => (bring = resolve)) });
  client.connect();
  client.disconnect();
  bring("jwt");
  await settled();
  assert.equal(seen.sockets.length, 0);
});

test("an interruption lasts as long as asked, unless somebody does not want to wait", async () => {
  const { client, seen, socket } = await connected();
  client.interrupt(60);
  assert.ok(socket.closed);
  mock.timers.tick(59_999);
  await settled();
  assert.deepEqual(seen.states, ["connecting", "live", "waiting"]);
  mock.timers.tick(1);
  await settled();
  accept(seen.sockets[1], 2);
  client.interrupt(60);
  client.retryNow();
  await settled();
  assert.equal(seen.sockets.length, 3);
});

test("what an abandoned socket still says is not heard", async () => {
  const { client, socket } = await connected();
  client.interrupt(5);
  assert.equal(socket.onmessage, null);
  assert.equal(socket.onclose, null);
});

// Channels.

test("a subscription begins with the connection, and at once when there is one", async () => {
  const { client, socket } = await connected();
  client.subscribe("news");
  assert.deepEqual(socket.news(), ['{"id":2,"subscribe":{"channel":"news"}}']);
  assert.equal(client.subscribe("news"), client.subscribe("news"));
  assert.deepEqual(socket.news(), []);
});

test("what follows the subscribe reply in its frame comes after it, in order", async () => {
  const { client, socket } = await connected();
  const events = record(client.subscribe("news"));
  socket.say(
    '{"id":2,"subscribe":{"recoverable":true,"epoch":"e","offset":7}}',
    '{"push":{"channel":"news","join":{"info":{"user":"u","client":"c"}}}}',
    '{"push":{"channel":"news","pub":{"data":"a","offset":8}}}',
    '{"push":{"channel":"other","pub":{"data":"b","offset":1}}}',
    '{"push":{"channel":"news","leave":{"info":{"user":"u","client":"c"}}}}',
  );
  assert.deepEqual(events, ["subscribed false false 0", "join c", "live a", "leave c"]);
});

test("what comes before the subscribe reply is left to the reply", async () => {
  const { client, seen, socket } = await connected();
  const events = record(client.subscribe("news"));
  const early = '{"push":{"channel":"news","pub":{"data":"early","offset":8}}}';
  socket.say(early, '{"id":2,"subscribe":{"recoverable":true,"epoch":"e","offset":7}}');
  client.interrupt(1);
  mock.timers.tick(1_000);
  await settled();
  accept(seen.sockets[1], 3);
  seen.sockets[1].say(early);
  assert.deepEqual(events, ["subscribed false false 0"]);
});

test("a connection subscribes once, whatever became of the subscribe before it", async () => {
  const temporary = '{"id":2,"error":{"code":100,"message":"internal server error","temporary":true}}';
  for (const answers of [[], [temporary]]) {
    const { client, seen, socket } = await connected();
    client.subscribe("news");
    socket.say(...answers);
    client.interrupt(0.1);
    mock.timers.tick(100);
    await settled();
    accept(seen.sockets[1], 3);
    mock.timers.tick(2_000);
    assert.deepEqual(seen.sockets[1].news(), ['{"id":4,"subscribe":{"channel":"news"}}']);
    client.disconnect();
  }
});

test("after a loss the position of the last publication is reported, and what was missed comes once", async () => {
  const { client, seen, socket } = await connected();
  const events = record(client.subscribe("news"));
  socket.say('{"id":2,"subscribe":{"recoverable":true,"epoch":"e","offset":7}}');
  socket.say('{"push":{"channel":"news","pub":{"data":"a","offset":8}}}');
  for (const [id, missed, known] of [[3, 9, 8], [5, 10, 9]]) {
    seen.sockets.at(-1).onclose({ code: 3001, reason: "shutdown" });
    mock.timers.tick(LONGER_THAN_ANY_WAIT);
    await settled();
    const next = seen.sockets.at(-1);
    accept(next, id);
    assert.deepEqual(next.news(), [
      `{"id":${id + 1},"subscribe":{"channel":"news","recover":true,"offset":${known},"epoch":"e"}}`,
    ]);
    next.say(
      `{"id":${id + 1},"subscribe":{"recoverable":true,"epoch":"e","offset":${known},"was_recovering":true,` +
        `"recovered":true,"publications":[{"data":"m${missed}","offset":${missed}}]}}`,
    );
  }
  assert.deepEqual(events.slice(2), [
    "subscribed true true 1", "recovered m9", "subscribed true true 1", "recovered m10",
  ]);
});

test("a recovery that failed is told, and the next one starts from the new position", async () => {
  const { client, seen, socket } = await connected();
  const events = record(client.subscribe("news", { since: { offset: 3, epoch: "old" } }));
  assert.deepEqual(socket.news(), ['{"id":2,"subscribe":{"channel":"news","recover":true,"offset":3,"epoch":"old"}}']);
  socket.say('{"id":2,"subscribe":{"recoverable":true,"epoch":"new","offset":1,"was_recovering":true}}');
  socket.say('{"id":3,"error":{"code":103,"message":"permission denied"}}'); // what the channel still has is not for all
  assert.deepEqual(events, ["subscribed true false 0"]);
  assert.deepEqual(client.subscribe("news").position, { offset: 1, epoch: "new" });
  assert.equal(seen.states.at(-1), "live");
});

test("who begins where the channel no longer reaches gets what it still has, before what is live", async () => {
  const { client, socket } = await connected();
  const events = record(client.subscribe("news", { since: { offset: 0, epoch: "" } }));
  socket.news();
  socket.say('{"id":2,"subscribe":{"recoverable":true,"epoch":"e","offset":8,"was_recovering":true}}');
  assert.deepEqual(socket.news(), ['{"id":3,"history":{"channel":"news","limit":-1}}']);
  socket.say('{"push":{"channel":"news","pub":{"data":"c","offset":9}}}');
  assert.deepEqual(events, []);
  socket.say(
    '{"id":3,"history":{"publications":[{"data":"a","offset":7},{"data":"b","offset":8},{"data":"c","offset":9}],' +
      '"epoch":"e","offset":9}}',
  );
  assert.deepEqual(events, ["subscribed true false 2", "recovered a", "recovered b", "live c"]);
  assert.deepEqual(client.subscribe("news").position, { offset: 9, epoch: "e" });
});

test("a channel without history is subscribed to anew", async () => {
  const { client, seen, socket } = await connected();
  client.subscribe("ticks");
  socket.say('{"id":2,"subscribe":{}}', '{"push":{"channel":"ticks","pub":{"data":1}}}');
  socket.onclose({ code: 1006, reason: "" });
  mock.timers.tick(LONGER_THAN_ANY_WAIT);
  await settled();
  accept(seen.sockets[1], 3);
  assert.deepEqual(seen.sockets[1].news(), ['{"id":4,"subscribe":{"channel":"ticks"}}']);
});

test("code 3014 makes the client forget its token and all positions", async () => {
  const { client, seen, socket } = await connected();
  client.subscribe("news");
  socket.say('{"id":2,"subscribe":{"recoverable":true,"epoch":"e","offset":7}}');
  socket.onclose({ code: 3014, reason: "state invalidated" });
  mock.timers.tick(LONGER_THAN_ANY_WAIT);
  await settled();
  accept(seen.sockets[1], 3);
  assert.equal(seen.tokens, 2);
  assert.deepEqual(seen.sockets[1].news(), ['{"id":4,"subscribe":{"channel":"news"}}']);
});

test("an unsubscribe push of 2500 or more is followed by another subscribe from the position", async () => {
  const { client, socket } = await connected();
  const events = record(client.subscribe("news"));
  socket.say('{"id":2,"subscribe":{"recoverable":true,"epoch":"e","offset":7}}');
  socket.news();
  socket.say('{"push":{"channel":"news","unsubscribe":{"code":2500,"reason":"insufficient state"}}}');
  mock.timers.tick(1_000);
  assert.deepEqual(socket.news(), ['{"id":3,"subscribe":{"channel":"news","recover":true,"offset":7,"epoch":"e"}}']);
  socket.say('{"id":3,"subscribe":{"recoverable":true,"epoch":"e","offset":7}}');
  socket.say('{"push":{"channel":"news","unsubscribe":{"code":2502,"reason":"state invalidated"}}}');
  mock.timers.tick(1_000);
  assert.deepEqual(socket.news(), ['{"id":4,"subscribe":{"channel":"news"}}']);
  assert.ok(!events.some((event) => event.startsWith("unsubscribed")));
});

test("an unsubscribe push below 2500 ends the subscription for good", async () => {
  const { client, seen, socket } = await connected();
  const events = record(client.subscribe("news"));
  socket.say('{"id":2,"subscribe":{}}');
  socket.say('{"push":{"channel":"news","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}}');
  assert.deepEqual(events.slice(1), ["unsubscribed 2000 server unsubscribe"]);
  client.interrupt(1);
  mock.timers.tick(1_000);
  await settled();
  accept(seen.sockets[1], 3);
  assert.deepEqual(seen.sockets[1].news(), []);
});

test("a subscribe error is tried again when it is temporary, and ends the subscription otherwise", async () => {
  const { client, socket } = await connected();
  const events = record(client.subscribe("news"));
  socket.news();
  socket.say('{"id":2,"error":{"code":100,"message":"internal server error","temporary":true}}');
  mock.timers.tick(1_000);
  assert.deepEqual(socket.news(), ['{"id":3,"subscribe":{"channel":"news"}}']);
  socket.say('{"id":3,"error":{"code":103,"message":"permission denied"}}');
  assert.deepEqual(events, ["unsubscribed 103 permission denied"]);
});

// Calls.

test("publish, presence and rpc send their command and return with the reply", async () => {
  const { client, socket } = await connected();
  const news = client.subscribe("news");
  socket.news();
  const calls = [news.publish({ text: "hi" }), news.presence(), client.rpc("sum", [1, 2])];
  assert.deepEqual(socket.news(), [
    '{"id":3,"publish":{"channel":"news","data":{"text":"hi"}}}',
    '{"id":4,"presence":{"channel":"news"}}',
    '{"id":5,"rpc":{"method":"sum","data":[1,2]}}',
  ]);
  socket.say(
    '{"id":5,"rpc":{"data":3}}',
    '{"id":4,"presence":{"presence":{"c":{"user":"u","client":"c"}}}}',
    '{"id":3,"publish":{}}',
  );
  assert.deepEqual(await Promise.all(calls), [undefined, { c: { user: "u", client: "c" } }, 3]);
});

test("a call that the server refuses throws its code", async () => {
  const { client, socket } = await connected();
  const call = client.rpc("sum", []);
  socket.say('{"id":2,"error":{"code":108,"message":"not available"}}');
  await assert.rejects(call, (error) => error instanceof TidingsError && error.code === 108 && !error.temporary);
});

test("a call without an answer fails with the connection, and one without a connection fails at once", async () => {
  const { client, socket } = await connected();
  const call = client.rpc("sum", []);
  socket.onclose({ code: 1006, reason: "" });
  await assert.rejects(call, { code: 2, temporary: true });
  await assert.rejects(client.rpc("sum", []), { code: 2, temporary: true });
});
