// Who this browser is to the server, where the person wants to be remembered: a random number, and nothing else.

const KEY = "cleans2s.memory";
const BYTES = 16;

export class Identity {
  #known = read();

  /** Whether the person wants to be remembered. */
  get on() {
    return this.#known.on;
  }

  /** The number, or "" for who is not to be remembered. */
  get number() {
    return this.#known.on ? this.#known.number : "";
  }

  set on(on) {
    const number = this.#known.number || (on ? drawn() : "");
    this.#known = { on, number }; // switched on again, it is the same person
    try {
      localStorage.setItem(KEY, JSON.stringify(this.#known));
    } catch {
      // A browser that keeps nothing: it holds as long as the page.
    }
  }
}

function drawn() {
  return Array.from(crypto.getRandomValues(new Uint8Array(BYTES)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function read() {
  try {
    const { on, number } = JSON.parse(localStorage.getItem(KEY)) ?? {};
    if (/^[0-9a-f]{32,48}$/.test(number)) return { on: on === true, number };
  } catch {
    // Nothing is kept here, or nothing that makes sense.
  }
  return { on: false, number: "" };
}
