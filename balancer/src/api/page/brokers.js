// The table of brokers.

import { byId, keep, make, say, show } from "./dom.js";
import { ask, drain, undrain } from "./orders.js";
import { word } from "./strip.js";
import { RESOURCES, count, percent } from "./words.js";

/** So many brokers are listed at first, and so many more each time somebody asks. */
const FIRST = 12;
const MORE = 100;

let listed = FIRST;
let shown;
let chosen_order;

/** Sets the filters up. */
export function makeBrokers() {
  byId("broker-filter").addEventListener("input", () => {
    listed = FIRST;
    update();
  });
  byId("broker-order").addEventListener("change", (event) => {
    chosen_order = event.target.value;
    update();
  });
  byId("brokers-more").addEventListener("click", () => {
    listed += MORE;
    update();
  });
}

/** Lists the broker of this row alone. */
export function pick(row) {
  byId("broker-filter").value = String(shown.brokers.id[row]);
  update();
}

/** Shows the brokers of a view. */
export function showBrokers(view) {
  shown = view;
  const none = view.brokers.id.length === 0;
  show(byId("brokers-none"), none);
  say(byId("brokers-none"), view.state.phase === "starting" ? "Not known yet." : "There are no brokers.");
  show(byId("brokers-body"), !none);
  // Few brokers keep their places; of many, the hottest come first.
  if (!chosen_order) byId("broker-order").value = view.brokers.id.length > FIRST ? "load" : "id";
  update();
}

function update() {
  if (!shown) return;
  const { brokers } = shown;
  const wanted = byId("broker-filter").value.trim().toLowerCase();
  const rows = brokers.id.map((_, row) => row).filter((row) => {
    const rack = word(brokers.rack, row) ?? "";
    return wanted === "" || String(brokers.id[row]) === wanted || rack.toLowerCase().includes(wanted);
  });
  const order = inUse();
  if (order) {
    rows.splice(0, rows.length, ...order.filter((row) => rows.includes(row)), ...rows.filter((row) => !order.includes(row)));
  } else if (byId("broker-order").value === "load") {
    const heat = rows.map((row) => [row, relative(row)]);
    rows.splice(0, rows.length, ...heat.sort((a, b) => b[1] - a[1]).map(([row]) => row));
  }
  keep(byId("broker-rows"), rows.slice(0, listed), (row) => brokers.id[row], create, fillRow);
  const more = rows.length - listed;
  const said = wanted && rows.length === 0 ? "No broker has this number, and no rack this name." : `${count(rows.length, "broker")}: utilisation in percent of what each can carry`;
  say(byId("brokers-caption"), said);
  show(byId("brokers-more"), more > 0);
  say(byId("brokers-more"), `Show ${Math.min(more, MORE)} of ${count(more, "more broker")}`);
}

/** The rows as they are listed while somebody is about to use one of their buttons: these must not change places then. */
function inUse() {
  const body = byId("broker-rows");
  if (!body.matches(":hover") && !body.contains(document.activeElement)) return undefined;
  const ids = [...body.children].map((child) => Number(child.dataset.key));
  return ids.map((id) => shown.brokers.id.indexOf(id)).filter((row) => row >= 0);
}

/** How far a broker is above the mean at most; hot ones come before all others. */
function relative(row) {
  const { brokers, state } = shown;
  const above = RESOURCES.map(([name]) => {
    const part = state.hot_above[name] > 0 ? brokers.utilisation[name][row] / 1000 / state.hot_above[name] : 0;
    return brokers.hot[name].includes(row) ? part + 1e6 : part;
  });
  return Math.max(...above);
}

function create() {
  return make(
    "tr",
    {},
    make("th", { scope: "row", class: "num" }, make("span"), make("span", { class: "chip" })),
    make("td", { class: "wide" }),
    ...RESOURCES.map(() => make("td", { class: "num" })),
    make("td", { class: "num wide" }),
    make("td", { class: "num wide" }),
    make("td", { class: "wide quiet" }),
    make("td", { class: "act" }, make("button", { type: "button", class: "quiet-button", onclick: order })),
  );
}

function order(event) {
  const { id, drains } = event.currentTarget.dataset;
  ask(drains ? undrain([Number(id)]) : drain([Number(id)]), event.currentTarget);
}

function fillRow(element, row) {
  const { brokers } = shown;
  const cells = element.children;
  const state = word(brokers.state, row);
  say(cells[0].children[0], String(brokers.id[row]));
  show(cells[0].children[1], state !== "alive");
  say(cells[0].children[1], state ?? "");
  say(cells[1], word(brokers.rack, row) ?? "");
  RESOURCES.forEach(([name], place) => {
    const is_hot = brokers.hot[name].includes(row);
    const cell = cells[place + 2];
    say(cell, `${is_hot ? "▲ " : ""}${percent(brokers.utilisation[name][row] / 1000)}`);
    cell.classList.toggle("hot", is_hot);
  });
  say(cells[6], String(brokers.leaders[row]));
  say(cells[7], String(brokers.replicas[row]));
  const source = word(brokers.source, row);
  const reason = brokers.reasons[row];
  say(cells[8], source === "sidecar" ? "sidecar" : `${source === "protocol" ? "Kafka protocol" : source}${reason ? `: ${reason}` : ""}`);
  const button = cells[9].firstChild;
  const drains = shown.state.draining.includes(brokers.id[row]) || state === "draining";
  button.dataset.id = brokers.id[row];
  button.dataset.drains = drains ? "1" : "";
  say(button, drains ? "Undrain…" : "Drain…");
  button.setAttribute("aria-label", `${drains ? "Undrain" : "Drain"} broker ${brokers.id[row]}…`);
  show(button, shown.state.phase !== "fenced");
}
