/** The state of the connection, as the page tells it: the lamp, the countdown, and the notice over the messages. */

const TICK_MS = 200;

export class Status {
  #badge = document.querySelector("#state");
  #text = document.querySelector("#state-text");
  #spoken = document.querySelector("#state-spoken");
  #notice = document.querySelector("#notice");
  #noticeText = document.querySelector("#notice-text");
  #retry = document.querySelector("#retry");
  #needingConnection = document.querySelectorAll("#send, #pause, #burst");
  #ticking = 0;

  /** `retry` is called when somebody does not want to wait. */
  constructor(retry) {
    this.#retry.addEventListener("click", retry);
  }

  /** "connecting", "live", "reconnecting" or "closed". */
  get state() {
    return this.#badge.dataset.state;
  }

  connecting() {
    this.#show("connecting", "Connecting");
  }

  live() {
    this.#show("live", "Live");
  }

  /** Waiting until `retryAt` (milliseconds since 1970), for the reason that `notice` tells. */
  waiting(retryAt, notice) {
    this.#show("reconnecting", "Reconnecting", notice);
    const tick = () => {
      const seconds = Math.ceil((retryAt - Date.now()) / 1000);
      this.#text.textContent = seconds > 0 ? `Reconnecting in ${seconds} s` : "Reconnecting";
    };
    tick();
    this.#ticking = setInterval(tick, TICK_MS);
  }

  /** A new attempt after a loss. What the notice said stays until it succeeds. */
  reconnecting() {
    this.#show("reconnecting", "Reconnecting", this.#noticeText.textContent);
  }

  closed(notice) {
    this.#show("closed", "Closed", notice);
  }

  #show(state, text, notice = "") {
    clearInterval(this.#ticking);
    this.#badge.dataset.state = document.body.dataset.state = state;
    this.#text.textContent = text;
    // Not `disabled`, which would take the focus away from somebody about to press it.
    for (const control of this.#needingConnection) control.setAttribute("aria-disabled", state !== "live");
    // The countdown is for the eyes: read aloud every second it would drown the messages.
    this.#spoken.textContent = `${text}. ${notice}`;
    this.#notice.hidden = !notice;
    this.#noticeText.textContent = notice;
    this.#retry.textContent = state === "closed" ? "Connect again" : "Connect now";
  }
}
