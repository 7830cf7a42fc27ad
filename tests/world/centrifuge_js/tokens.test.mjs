/** Tokens for connections and subscriptions, and new ones when they have run out. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { call, publish, token, unique } from "./backend.mjs";
import { arrive, introduce } from "./listener.mjs";

const SHORT = 1; // seconds that a short-lived token is good: the least that the protocol can say

/** A function for `getToken` that makes tokens, and a promise of its having been asked so many times. */
function counted(times, make) {
  let asked = 0;
  let enough;
  const isEnough = new Promise((resolve) => (enough = resolve));
  const getToken = async () => {
    asked += 1;
    if (asked === times) enough();
    return make();
  };
  return { getToken, isEnough };
}

describe("tokens", { concurrency: true }, () => {
  test("a connection gets a new token again and again, and is never interrupted", async (t) => {
    const { getToken, isEnough } = counted(3, () => token("ada", { ttl: SHORT }));
    const ada = introduce(t, { getToken });
    const id = await ada.connect();
    await ada.next("subscribed"); // to the user's own channel
    await isEnough;
    const channel = await ada.subscribe(`chat:${unique()}`);
    assert.ok(id in (await channel.subscription.presence()).clients);
    assert.ok(ada.isEmpty);
  });

  test("a connection that the back end calls expired ends, and the client comes back", async (t) => {
    const user = unique();
    const ada = await arrive(t, user);
    await call("refresh", { user, expired: true });
    assert.equal((await ada.skipTo("connecting")).code, 3005);
    await ada.skipTo("connected");
  });

  test("a closed channel is open to whoever brings a token for it", async (t) => {
    const ada = await arrive(t, "ada");
    const getToken = async ({ channel }) => token("ada", { channel, info: { role: "owner" } });
    const channel = await ada.subscribe(`$shut:${unique()}`, { getToken });
    const { presence } = await call("presence", { channel: channel.name });
    assert.deepEqual(presence[ada.id].chan_info, { role: "owner" });
  });

  test("a subscription gets a new token again and again, and is never interrupted", async (t) => {
    const ada = await arrive(t, "ada");
    const name = `shut:${unique()}`;
    const { getToken, isEnough } = counted(3, () => token("ada", { channel: name, ttl: SHORT }));
    const channel = await ada.subscribe(name, { getToken });
    await isEnough;
    await publish(name, "still here");
    assert.equal((await channel.next("publication")).data, "still here");
  });

  test("a subscription token that has run out is answered 109, so the client asks for another one", async (t) => {
    const ada = await arrive(t, "ada");
    const lifetimes = [-1, 60];
    const getToken = async ({ channel }) => token("ada", { channel, ttl: lifetimes.shift() });
    const channel = await ada.tryToSubscribe(`shut:${unique()}`, { getToken });
    assert.equal((await channel.next("error")).error.code, 109);
    await channel.next("subscribed");
  });

  test("a forged subscription token is refused with 103, and the connection goes on", async (t) => {
    const ada = await arrive(t, "ada");
    const forged = token("ada", { channel: "shut:it", secret: "a secret of somebody else's making" });
    const channel = await ada.tryToSubscribe("shut:it", { token: forged });
    assert.equal((await channel.next("unsubscribed")).code, 103);
    await ada.subscribe(`plain:${unique()}`);
  });

  for (const [user, name] of [["bob", "shut:it"], ["ada", "shut:other"]]) {
    test(`a token of ${user} for ${name} is stolen, and ends the connection`, async (t) => {
      const ada = await arrive(t, "ada");
      await ada.tryToSubscribe("shut:it", { token: token(user, { channel: name }) });
      assert.equal((await ada.skipTo("disconnected")).code, 3500);
    });
  }
});
