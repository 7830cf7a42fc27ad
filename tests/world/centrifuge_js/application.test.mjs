/** An application's own answers, from a hub that is mounted in it and hosted by uvicorn. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { arrive, encode } from "./listener.mjs";

describe("application", { concurrency: true }, () => {
  test("a call reaches the function of its name, and its answer comes back", async (t) => {
    const ada = await arrive(t, "ada");
    assert.equal(await ada.rpc("add", { left: 2, right: 40 }), 42);
    await ada.subscribe("plain:here");
    const { user, client, channels } = await ada.rpc("whoami", null);
    assert.deepEqual([user, client, channels], ["ada", ada.id, ["#ada", "plain:here"]]);
  });

  const failures = {
    add: { code: 107, message: /left/ },
    multiply: { code: 104, message: "method not found" },
    order: { code: 410, message: "sold out" },
    fail: { code: 100, message: "internal server error" },
  };
  for (const [method, failure] of Object.entries(failures)) {
    test(`a call of ${method} that fails is answered ${failure.code}`, async (t) => {
      const ada = await arrive(t, "ada");
      await assert.rejects(ada.rpc(method, { left: "two", right: 40 }), failure);
      assert.equal(await ada.rpc("add", { left: 1, right: 1 }), 2);
    });
  }

  test("what is sent reaches the application, and what it sends reaches this client", async (t) => {
    const ada = await arrive(t, "ada");
    await ada.client.send(encode({ say: "hello" }));
    assert.deepEqual((await ada.skipTo("message")).data, { echo: { say: "hello" } });
  });

  test("a handler may end the connection with a code of its own", async (t) => {
    const ada = await arrive(t, "ada");
    await assert.rejects(ada.rpc("leave", null));
    const { code, reason } = await ada.skipTo("disconnected");
    assert.deepEqual([code, reason], [4501, "as you wish"]);
  });

  test("who may listen is the application's decision, and so is what a subscriber is handed", async (t) => {
    const ada = await arrive(t, "ada");
    const channel = await ada.tryToSubscribe("orders:42", { data: encode("please") });
    assert.deepEqual((await channel.next("subscribed")).data, { order: 42, asked: "please" });
    const refused = await ada.tryToSubscribe("orders:1000");
    assert.equal((await refused.next("unsubscribed")).code, 103);
  });

  test("what a client publishes is published as the application puts it", async (t) => {
    const ada = await arrive(t, "ada");
    const channel = await ada.subscribe("orders:43");
    await channel.publish("hurry");
    assert.deepEqual((await channel.next("publication")).data, { order: 43, by: "ada", said: "hurry" });
  });
});
