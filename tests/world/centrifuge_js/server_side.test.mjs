/** Subscriptions that the server makes, from the token's claims, the user's name and the API. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { call, publish, unique } from "./backend.mjs";
import { Cable } from "./cable.mjs";
import { arrive } from "./listener.mjs";

describe("server-side subscriptions", { concurrency: true }, () => {
  test("a client is subscribed to its token's channels and to its user's own", async (t) => {
    const user = unique();
    const channels = [`kept:${user}`, `plain:${user}`];
    const ada = await arrive(t, user, { channels });
    const subscribed = [await ada.next("subscribed"), await ada.next("subscribed"), await ada.next("subscribed")];
    assert.deepEqual(subscribed.map(({ channel }) => channel).sort(), [`#${user}`, ...channels]);
    for (const { channel } of subscribed) {
      await publish(channel, channel);
      const heard = await ada.next("publication");
      assert.deepEqual([heard.channel, heard.data], [channel, channel]);
    }
  });

  test("what was missed while the line was cut arrives with the next connection", async (t) => {
    const user = unique();
    const channel = `brief:${user}`;
    const cable = await Cable.lay(t);
    const ada = await arrive(t, user, { channels: [channel] }, cable.websocket);
    cable.cut();
    await ada.skipTo("subscribing");
    await publish(channel, 1);
    await publish(channel, 2);
    cable.mend();
    await ada.skipTo("connected");
    await publish(channel, 3);
    const [again, heard] = [{}, []];
    while (heard.length < 3) {
      const event = await ada.take();
      if (event.name === "subscribed") again[event.channel] = event.recovered;
      if (event.name === "publication") heard.push(event.data);
    }
    assert.deepEqual(again, { [channel]: true, [`#${user}`]: false });
    assert.deepEqual(heard, [1, 2, 3]);
  });

  test("the back end subscribes a connected user to a channel, and ends it again", async (t) => {
    const user = unique();
    const channel = `kept:${user}`;
    const ada = await arrive(t, user);
    await ada.next("subscribed");
    await call("subscribe", { user, channel, data: { why: "invited" } });
    const subscribed = await ada.next("subscribed");
    assert.deepEqual([subscribed.channel, subscribed.data], [channel, { why: "invited" }]);
    await publish(channel, "welcome");
    assert.equal((await ada.next("publication")).channel, channel);
    await call("unsubscribe", { user, channel });
    assert.equal((await ada.next("unsubscribed")).channel, channel);
  });
});
