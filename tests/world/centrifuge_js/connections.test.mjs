/** Who gets in, who is sent away, and who comes back. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { call, token, unique } from "./backend.mjs";
import { arrive, encode, introduce } from "./listener.mjs";

describe("connections", { concurrency: true }, () => {
  test("a client asks its application for one token, and is told its id", async (t) => {
    let asked = 0;
    const ada = introduce(t, { getToken: async () => token("ada", { asked: (asked += 1) }) });
    assert.ok(await ada.connect());
    assert.equal(asked, 1);
  });

  test("a token that has run out is answered 109, so the client asks for another one and gets in", async (t) => {
    const lifetimes = [-1, 60];
    const ada = introduce(t, { getToken: async () => token("ada", { ttl: lifetimes.shift() }) });
    ada.client.connect();
    await ada.next("connecting");
    assert.equal((await ada.next("error")).error.code, 109);
    await ada.next("connected");
  });

  const bad = {
    "a forged token": [token("ada", { secret: "a secret of somebody else's making" }), 3500],
    "a subscription token": [token("ada", { channel: "plain:one" }), 3500],
    "something else": ["no token at all", 3500],
    "no token": ["", 3501],
  };
  for (const [what, [held, code]] of Object.entries(bad)) {
    test(`whoever shows ${what} is sent away for good`, async (t) => {
      const ada = introduce(t, { token: held });
      ada.client.connect();
      assert.equal((await ada.skipTo("disconnected")).code, code);
    });
  }

  test("a disconnect by the back end is final, unless its code says otherwise", async (t) => {
    const user = unique();
    const ada = await arrive(t, user);
    await call("disconnect", { user });
    const { code, reason } = await ada.skipTo("disconnected");
    assert.deepEqual([code, reason], [3503, "force disconnect"]);
  });

  for (const code of [3011, 4000]) {
    test(`the code ${code} brings the client back, on a new connection`, async (t) => {
      const user = unique();
      const ada = await arrive(t, user);
      await call("disconnect", { user, disconnect: { code, reason: "see you soon" } });
      const again = await ada.skipTo("connecting");
      assert.deepEqual([again.code, again.reason], [code, "see you soon"]);
      assert.notEqual((await ada.skipTo("connected")).client, ada.id);
    });
  }

  test("what is sent where nobody listens ends the connection", async (t) => {
    const ada = await arrive(t, "ada");
    await ada.client.send(encode("anybody?"));
    assert.equal((await ada.skipTo("disconnected")).code, 3508);
  });
});
