/** What goes through a channel, who is in it, and what it keeps. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { call, publish, unique } from "./backend.mjs";
import { arrive, decode } from "./listener.mjs";

describe("channels", { concurrency: true }, () => {
  test("what one publishes reaches all, with who it was", async (t) => {
    const ada = await arrive(t, "ada", { info: { name: "Ada" } });
    const bob = await arrive(t, "bob");
    const name = `chat:${unique()}`;
    const channels = [await ada.subscribe(name), await bob.subscribe(name)];
    await channels[0].publish({ text: "Grüße, 世界\n" });
    for (const channel of channels) {
      const { data, info } = await channel.next("publication");
      assert.deepEqual(data, { text: "Grüße, 世界\n" });
      assert.deepEqual([info.user, info.client, decode(info.connInfo)], ["ada", ada.id, { name: "Ada" }]);
    }
  });

  test("what the back end publishes has tags, and an offset where history is kept", async (t) => {
    const ada = await arrive(t, "ada");
    const channel = await ada.subscribe(`kept:${unique()}`);
    await publish(channel.name, [1, null, "zwei"], { tags: { kind: "list" } });
    const { data, tags, offset, info } = await channel.next("publication");
    assert.deepEqual([data, tags, Number(offset), info], [[1, null, "zwei"], { kind: "list" }, 1, undefined]);
  });

  test("presence has every connection, and the stats count connections and users", async (t) => {
    const name = `chat:${unique()}`;
    const [ada, twin, bob] = [await arrive(t, "ada"), await arrive(t, "ada"), await arrive(t, "bob")];
    const channel = await ada.subscribe(name);
    await twin.subscribe(name);
    await bob.subscribe(name);
    const { clients } = await channel.subscription.presence();
    const users = Object.fromEntries(Object.entries(clients).map(([client, { user }]) => [client, user]));
    assert.deepEqual(users, { [ada.id]: "ada", [twin.id]: "ada", [bob.id]: "bob" });
    assert.deepEqual(await channel.subscription.presenceStats(), { numClients: 3, numUsers: 2 });
  });

  test("whoever asks for it hears who joins and who leaves", async (t) => {
    const [ada, bob] = [await arrive(t, "ada"), await arrive(t, "bob")];
    const channel = await ada.subscribe(`chat:${unique()}`, { joinLeave: true });
    assert.equal((await channel.next("join")).info.client, ada.id);
    const visit = await bob.subscribe(channel.name);
    assert.equal((await channel.next("join")).info.user, "bob");
    visit.subscription.unsubscribe();
    assert.equal((await channel.next("leave")).info.client, bob.id);
  });

  test("history is read by limit, from a position, and backwards", async (t) => {
    const ada = await arrive(t, "ada");
    const channel = await ada.subscribe(`kept:${unique()}`);
    for (const number of [1, 2, 3, 4, 5]) await publish(channel.name, number);
    const { publications, offset, epoch } = await channel.subscription.history();
    assert.deepEqual([publications, Number(offset)], [[], 5]);
    assert.deepEqual(await channel.history({ limit: -1 }), [1, 2, 3, 4, 5]);
    assert.deepEqual(await channel.history({ limit: 2 }), [1, 2]);
    assert.deepEqual(await channel.history({ limit: 2, reverse: true }), [5, 4]);
    assert.deepEqual(await channel.history({ limit: 2, since: { offset: 3, epoch } }), [4, 5]);
    assert.deepEqual(await channel.history({ limit: -1, since: { offset: 3, epoch }, reverse: true }), [2, 1]);
    await assert.rejects(channel.history({ limit: 1, since: { offset: 3, epoch: "another" } }), { code: 112 });
  });

  test("after unsubscribing nothing comes until the subscription is taken up again", async (t) => {
    const ada = await arrive(t, "ada");
    const channel = await ada.subscribe(`plain:${unique()}`);
    channel.subscription.unsubscribe();
    await channel.next("unsubscribed");
    await publish(channel.name, "unheard");
    channel.subscription.subscribe();
    await channel.skipTo("subscribed");
    await publish(channel.name, "heard");
    assert.equal((await channel.next("publication")).data, "heard");
  });

  test("the back end ends a subscription, for good and without ending the connection", async (t) => {
    const user = unique();
    const ada = await arrive(t, user);
    const channel = await ada.subscribe(`plain:${unique()}`);
    await call("unsubscribe", { user, channel: channel.name });
    assert.equal((await channel.next("unsubscribed")).code, 2000);
    await ada.subscribe(`chat:${unique()}`);
  });

  for (const [name, code] of [["shut:it", 103], ["$private", 103], ["nowhere:else", 102], ["x".repeat(256), 107]]) {
    test(`a subscription to ${name.slice(0, 12)} ends with ${code}, and the connection goes on`, async (t) => {
      const ada = await arrive(t, "ada");
      const channel = await ada.tryToSubscribe(name);
      assert.equal((await channel.next("unsubscribed")).code, code);
      await ada.subscribe(`plain:${unique()}`);
    });
  }

  test("commands that are not permitted are answered 103, those whose feature is off 108", async (t) => {
    const ada = await arrive(t, "ada");
    const channel = await ada.subscribe(`plain:${unique()}`);
    await assert.rejects(channel.publish("no"), { code: 103, message: "permission denied" });
    await assert.rejects(channel.history({ limit: 1 }), { code: 108, message: "not available" });
    await assert.rejects(channel.subscription.presence(), { code: 108 });
    await assert.rejects(channel.subscription.presenceStats(), { code: 108 });
    await assert.rejects(ada.rpc("anything", null), { code: 108 });
  });
});
