/** Who comes too often, and comes again: one connection within two seconds, by address or by user. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { token } from "./backend.mjs";
import { introduce } from "./listener.mjs";

test("a client that is refused for coming too often comes again by itself, and gets in", async (t) => {
  const first = introduce(t, { token: token("ada") });
  first.client.connect();
  await first.skipTo("connected");
  const second = introduce(t, { token: token("ada") });
  second.client.connect();
  const { error } = await second.skipTo("error");
  if (process.env.REFUSED === "111") assert.deepEqual([error.code, error.temporary], [111, true]);
  else assert.equal(error.code, 2); // the transport closed: a WebSocket does not tell the status
  await second.skipTo("connected");
});
