/** A line between clients and a server that can be cut, and mended. */

import { once } from "node:events";
import { connect, createServer } from "node:net";

const { WEBSOCKET } = process.env;

/** Carries TCP connections to the server. While it is cut, new connections end as soon as they begin. */
export class Cable {
  #ends = new Set();
  #isCut = false;
  #listener = createServer((near) => this.#carry(near));

  /** A cable that is taken away when the test `t` ends. */
  static async lay(t) {
    const cable = new Cable();
    cable.#listener.listen(0, "127.0.0.1");
    await once(cable.#listener, "listening");
    t.after(() => cable.#listener.close(cable.cut()));
    return cable;
  }

  /** Where clients connect. */
  get websocket() {
    const address = new URL(WEBSOCKET);
    address.port = this.#listener.address().port;
    return address.href;
  }

  /** End all connections without a word. */
  cut() {
    this.#isCut = true;
    for (const end of this.#ends) end.destroy();
    this.#ends.clear();
  }

  mend() {
    this.#isCut = false;
  }

  #carry(near) {
    if (this.#isCut) return near.destroy();
    const far = connect(new URL(WEBSOCKET).port, "127.0.0.1");
    for (const [end, other] of [[near, far], [far, near]]) {
      this.#ends.add(end);
      end.on("error", () => {}); // "close" follows
      end.on("close", () => other.destroy());
      end.pipe(other);
    }
  }
}
