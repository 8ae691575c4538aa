// How what is awaited comes to an end before its time.

/** Why there is no conversation; `code` is one of those that voice.js lists. */
export class Problem extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** Rejects when the signal aborts. */
export function aborted(signal) {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
}

export function pause(ms, signal) {
  let timer;
  const passed = new Promise((resolve) => (timer = setTimeout(resolve, ms)));
  return Promise.race([passed, aborted(signal)]).finally(() => clearTimeout(timer));
}
