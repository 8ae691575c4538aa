// What was measured, in milliseconds.

const KEPT = 500; // of each kind

export class Figures {
  #values = { capture_ms: [], receive_to_render_ms: [], round_trip_ms: [], duck_ms: [] };

  note(name, ms) {
    const values = this.#values[name];
    values.push(ms);
    if (values.length > KEPT) values.shift();
  }

  /** {name: {p50, p90}}, with null where nothing was measured. */
  percentiles() {
    return Object.fromEntries(Object.entries(this.#values).map(([name, values]) => [name, percentiles(values)]));
  }
}

function percentiles(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share) => sorted[Math.floor(share * (sorted.length - 1))] ?? null;
  return { p50: at(0.5), p90: at(0.9) };
}
