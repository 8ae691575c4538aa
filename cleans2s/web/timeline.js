// The conversation as a picture while it goes on: the user's voice above, the agent's below, and between them how long
// the answer took. Times are of this page's clock, when a thing became known here; what the server measured (how long an
// answer took) is drawn back from there.

import { duration } from "./words.js";

const SPAN_MS = 20_000;
const STILL_MS = 500; // between two pictures where motion is not wanted
const ROW = 7; // what was let pass stands this far above the middle, what an answer took this far below
const FONT = "11px system-ui, sans-serif";

/** How loud an RMS level (0..1) looks, 0..1: speech lies between -50 and -10 dBFS, and an ear hears ratios. */
export function loudness(rms) {
  return rms > 0 ? Math.min(1, Math.max(0, (20 * Math.log10(rms) + 50) / 40)) : 0;
}

export class Timeline {
  #canvas;
  #words;
  #levels = []; // {at, user, agent}
  #marks = []; // {kind, at, until, text}; a span that has not ended has no `until`
  #open = {}; // the spans that have not ended, by kind
  #counts = { turns: 0, interruptions: 0, ignored: 0, latency: "" };
  #stoppedAt = performance.now();
  #active = false;
  #visible = false;
  #frame = 0;
  #drawnAt = 0;
  #look = null;
  #still = matchMedia("(prefers-reduced-motion: reduce)");
  #watchers;

