/** Who this tab is: a name for others to see, and the connections that were its own. */

const ADJECTIVES = [
  "Amber", "Brave", "Bright", "Calm", "Clever", "Cosy", "Curious", "Eager", "Gentle", "Happy", "Honest", "Jolly",
  "Keen", "Kind", "Lively", "Lucky", "Mellow", "Merry", "Nimble", "Patient", "Quiet", "Silver", "Sunny", "Swift",
];
const ANIMALS = [
  "Badger", "Bear", "Bison", "Crane", "Dolphin", "Finch", "Fox", "Gecko", "Hare", "Hedgehog", "Heron", "Ibis",
  "Koala", "Lynx", "Magpie", "Marten", "Otter", "Owl", "Panda", "Puffin", "Raven", "Seal", "Swallow", "Wren",
];
const KEY = "tidings.identity";
const KEPT = 20; // connections

/**
 * Kept in the tab's session storage only while no page of the tab is open. A reload finds it there; a duplicated tab,
 * which gets a copy of the storage, does not, and becomes somebody else.
 */
export class Identity {
  #clients;

  constructor(storage = sessionStorage) {
    const { name = pick(ADJECTIVES) + " " + pick(ANIMALS), clients = [] } = JSON.parse(storage.getItem(KEY) ?? "{}");
    this.name = name;
    this.#clients = new Set(clients);
    storage.removeItem(KEY);
    addEventListener("pagehide", () => storage.setItem(KEY, this.#remembered()));
    addEventListener("pageshow", () => storage.removeItem(KEY));
  }

  /** Remember the client id of a connection, so that what it published is known as this tab's. */
  adopt(client) {
    this.#clients.add(client);
  }

  owns(client) {
    return this.#clients.has(client);
  }

  #remembered() {
    return JSON.stringify({ name: this.name, clients: [...this.#clients].slice(-KEPT) });
  }
}

function pick(words) {
  return words[Math.floor(Math.random() * words.length)];
}
