/** The rules of the Centrifuge protocol that need neither a socket nor a clock. */

const SHORTEST_WAIT = 0.5;
const LONGEST_WAIT = 20;
const MESSAGE_TOO_BIG = 1009; // RFC 6455, section 7.4.1. The same message would be too big again.

/** Error of a command: the token was good once. */
export const TOKEN_EXPIRED = 109;
/** Close code: forget the token and all positions before coming back. */
export const STATE_INVALIDATED = 3014;
/** The lowest code of an unsubscribe push after which a client subscribes again. */
export const RESUBSCRIBE_FROM = 2500;
/** The one among these that says that the position is worth nothing any more. */
export const POSITION_INVALIDATED = 2502;
/** What a command gets instead of a reply. The protocol leaves the codes below 100 to the clients. */
export const CONNECTION_LOST = { code: 2, message: "the connection was lost before the answer came", temporary: true };

/** Whether a close code tells the client to stay away. */
export function isFinal(code) {
  return (code >= 3500 && code < 4000) || (code >= 4500 && code < 5000) || code === MESSAGE_TOO_BIG;
}

/**
 * Seconds to wait after so many losses in a row, counted from 0. The whole of the growing part is left to chance, so
 * that clients that were lost together do not return together.
 */
export function waitAfter(losses, random = Math.random) {
  return Math.min(LONGEST_WAIT, SHORTEST_WAIT + random() * SHORTEST_WAIT * 2 ** losses);
}

/** The replies in a frame, of which there is one per line. Throws a `SyntaxError` for what is not JSON. */
export function decode(frame) {
  return frame.split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

/** Why a call failed. `code` is the protocol's, `temporary` says that the same call may succeed later. */
export class TidingsError extends Error {
  constructor({ code, message, temporary = false }) {
    super(message);
    this.name = "TidingsError";
    this.code = code;
    this.temporary = temporary;
  }
}

/** A command as a promise of its reply, through a `send` that calls back. Throws a `TidingsError`. */
export function promised(send, command) {
  return new Promise((resolve, reject) => {
    send(command, (reply) => (reply.error ? reject(new TidingsError(reply.error)) : resolve(reply)));
  });
}
