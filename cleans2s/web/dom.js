// Making elements of the page.

const STYLE = new URL("talk.css", import.meta.url).href;

/** An element with its properties and children; texts become text nodes, whatever is written in them. */
export function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

/** Drawn by the style, after its parent's class. */
export const icon = () => make("i", { className: "icon", ariaHidden: "true" });

/** Makes small buttons that are called as `words` has them under their names. */
export const buttons = (words) => (name, then) => {
  const made = make("button", { className: `button small ${name}`, type: "button", textContent: words[name] });
  made.addEventListener("click", then);
  return made;
};

/** Says something else on a button, and touches nothing if it says so already. */
export function label(button, text) {
  const shown = button.querySelector("span");
  if (shown.textContent !== text) shown.textContent = text;
}

/** Loads the style once for each document (or shadow root), and hides the element until it is there. */
export function dress(element) {
  const root = element.getRootNode();
  const place = root.head ?? (root instanceof ShadowRoot ? root : document.head);
  let link = place.querySelector(`link[href="${STYLE}"]`);
  if (link?.sheet) return;
  if (!link) place.append((link = make("link", { rel: "stylesheet", href: STYLE })));
  const show = () => (element.style.visibility = "");
  element.style.visibility = "hidden";
  link.addEventListener("load", show, { once: true });
  link.addEventListener("error", show, { once: true });
}