  constructor(canvas, words) {
    this.#canvas = canvas;
    this.#words = words;
    canvas.setAttribute("role", "img");
    const seen = new IntersectionObserver((entries) => {
      this.#visible = entries.at(-1).isIntersecting;
      this.#wake();
    });
    const sized = new ResizeObserver(() => this.#restyle());
    const themed = new MutationObserver(() => this.#restyle()); // a dark page is one whose body has the class "dark"
    seen.observe(canvas);
    sized.observe(canvas);
    themed.observe(document.body, { attributes: true, attributeFilter: ["class"] });
    this.#watchers = [seen, sized, themed];
    this.#describe();
  }

  /** While a conversation is on, time goes on; afterwards the picture stands still. */
  set active(active) {
    if (active === this.#active) return;
    this.#active = active;
    this.#stoppedAt = performance.now();
    this.levels({ user: 0, agent: 0 }); // so that no line runs across the time in which nobody listened
    Object.keys(this.#open).forEach((kind) => this.#end(kind));
    this.#wake();
  }

  levels({ user, agent }) {
    const at = performance.now();
    this.#levels.push({ at, user: loudness(user), agent: loudness(agent) });
    while (this.#levels[0].at < at - SPAN_MS - 1000) this.#levels.shift();
  }

  /** Takes any event of the server; most do not concern the picture. */
  server(event) {
    switch (event.type) {
      case "input_audio_buffer.speech_started":
        return this.#begin("turn");
      case "session.created": // maybe a second one: what the lost connection left open will not end by itself
        return Object.keys(this.#open).forEach((kind) => this.#end(kind));
      case "input_audio_buffer.committed":
        this.#counts.turns += 1;
        this.#end("turn");
        this.#mark("committed");
        return this.#describe();
      case "cleans2s.ducked":
        return this.#begin("ducked");
      case "cleans2s.resumed":
        return this.#end("ducked");
      case "cleans2s.ignored":
        this.#counts.ignored += 1;
        this.#end("turn");
        this.#mark("ignored", event.text);
        return this.#describe();
      case "cleans2s.interrupted":
        this.#counts.interruptions += 1;
        this.#end("ducked");
        this.#mark("interrupted");
        return this.#describe();
      case "cleans2s.latency": {
        const took = event.latency?.reply_ms;
        if (!(took >= 0)) return;
        this.#counts.latency = duration(took);
        const now = performance.now();
        this.#marks.push({ kind: "latency", at: now - took, until: now, text: duration(took) });
        return this.#describe();
      }
    }
  }

  destroy() {
    this.#watchers.forEach((watcher) => watcher.disconnect());
    cancelAnimationFrame(this.#frame);
    this.#active = this.#visible = false;
  }

  #mark(kind, text = "") {
    const at = performance.now();
    this.#marks.push({ kind, at, until: at, text });
  }

  #begin(kind) {
    if (this.#open[kind]) return;
    this.#open[kind] = { kind, at: performance.now(), text: "" };
    this.#marks.push(this.#open[kind]);
  }

  #end(kind) {
    if (this.#open[kind]) this.#open[kind].until = performance.now();
    delete this.#open[kind];
  }

  #describe() {
    this.#canvas.setAttribute("aria-label", this.#words.picture(this.#counts));
  }

  #restyle() {
    this.#look = null;
    this.#draw();
  }

  #wake() {
    cancelAnimationFrame(this.#frame);
    if (this.#visible) this.#tick();
  }

  #tick() {
    if (!this.#still.matches || performance.now() - this.#drawnAt >= STILL_MS || !this.#active) this.#draw();
    if (this.#active && this.#visible) this.#frame = requestAnimationFrame(() => this.#tick());
  }

  // ── drawing ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Size and colours, read once and again after a change of size or theme: reading them for each picture is slow. */
  #measure() {
    const style = getComputedStyle(this.#canvas);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim() || style.color;
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    const ratio = window.devicePixelRatio || 1;
    this.#canvas.width = Math.round(width * ratio);
    this.#canvas.height = Math.round(height * ratio);
    const names = ["user", "agent", "ink", "dim", "line", "alarm"];
    const pen = this.#canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.font = FONT;
    const labels = [this.#words.you, this.#words.agent].map((text) => pen.measureText(text).width);
    const colours = Object.fromEntries(names.map((name) => [name, colour(name)]));
    return { pen, width, height, ratio, left: Math.ceil(Math.max(...labels)) + 12, ...colours };
  }

  #draw() {
    if (this.#look?.ratio !== (window.devicePixelRatio || 1)) this.#look = this.#measure(); // moved to another screen
    const { pen, width, height, left, user, agent, line } = this.#look;
    if (!width) return;
    this.#drawnAt = performance.now();
    const now = this.#active ? this.#drawnAt : this.#stoppedAt;
    const x = (at) => width - ((now - at) / SPAN_MS) * (width - left);
    this.#marks = this.#marks.filter((mark) => !(mark.until < now - SPAN_MS - 2000)); // an open span has no `until`
    const lane = height * 0.36;
    const lanes = { user: { y: lane / 2 + 2, colour: user }, agent: { y: height - lane / 2 - 2, colour: agent } };
    pen.clearRect(0, 0, width, height);
    pen.textBaseline = "middle";
    Object.entries(lanes).forEach(([who, { y, colour }]) => {
      pen.fillStyle = colour;
      pen.textAlign = "left";
      pen.fillText(who === "user" ? this.#words.you : this.#words.agent, 0, y);
      pen.fillStyle = line;
      pen.fillRect(left, y - 0.5, width - left, 1);
    });
    pen.save();
    pen.beginPath();
    pen.rect(left, 0, width - left, height);
    pen.clip();
    const frame = { ...this.#look, x, now, lane, lanes, middle: height / 2 };
    this.#marks.forEach((mark) => this.#drawSpan(mark, frame));
    Object.entries(lanes).forEach(([who, { y, colour }]) => this.#drawVoice(who, y, colour, frame));
    this.#marks.forEach((mark) => this.#drawMark(mark, frame));
    pen.restore();
  }

  #drawVoice(who, y, colour, { pen, x, lane }) {
    const edge = (level, sign) => pen.lineTo(x(level.at), y + sign * (0.5 + (level[who] * lane) / 2));
    pen.beginPath();
    this.#levels.forEach((level) => edge(level, -1));
    this.#levels.toReversed().forEach((level) => edge(level, 1));
    pen.fillStyle = colour;
    pen.fill();
  }

  #drawSpan({ kind, at, until }, { pen, x, now, lane, lanes, agent, user }) {
    const [from, to] = [x(at), Math.max(x(until ?? now), x(at) + 2)];
    if (kind === "turn") {
      pen.globalAlpha = 0.16;
      pen.fillStyle = user;
      pen.fillRect(from, lanes.user.y - lane / 2, to - from, lane);
      pen.globalAlpha = 1;
    } else if (kind === "ducked") {
      pen.save();
      pen.beginPath();
      pen.rect(from, lanes.agent.y - lane / 2, to - from, lane);
      pen.clip();
      pen.beginPath();
      for (let step = from - lane; step < to; step += 6) {
        pen.moveTo(step, lanes.agent.y + lane / 2);
        pen.lineTo(step + lane, lanes.agent.y - lane / 2);
      }
      pen.strokeStyle = agent;
      pen.globalAlpha = 0.7;
      pen.stroke();
      pen.restore();
    }
  }

  #drawMark({ kind, at, until, text }, { pen, x, lane, lanes, middle, ink, dim, user, alarm }) {
    const from = x(at);
    pen.lineWidth = 1.5;
    pen.textAlign = "left";
    pen.beginPath();
    switch (kind) {
      case "turn": // the moment at which speech was noticed
        pen.fillStyle = user;
        pen.fillRect(from - 1, lanes.user.y - lane / 2, 2, lane);
        break;
      case "committed":
        pen.setLineDash([3, 3]);
        pen.moveTo(from, lanes.user.y - lane / 2);
        pen.lineTo(from, middle);
        pen.strokeStyle = user;
        pen.stroke();
        pen.setLineDash([]);
        break;
      case "latency": {
        const [to, y] = [x(until), middle + ROW];
        pen.moveTo(from, y - 5);
        pen.lineTo(from, y);
        pen.lineTo(to, y);
        pen.lineTo(to, y + 5);
        pen.strokeStyle = ink;
        pen.stroke();
        pen.fillStyle = ink;
        pen.fillText(text, to + 5, y);
        break;
      }
      case "interrupted":
        for (const sign of [-1, 1]) {
          pen.moveTo(from - 5, lanes.agent.y - sign * 5);
          pen.lineTo(from + 5, lanes.agent.y + sign * 5);
        }
        pen.lineWidth = 2.5;
        pen.strokeStyle = alarm;
        pen.stroke();
        break;
      case "ignored":
        pen.arc(from, middle - ROW, 3, 0, 2 * Math.PI);
        pen.fillStyle = dim;
        pen.fill();
        pen.fillText(text.length > 16 ? `${text.slice(0, 15)}…` : text, from + 6, middle - ROW);
        break;
    }
  }
}
