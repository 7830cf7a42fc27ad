/**
 * The application's own server: signs tokens, and calls the HTTP API.
 *
 * SERVER in the environment is the server's address, SECRET signs tokens, KEY opens the HTTP API.
 */

import { createHmac, randomUUID } from "node:crypto";

const { SERVER, SECRET, KEY } = process.env;

/** A name, or a part of one, that no other test has. */
export const unique = () => randomUUID().slice(0, 8);

/** A connection token, or with the claim `channel` a subscription token. A negative `ttl` makes an expired one. */
export function token(user, { ttl = 3600, secret = SECRET, ...claims } = {}) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: user, exp: Date.now() / 1000 + ttl, ...claims })}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

/** The result of a method of the HTTP API, which has to succeed. */
export async function call(method, request) {
  const headers = { "X-API-Key": KEY };
  const response = await fetch(`${SERVER}/api/${method}`, { method: "POST", headers, body: JSON.stringify(request) });
  const { result, error } = await response.json();
  if (error) throw new Error(`${method}: ${error.code} ${error.message}`);
  return result;
}

export const publish = (channel, data, options = {}) => call("publish", { channel, data, ...options });
