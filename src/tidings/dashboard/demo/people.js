/** Who is in the channel: the list with names, and the row of faces above the messages. */

const FACES_SHOWN = 5;
const HUES = 18;

/** The name that a publisher or subscriber is shown by. A publication without `info` comes from a back end. */
export function nameOf(info) {
  if (!info) return "Back end";
  const name = info.conn_info?.name;
  return typeof name === "string" && name ? name : info.user || "Somebody";
}

/** A round picture for somebody: initials on a colour of their own. Decorative, as the name always stands beside it. */
export function face(name) {
  const element = document.createElement("span");
  element.className = "face";
  element.setAttribute("aria-hidden", "true");
  element.textContent = initials(name);
  element.style.setProperty("--hue", hueOf(name));
  return element;
}

export class People {
  #list = document.querySelector("#people");
  #row = document.querySelector("#faces");
  #count = document.querySelector("#people-count");
  #present = new Map(); // client id → name
  #faces = new Map(); // client id → the pictures of that client
  #own = "";

  /** Start over with who is present, as `Subscription.presence` tells it; `own` is this tab's client id. */
  replace(presence, own) {
    this.#own = own;
    this.#present = new Map(Object.values(presence).map((info) => [info.client, nameOf(info)]));
    this.#draw();
  }

  /** Add somebody, and say whether that is news. */
  join(info) {
    const news = !this.#present.has(info.client);
    this.#present.set(info.client, nameOf(info));
    this.#draw();
    return news;
  }

  leave(info) {
    this.#present.delete(info.client);
    this.#draw();
  }

  /** Let the pictures of somebody who has just spoken nod. */
  nod(client) {
    for (const element of this.#faces.get(client) ?? []) {
      element.classList.add("nod");
      element.addEventListener("animationend", () => element.classList.remove("nod"), { once: true });
    }
  }

  #draw() {
    const present = [...this.#present].sort((one, other) => this.#order(one, other));
    this.#faces = new Map(present.map(([client, name]) => [client, [face(name), face(name)]]));
    this.#count.textContent = present.length;
    this.#list.replaceChildren(...present.map(([client, name]) => this.#entry(client, name)));
    this.#row.replaceChildren(...present.slice(0, FACES_SHOWN).map(([client]) => this.#faces.get(client)[1]));
    if (present.length > FACES_SHOWN) this.#row.append(`+${present.length - FACES_SHOWN}`);
  }

  #order([client, name], [otherClient, otherName]) {
    return (otherClient === this.#own) - (client === this.#own) || name.localeCompare(otherName);
  }

  #entry(client, name) {
    const entry = document.createElement("li");
    const label = document.createElement("span");
    label.textContent = name;
    entry.append(this.#faces.get(client)[0], label);
    entry.dataset.client = client;
    entry.dataset.own = client === this.#own;
    entry.title = client === this.#own ? `${name} (you)` : name;
    return entry;
  }
}

function initials(name) {
  return name.split(/\s+/).slice(0, 2).map((word) => [...word][0] ?? "").join("").toUpperCase();
}

function hueOf(name) {
  let sum = 7;
  for (const character of name) sum = (sum * 31 + character.codePointAt(0)) % 9973;
  return (sum % HUES) * (360 / HUES);
}
