/** What was missed while the connection was away. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { call, publish, unique } from "./backend.mjs";
import { Cable } from "./cable.mjs";
import { arrive } from "./listener.mjs";

const [MANY, STRETCH, INTERRUPTED_AFTER] = [200, 50, 10];

describe("recovery", { concurrency: true }, () => {
  test("after a cut line everything that was missed arrives once and in order", async (t) => {
    const cable = await Cable.lay(t);
    const ada = await arrive(t, "ada", {}, cable.websocket);
    const channel = await ada.subscribe(`kept:${unique()}`, { recoverable: true });
    await publish(channel.name, 1);
    assert.deepEqual(await channel.publications(1), [1]);
    cable.cut();
    await channel.next("subscribing");
    for (const number of [2, 3, 4]) await publish(channel.name, number);
    cable.mend();
    const { wasRecovering, recovered } = await channel.next("subscribed");
    assert.deepEqual([wasRecovering, recovered], [true, true]);
    await publish(channel.name, 5);
    assert.deepEqual(await channel.publications(4), [2, 3, 4, 5]);
    assert.ok(channel.isEmpty);
  });

  test("a client that is sent away again and again misses none and sees none twice", async (t) => {
    const user = unique();
    const ada = await arrive(t, user);
    const channel = await ada.subscribe(`kept:${unique()}`, { recoverable: true });
    const [heard, recoveries] = [[], []];
    for (let start = 0; start < MANY; start += STRETCH) {
      const publishing = (async () => {
        for (let number = start; number < start + STRETCH; number += 1) await publish(channel.name, number);
      })();
      while (heard.length < start + STRETCH || recoveries.length <= start / STRETCH) {
        const { name, data, recovered } = await channel.take();
        if (name === "subscribed") recoveries.push(recovered);
        if (name === "publication") heard.push(data);
        if (name === "publication" && data === start + INTERRUPTED_AFTER) {
          await call("disconnect", { user, disconnect: { code: 3011, reason: "force reconnect" } });
        }
      }
      await publishing;
    }
    assert.deepEqual(heard, [...Array(MANY).keys()]);
    assert.deepEqual(recoveries, Array(MANY / STRETCH).fill(true));
    assert.ok(channel.isEmpty);
  });

  test("where more was missed than is kept the client is told, and goes on from the newest", async (t) => {
    const cable = await Cable.lay(t);
    const ada = await arrive(t, "ada", {}, cable.websocket);
    const channel = await ada.subscribe(`brief:${unique()}`);
    cable.cut();
    await channel.next("subscribing");
    for (const number of [1, 2, 3, 4, 5]) await publish(channel.name, number);
    cable.mend();
    const { wasRecovering, recovered, streamPosition } = await channel.next("subscribed");
    assert.deepEqual([wasRecovering, recovered, Number(streamPosition.offset)], [true, false, 5]);
    await publish(channel.name, 6);
    assert.equal((await channel.next("publication")).data, 6);
  });

  test("a client that loads its own state is answered 112 after a gap, and loads it again", async (t) => {
    const loaded = [];
    const name = `brief:${unique()}`;
    const getState = async () => {
      const { offset = 0, epoch } = await call("history", { channel: name });
      loaded.push(offset);
      return { offset, epoch };
    };
    const cable = await Cable.lay(t);
    const ada = await arrive(t, "ada", {}, cable.websocket);
    const channel = await ada.subscribe(name, { getState });
    cable.cut();
    await channel.next("subscribing");
    for (const number of [1, 2, 3, 4, 5]) await publish(name, number);
    cable.mend();
    await channel.skipTo("subscribed");
    assert.deepEqual(loaded, [0, 5]);
    await publish(name, 6);
    assert.equal((await channel.next("publication")).data, 6);
  });
});
