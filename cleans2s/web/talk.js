// The panel in which a person talks with the agent: it shows what a Voice tells and asks a Voice for what the person wants.
// Nothing that was said or sent is ever parsed as HTML: every text reaches the page as the text of a node.

import { Block } from "./block.js";
import { Documents } from "./documents.js";
import { dress, icon, label, make } from "./dom.js";
import { Inspector } from "./inspector.js";
import { Lookups } from "./lookups.js";
import { Thoughts } from "./thoughts.js";
import { Timeline, loudness } from "./timeline.js";
import { Transcript } from "./transcript.js";
import { texts } from "./words.js";

const NOTICE_MS = 2000;

const mounted = new WeakMap(); // element → its panel

/**
 * Builds the panel in `element`, instead of the one that is there already. `Voice` is voice.js's class or its like, `settings`
 * what it is configured with from the beginning. With a `shelf` (shelf.js) the person's documents are there too, and `web` says
 * whether the server looks there by itself.
 */
export function mount(element, { Voice, url, token, settings, language, shelf, web } = {}) {
  mounted.get(element)?.unmount();
  const panel = build(element, new Voice({ url, token, settings }), texts(language), shelf, web);
  mounted.set(element, panel);
  return panel;
}

function build(element, voice, words, shelf, web) {
  const gone = new AbortController();
  const on = (target, type, then) => target.addEventListener(type, then, { signal: gone.signal });
  const button = (name, text, then) => {
    const made = make("button", { className: `button ${name}`, type: "button" }, icon(), make("span", { textContent: text }));
    on(made, "click", then);
    return made;
  };

  const notice = make("div", { className: "alert", role: "alert" });
  const orb = make("div", { className: "orb" }, make("i", { className: "user" }), make("i", { className: "agent" }));
  orb.ariaHidden = "true";
  const state = make("div", { className: "state", role: "status", ariaLive: "polite" }, icon(), make("span"));
  const trip = make("div", { className: "trip" });
  const start = button("start", words.start, () => (idle() ? begin({ microphone: true }) : end()));
  const mute = button("mute", words.mute, () => {
    if (!listens) return begin({ microphone: true }); // what was written so far stays part of the conversation
    voice.muted = !voice.muted;
    show();
  });
  const interrupt = button("interrupt", words.interrupt, () => voice.interrupt());
  interrupt.title = words.interruptHint;
  const list = make("div", { className: "list", role: "log", tabIndex: 0, ariaLabel: words.conversation, ariaLive: "polite" });
  const transcript = new Transcript(list, words);
  const copy = button("copy", words.copy, async () => {
    label(copy, (await copied(transcript)) ? words.copied : words.copyByHand);
    setTimeout(() => label(copy, words.copy), NOTICE_MS);
  });
  const clear = button("clear", words.clear, () => {
    transcript.clear();
    thoughts.clear();
  });
  const deliberations = make("div", { className: "thoughts", tabIndex: 0, role: "log", ariaLive: "off", ariaLabel: words.thoughts });
  const thoughts = new Thoughts(deliberations, words);
  const barred = make("div", { className: "barred", role: "status" });
  const block = new Block(barred, words, () => voice.remember("unblock"));
  const remembered = make("details", { className: "memory idle" });
  const inspector = new Inspector(remembered, words, voice);
  const places = make("div", { className: "lookups" });
  const brought = make("details");
  const looks = shelf ? [new Lookups(places, words, voice, shelf, { web }), new Documents(brought, words, shelf, element)] : [];
  const input = make("input", { className: "text", type: "text", placeholder: words.placeholder, ariaLabel: words.write });
  input.autocomplete = "off";
  input.enterKeyHint = "send";
  const send = make("button", { className: "button send", type: "submit", ariaLabel: words.send, title: words.send }, icon());
  const form = make("form", { className: "write" }, input, send);
  const canvas = make("canvas");
  const keys = Object.entries(words.legend);
  const legend = keys.map(([kind, text]) => make("span", { className: `key of-${kind}`, textContent: text }));

  let now = "idle"; // the Voice's state, as it was last told
  let starting = null; // what the last start came to: a promise
  let listens = false; // whether this conversation has a microphone
  let forgotten = false; // the agent has: the person ended the conversation
  const idle = () => now === "idle";

  element.classList.add("cleans2s-talk");
  Object.assign(element, { role: "region", ariaLabel: words.panel, lang: words.lang, tabIndex: -1 });
  const title = (text, ...rest) => {
    return make("div", { className: "head" }, make("span", { className: "title", textContent: text }), ...rest);
  };
  const parts = {
    stage: [orb, make("div", { className: "now" }, state, trip), start, mute],
    talk: [title(words.conversation, copy, clear), make("div", { className: "view" }, list, interrupt), form, ...(shelf ? [places] : [])],
    mind: [title(words.thoughts), deliberations],
    time: [title(words.timeline, ...legend), canvas],
  };
  const body = Object.entries(parts).map(([name, children]) => make("div", { className: name }, ...children));
  element.replaceChildren(notice, barred, make("div", { className: "body" }, ...body), ...(shelf ? [brought] : []), remembered);
  const timeline = new Timeline(canvas, words);

  function begin(settings) {
    notice.replaceChildren();
    listens = settings.microphone;
    starting = voice.start(settings);
  }

  function end() {
    forgotten = true;
    voice.stop();
  }

  function show() {
    const speaks = now === "speaking" || now === "ducked";
    const silence = !idle() && (listens ? voice.muted && words.muted : words.writing);
    element.dataset.state = now;
    label(state, words.state[now] + (silence ? ` · ${silence}` : ""));
    label(start, idle() ? words.start : words.stop);
    mute.title = !listens && !idle() ? words.listen : voice.muted ? words.unmute : words.mute;
    label(mute, mute.title); // on a phone the icon stands alone, but the name is still read aloud
    mute.classList.toggle("on", !idle() && listens && Boolean(voice.muted));
    mute.disabled = idle();
    if (!speaks && document.activeElement === interrupt) element.focus(); // the keyboard's place must not get lost
    interrupt.classList.toggle("off", !speaks);
    timeline.active = inspector.active = !idle();
    if (!idle()) return;
    level({ user: 0, agent: 0 });
    trip.textContent = "";
  }

  function level({ user, agent }) {
    orb.style.setProperty("--user-level", loudness(user).toFixed(2));
    orb.style.setProperty("--agent-level", loudness(agent).toFixed(2));
  }

  function complain({ code, message }) {
    const [what, then] = words.problems[code] ?? words.otherProblem;
    const text = make("div", {}, make("strong", { textContent: what }), make("span", { textContent: then }));
    // A browser's own words on a microphone help nobody; a server's say what it wanted.
    if (message && !/^microphone-|^insecure/.test(code)) text.append(make("small", { textContent: message }));
    const dismiss = button("dismiss", "", () => {
      notice.replaceChildren();
      start.focus();
    });
    notice.replaceChildren(text, Object.assign(dismiss, { ariaLabel: words.dismiss, title: words.dismiss }));
  }

  on(form, "submit", async (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (!text) return;
    if (idle()) begin({ microphone: false });
    await starting;
    if (idle() || input.value.trim() !== text) return; // no connection, or sent already: what was written stays
    input.value = "";
    transcript.wrote(text);
    voice.tell(text);
  });
  on(voice, "state", ({ detail }) => {
    if (now === "reconnecting" && detail.state === "listening") notice.replaceChildren(); // what was lost is found
    now = detail.state;
    if (now === "idle") transcript.close();
    if (now === "listening" && forgotten) {
      forgotten = false;
      transcript.divide();
    }
    show();
  });
  on(voice, "server", ({ detail }) => {
    transcript.server(detail);
    [timeline, thoughts, block, inspector, ...looks.slice(0, 1)].forEach((part) => part.server(detail));
  });
  on(voice, "levels", ({ detail }) => {
    level(detail);
    timeline.levels(detail);
  });
  on(voice, "problem", ({ detail }) => complain(detail));
  on(voice, "trip", ({ detail }) => (trip.textContent = words.roundTrip(Math.round(detail.round_trip_ms))));

  const actions = { voice, update: (session) => voice.update(session), configure: (settings) => voice.configure(settings) };
  window.cleans2s = actions;
  show();
  dress(element);
  return {
    voice,
    unmount() {
      gone.abort();
      voice.stop();
      [timeline, block, inspector, ...looks].forEach((part) => part.destroy());
      element.replaceChildren();
      if (window.cleans2s === actions) delete window.cleans2s;
    },
  };
}

/** Whether the conversation is on the clipboard; where the browser forbids it, it is selected instead. */
async function copied(transcript) {
  try {
    await navigator.clipboard.writeText(String(transcript));
    return true;
  } catch {
    transcript.select();
    return false;
  }
}
