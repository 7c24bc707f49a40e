// What is hot, why, and what would help.

import { byId, draw, keep, make, say, show } from "./dom.js";
import { amount, cause, clock, count, duration, partition, percent, rate, resource, sentence, verdict } from "./words.js";

/** Rates of the listed partitions since the page was opened: so many views back at most. */
const TRAIL = 120;
const trails = new Map();

/** Shows the hot list of a view. */
export function showHot(view, now) {
  remember(view);
  const { hot_partitions: partitions, hot_brokers: brokers, left_out: more } = view;
  const none = !partitions.length && !brokers.length;
  show(byId("hot-none"), none);
  say(byId("hot-none"), nothing(view));
  keep(byId("hot-partitions"), partitions, partition, partitionRow, (row, hot) => updatePartition(row, hot));
  show(byId("hot-partitions"), partitions.length > 0);
  show(byId("hot-more"), more.hot_partitions > 0);
  say(byId("hot-more"), `and ${count(more.hot_partitions, "more hot partition")}`);
  keep(byId("hot-brokers"), brokers, (hot) => `${hot.broker} ${hot.resource}`, brokerRow, (row, hot) => updateBroker(row, hot, now));
  show(byId("hot-brokers"), brokers.length > 0);
}

function nothing({ state }) {
  if (state.phase === "starting") return "Not known yet.";
  if (state.partitions === 0) return "There are no partitions.";
  return "Nothing is hot. A broker is hot when it stays above the dashed line below.";
}

function remember(view) {
  const listed = new Set();
  for (const hot of view.hot_partitions) {
    const key = partition(hot);
    listed.add(key);
    const trail = trails.get(key) ?? [];
    if (trail.at(-1)?.at !== view.state.ticked_at_ms) trail.push({ at: view.state.ticked_at_ms, load: hot.load });
    trails.set(key, trail.slice(-TRAIL));
  }
  for (const key of trails.keys()) if (!listed.has(key)) trails.delete(key);
}

function partitionRow() {
  return make(
    "li",
    {},
    make("div", { class: "hot-what" }, make("h3", { class: "mono" }), make("p", { class: "quiet" })),
    make("div", { class: "hot-rate" }, make("p", { class: "big" }), draw("svg", { class: "trail", viewBox: "0 0 120 32", preserveAspectRatio: "none", role: "img" }), make("p", { class: "quiet" })),
    make("div", { class: "hot-share" }, make("p", { class: "big" }), bar(), make("p", { class: "quiet" })),
    make(
      "div",
      { class: "hot-why" },
      make("p", {}, make("strong"), " ", make("span")),
      make("p", { class: "verdict" }, make("strong"), " ", make("span")),
    ),
  );
}

/** A bar whose length is said beside it. */
export function bar() {
  return make("div", { class: "bar", "aria-hidden": "true" }, make("span"));
}

/** Sets a bar to a part of its length. */
export function fill(element, part) {
  element.firstChild.style.width = `${Math.min(100, Math.max(0, part * 100)).toFixed(1)}%`;
}

function updatePartition(row, hot) {
  const [what, rates, share, why] = row.children;
  say(what.children[0], partition(hot));
  const led = hot.leader === hot.broker ? "which leads it" : hot.leader === null ? "without a leader" : `led by ${hot.leader}`;
  say(what.children[1], `on broker ${hot.broker}, ${led}`);
  say(rates.children[0], amount(hot.resource, hot.load));
  drawTrail(rates.children[1], hot);
  const both = hot.bytes_in === null ? "" : ` · ${rate(hot.bytes_in)} written`;
  say(rates.children[2], `${resource(hot.resource)}${both}`);
  say(share.children[0], hot.share === null ? "?" : percent(hot.share));
  fill(share.children[1], hot.share ?? 0);
  say(share.children[2], `of broker ${hot.broker}’s ${resource(hot.resource)}`);
  say(why.children[0].children[0], `${sentence(cause(hot.cause)).slice(0, -1)}:`);
  say(why.children[0].children[1], sentence(hot.explanation));
  say(why.children[1].children[0], `${verdict(hot.verdict)}:`);
  say(why.children[1].children[1], sentence(hot.advice));
}

function drawTrail(svg, hot) {
  const trail = trails.get(partition(hot)) ?? [];
  const most = Math.max(...trail.map((point) => point.load), 1e-9);
  const [first, last] = [trail[0], trail.at(-1)];
  const span = Math.max(1, last.at - first.at);
  const places = trail.map(({ at, load }) => [
    trail.length < 2 ? 120 : ((at - first.at) / span) * 120,
    30 - (load / most) * 26,
  ]);
  if (places.length === 1) places.unshift([0, places[0][1]]);
  const line = places.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");
  svg.setAttribute("aria-label", `over ${duration(last.at - first.at)}: from ${amount(hot.resource, first.load)} to ${amount(hot.resource, last.load)}`);
  svg.replaceChildren(
    draw("polygon", { points: `0,32 ${line} 120,32` }),
    draw("polyline", { points: line }),
  );
}

function brokerRow() {
  return make("li", {}, make("span", { class: "mark", "aria-hidden": "true", text: "▲" }), make("p", {}, make("strong"), " ", make("span"), make("span", { class: "quiet" })));
}

function updateBroker(row, hot, now) {
  const [name, why, since] = row.children[1].children;
  say(name, `Broker ${hot.broker} is hot in ${resource(hot.resource)}.`);
  say(why, `${sentence(`It ${hot.explanation}`)} `);
  say(since, `Too much since ${clock(hot.since_ms)}, for ${duration(now - hot.since_ms)}.`);
}
