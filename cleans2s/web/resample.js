/**
 * A stream of samples from one rate to another: a ring of what was written, read through a windowed sinc.
 *
 * Positions are counted in samples of the source from the beginning of the stream, and kept as an integer and a fraction
 * of whole numbers: hours of 44.1 kHz do not drift, and edges between writes cannot be heard, as there are none.
 */

const ZERO_CROSSINGS = 24; // on each side: 1 ms of delay at 24 kHz, 70 dB of rejection
const KAISER_BETA = 6.8; // 70 dB
const CUTOFF = 0.91; // of the lower Nyquist frequency: full suppression is reached just there
const FIRST_CAPACITY = 1 << 15;

export class Resampler {
  /**
   * @param {number} fromHz rate of what is written
   * @param {number} toHz rate of what is read
   * @param {{limitS?: number, keepS?: number}} options how much may wait to be read; how far back `position` may be set
   */
  constructor(fromHz, toHz, { limitS = 1, keepS = 0 } = {}) {
    const divisor = greatestCommonDivisor(Math.round(fromHz), Math.round(toHz));
    this.phases = Math.round(toHz) / divisor;
    this.step = Math.round(fromHz) / divisor; // in 1/phases of a source sample
    const scale = Math.min(1, toHz / fromHz);
    this.reach = Math.ceil(ZERO_CROSSINGS / scale); // samples that an output needs on each side
    this.kernels = kernelsOf(this.phases, this.reach, CUTOFF * scale);
    this.limit = Math.ceil(limitS * fromHz);
    this.history = this.reach + Math.ceil(keepS * fromHz);
    this.ring = new Float32Array(FIRST_CAPACITY);
    this.written = 0;
    this.index = 0;
    this.phase = 0;
  }

  /** Where in the source the next output lies; all before it has been read. */
  get position() {
    return this.index + this.phase / this.phases;
  }

  set position(samples) {
    this.index = Math.floor(samples);
    this.phase = Math.round((samples - this.index) * this.phases);
  }

  /** Appends samples, as many as there is room for. */
  write(samples) {
    this.#append(samples, Math.min(samples.length, Math.max(0, this.limit - (this.written - this.index))));
  }

  /** Appends the silence without which the last samples written could not be read. */
  pad() {
    this.#append(new Float32Array(this.reach), this.reach);
  }

  /** Fills `out` as far as the source goes, and returns how many samples that was. */
  read(out) {
    const { ring, kernels, reach, phases } = this;
    const mask = ring.length - 1;
    const taps = 2 * reach;
    let count = 0;
    for (; count < out.length && this.index + reach < this.written; count++) {
      const first = this.index - reach + 1; // negative at the very beginning, where the ring holds zeros
      const kernel = this.phase * taps;
      let sum = 0;
      for (let i = 0; i < taps; i++) sum += ring[(first + i) & mask] * kernels[kernel + i];
      out[count] = sum;
      this.phase += this.step;
      this.index += Math.floor(this.phase / phases);
      this.phase %= phases;
    }
    return count;
  }

  #append(samples, count) {
    const needed = this.written + count - this.index + this.history;
    if (needed > this.ring.length) this.#grow(needed);
    const mask = this.ring.length - 1;
    for (let i = 0; i < count; i++) this.ring[(this.written + i) & mask] = samples[i];
    this.written += count;
  }

  #grow(needed) {
    const bigger = new Float32Array(2 ** Math.ceil(Math.log2(needed)));
    for (let i = Math.max(this.index - this.history, this.written - this.ring.length); i < this.written; i++) {
      bigger[i & (bigger.length - 1)] = this.ring[i & (this.ring.length - 1)];
    }
    this.ring = bigger;
  }
}

/** One low-pass filter for every fraction of a sample at which an output can lie, each with gain one. */
function kernelsOf(phases, reach, cutoff) {
  const taps = 2 * reach;
  const kernels = new Float32Array(phases * taps);
  for (let phase = 0; phase < phases; phase++) {
    const kernel = kernels.subarray(phase * taps, (phase + 1) * taps);
    let gain = 0;
    for (let i = 0; i < taps; i++) {
      const distance = i - reach + 1 - phase / phases;
      kernel[i] = sinc(cutoff * distance) * kaiser(distance / reach);
      gain += kernel[i];
    }
    for (let i = 0; i < taps; i++) kernel[i] /= gain;
  }
  return kernels;
}

function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

function kaiser(x) {
  return Math.abs(x) >= 1 ? 0 : bessel(KAISER_BETA * Math.sqrt(1 - x * x)) / bessel(KAISER_BETA);
}

/** The modified Bessel function of order zero, by its power series. */
function bessel(x) {
  let sum = 1;
  for (let term = 1, k = 1; term > 1e-9 * sum; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

function greatestCommonDivisor(a, b) {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
