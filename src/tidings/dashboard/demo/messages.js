/** The messages of the channel, and the lines between them that tell what happened. */

import { readable } from "./latency.js";
import { face, nameOf } from "./people.js";

const SHOWN = 300; // older ones leave the page
const LONGEST_TEXT = 2000;
/** Messages of one person within this many milliseconds stand together under one name. */
const TOGETHER = 60_000;
/** So close to the end, in pixels, somebody is taken to follow the conversation. */
const NEAR_END = 60;
const CLOCK = new Intl.DateTimeFormat("en", { timeStyle: "medium", hourCycle: "h23" });

/** What a publication says. Strings and `{"text": …}` are text, everything else is shown as compact JSON. */
export function read(data) {
  if (typeof data === "string") return { text: data, json: false };
  if (typeof data?.text === "string") return { text: data.text, json: false };
  return { text: JSON.stringify(data ?? null), json: true };
}

export class Messages {
  #scroller = document.querySelector("#scroller");
  #list = document.querySelector("#messages");
  #empty = document.querySelector("#empty");
  #newest = document.querySelector("#newest");
  #previous = { author: "", at: 0 };
  #following = true; // the end of the list stays in sight
  #frame = 0; // the next one, when something was added since the last

  constructor() {
    this.#newest.addEventListener("click", () => {
      this.#toEnd();
      this.#scroller.focus(); // the button goes away
    });
    this.#scroller.addEventListener("scroll", () => this.#scrolled());
    new ResizeObserver(() => this.#following && this.#toEnd()).observe(this.#scroller);
  }

  /**
   * Show a message. `info` is who published it, absent for a back end; `at` is a `Date`; `took` is its round trip in
   * milliseconds, or null; `attributes` become data attributes.
   */
  add({ info, data, at, own, took, attributes }) {
    const item = element("li", "message");
    const author = info?.client ?? "";
    const follows = author === this.#previous.author && at - this.#previous.at < TOGETHER;
    this.#previous = { author, at };
    Object.assign(item.dataset, { own, follows, client: author, ...attributes });
    if (!own) item.append(follows ? element("span", "face-space") : picture(info));
    item.append(said({ name: own ? "You" : nameOf(info), data, at, took, named: !follows && !own }));
    this.#append(item, own);
  }

  /** Show a line that nobody said. `kind` is for the style and for tests. */
  line(kind, text) {
    const item = element("li", "line", text);
    item.dataset.kind = kind;
    this.#previous = { author: null, at: 0 };
    this.#append(item);
  }

  /** The page is laid out once per frame, however many messages come in it. */
  #append(item, own = false) {
    this.#empty.hidden = true;
    this.#list.append(item);
    while (this.#list.childElementCount > SHOWN) this.#list.firstElementChild.remove();
    this.#following ||= own;
    this.#newest.hidden = this.#following;
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      if (this.#following) this.#toEnd();
    });
  }

  #scrolled() {
    if (this.#frame) return; // more was added since the list was at its end, which is not somebody scrolling back
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    this.#following = scrollHeight - scrollTop - clientHeight < NEAR_END;
    if (this.#following) this.#newest.hidden = true;
  }

  #toEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }
}

function picture(info) {
  if (info) return face(nameOf(info));
  const machine = element("span", "face machine", ">_");
  machine.setAttribute("aria-hidden", "true");
  return machine;
}

function said({ name, data, at, took, named }) {
  const whole = element("div", "said");
  const bubble = element("div", "bubble");
  bubble.append(words(data), foot(at, took));
  whole.append(element("p", named ? "author" : "unseen", name), bubble);
  return whole;
}

function words(data) {
  const { text, json } = read(data);
  const paragraph = element("p", json ? "text json" : "text");
  paragraph.dir = "auto";
  // Compact JSON has no spaces, so say where its lines may break.
  if (json) for (const part of shortened(text).split(/(?<=,)/)) paragraph.append(part, document.createElement("wbr"));
  else paragraph.textContent = shortened(text);
  return paragraph;
}

function foot(at, took) {
  const time = element("time", "", CLOCK.format(at));
  time.dateTime = at.toISOString();
  const line = element("p", "foot");
  line.append(time, took === null ? "" : ` · ${readable(took)} ms`);
  return line;
}

function shortened(text) {
  const rest = text.length - LONGEST_TEXT;
  return rest > 0 ? `${text.slice(0, LONGEST_TEXT)} … and ${rest.toLocaleString("en")} more characters` : text;
}

function element(tag, className, text = "") {
  const created = document.createElement(tag);
  created.className = className;
  created.textContent = text;
  return created;
}
