/** How long own messages take from send to receipt: the last, the median, and a bar for each of the last twenty. */

const KEPT = 20;
const STEP = 8;
const BAR = 4;
const HEIGHT = 44;
const LEAST = 4;

/** The middle of some numbers, or the mean of the two in the middle. */
export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Milliseconds as text of about three digits: 0.8, 12, 1,250. */
export function readable(milliseconds) {
  return milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds).toLocaleString("en");
}

export class Latency {
  #last = document.querySelector("#latency-last");
  #median = document.querySelector("#latency-median");
  #chart = document.querySelector("#sparkline");
  #kept = [];
  #frame = 0;

  constructor() {
    this.#draw();
  }

  /** One more round trip, in milliseconds. */
  add(milliseconds) {
    this.#kept = [...this.#kept, milliseconds].slice(-KEPT);
    // Drawing takes time too: once per frame, so that it is not measured with the next messages of a burst.
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => this.#tell());
  }

  #tell() {
    const [least, most] = [Math.min(...this.#kept), Math.max(...this.#kept)].map(readable);
    this.#last.textContent = readable(this.#kept.at(-1));
    this.#median.textContent = readable(median(this.#kept));
    this.#chart.setAttribute("aria-label", `Last ${this.#kept.length} round trips: ${least} to ${most} ms`);
    this.#draw();
  }

  #draw() {
    const most = Math.max(...this.#kept);
    const missing = Array(KEPT - this.#kept.length).fill(0);
    const shares = [...missing, ...this.#kept].map((number) => (number ? number / most : 0));
    this.#chart.replaceChildren(...shares.map((share, place) => this.#bar(place, share)));
  }

  /** A bar at a place counted from the left; `share` is its part of the full height, 0 for a place not yet taken. */
  #bar(place, share) {
    const height = Math.max(LEAST, share * HEIGHT);
    const shape = { x: place * STEP + STEP - BAR, y: HEIGHT - height, width: BAR, height, rx: BAR / 2 };
    const rect = document.createElementNS(this.#chart.namespaceURI, "rect");
    for (const [name, value] of Object.entries(shape)) rect.setAttribute(name, value.toFixed(1));
    rect.classList.toggle("none", !share);
    return rect;
  }
}
