// The few things that all parts of the page do with the document. Data only ever becomes text, never HTML.

/** An element by its id. */
export const byId = (id) => document.getElementById(id);

/** A new element with properties (`class`, `text`, attributes, listeners as `onclick`) and children. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "text") element.textContent = value;
    else if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** A new element of a drawing. */
export function draw(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Sets an element's text if it is another one, so that nothing is announced or selected anew for nothing. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Shows or hides an element. Focus that would be lost goes to the sentence that says what is going on. */
export function show(element, shown) {
  if (element.hidden === !shown) return;
  const had = !shown && element.contains(document.activeElement);
  element.hidden = !shown;
  if (had) byId("sentence").focus();
}

/**
 * Makes the children of `parent` those of `items`, in their order. A child is kept as long as its key is there, and with
 * it focus and selection.
 */
export function keep(parent, items, key, create, update) {
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    let child = known.get(name);
    if (child) {
      known.delete(name);
    } else {
      child = create(item);
      child.dataset.key = name;
    }
    update(child, item);
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
  }
  for (const child of known.values()) {
    if (child.contains(document.activeElement)) byId("sentence").focus();
    child.remove();
  }
}

/** Terms with their figures, as pairs of a `dl`; figures without a value are left out. */
export function facts(list, pairs) {
  keep(
    list,
    pairs.filter((pair) => pair[1]),
    (pair) => pair[0],
    (pair) => make("div", {}, make("dt", { text: pair[0] }), make("dd"), make("dd", { class: "note" })),
    (element, [, figure, note]) => {
      say(element.children[1], figure);
      say(element.children[2], note ?? "");
    },
  );
}
