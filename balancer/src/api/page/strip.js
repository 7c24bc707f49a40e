// The strip: a lane for each resource, a bar for each broker, lines at the mean and where heat begins.

import { byId, make, say } from "./dom.js";
import { RESOURCES, percent, resource } from "./words.js";

const HEIGHT = 62;
/** Above the bars is room for the mark of a hot one, below them for figures. */
const TOP = 10;
const BOTTOM = 16;
const AXIS = 18;
/** A bar is no wider, and its figure is written where it is at least so wide. */
const WIDEST = 112;
const WITH_FIGURE = 36;

let shown;
let pointed = -1;
let onPick = () => {};

/** Makes the lanes. `pick` gets the row of a broker that is clicked. */
export function makeStrip(pick) {
  onPick = pick;
  const strip = byId("strip");
  for (const [name, title] of RESOURCES) {
    const canvas = make("canvas", { role: "img" });
    canvas.addEventListener("pointermove", (event) => point(rowAt(canvas, event)));
    canvas.addEventListener("pointerleave", () => point(-1));
    canvas.addEventListener("click", (event) => {
      const row = rowAt(canvas, event);
      if (row >= 0) onPick(row);
    });
    const lane = make("div", { class: "lane" }, make("h3", { text: title }), canvas, make("p", { class: "lane-figures" }, make("span"), make("span"), make("span")));
    lane.dataset.resource = name;
    strip.append(lane);
  }
  strip.append(make("canvas", { class: "axis", "aria-hidden": "true" }));
  new ResizeObserver(redraw).observe(strip);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}

/** Shows the brokers of a view. */
export function showStrip(view) {
  shown = view;
  redraw();
  for (const lane of document.querySelectorAll(".lane")) describe(lane);
  if (pointed >= 0) point(pointed);
}

/** One broker's row in words. */
export function broker(view, row) {
  const { brokers } = view;
  const rack = word(brokers.rack, row);
  const state = word(brokers.state, row);
  const figures = RESOURCES.map(([name]) => {
    const is_hot = brokers.hot[name].includes(row);
    return `${resource(name)} ${percent(brokers.utilisation[name][row] / 1000)}${is_hot ? " ▲" : ""}`;
  });
  return [`Broker ${brokers.id[row]}`, rack && `rack ${rack}`, state !== "alive" && state, ...figures].filter(Boolean).join(" · ");
}

/** A row's word of a column of words. */
export function word(column, row) {
  const place = column.rows[row];
  return place === null || place === undefined ? undefined : column.words[place];
}

function describe(lane) {
  const { state, brokers } = shown;
  const name = lane.dataset.resource;
  const column = brokers.utilisation[name];
  const counts = column.map((_, row) => row).filter((row) => word(brokers.state, row) !== "dead");
  const highest = counts.reduce((best, row) => (best < 0 || column[row] > column[best] ? row : best), -1);
  const [mean, limit, most] = lane.querySelector(".lane-figures").children;
  const known = highest >= 0 && column[highest] > 0;
  say(mean, known ? `mean ${percent(state.mean[name])}` : "no load");
  say(limit, known ? `hot above ${percent(state.hot_above[name])}` : "");
  say(most, known ? `highest ${percent(column[highest] / 1000)}, broker ${brokers.id[highest]}` : "");
  const hot = brokers.hot[name].length;
  const label = `${resource(name)} of ${column.length} brokers: ${mean.textContent}${known ? `, ${limit.textContent}, ${most.textContent}, ${hot} hot` : ""}`;
  lane.querySelector("canvas").setAttribute("aria-label", label);
}

function slot(width) {
  return Math.min(WIDEST, width / Math.max(1, shown?.brokers.id.length ?? 1));
}

function rowAt(canvas, event) {
  const box = canvas.getBoundingClientRect();
  const row = Math.floor((event.clientX - box.left) / slot(box.width));
  return row < (shown?.brokers.id.length ?? 0) ? row : -1;
}

function point(row) {
  pointed = shown && row < shown.brokers.id.length ? row : -1;
  say(byId("strip-readout"), pointed >= 0 ? broker(shown, pointed) : "");
  redraw();
}

function redraw() {
  if (!shown) return;
  const style = getComputedStyle(document.body);
  const colour = (name) => style.getPropertyValue(name).trim();
  const paint = {
    bar: colour("--bar"),
    hot: colour("--hot"),
    away: colour("--away"),
    text: colour("--text"),
    quiet: colour("--quiet"),
    line: colour("--line"),
    font: style.fontFamily,
  };
  for (const lane of document.querySelectorAll(".lane")) drawLane(lane.querySelector("canvas"), lane.dataset.resource, paint);
  drawAxis(document.querySelector(".axis"), paint);
}

/** A canvas as large as it is shown, to be drawn on in CSS pixels. */
function surface(canvas, height) {
  const width = canvas.clientWidth;
  const scale = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  return [context, width];
}

function drawLane(canvas, name, paint) {
  const [context, width] = surface(canvas, HEIGHT);
  const { brokers, state } = shown;
  const column = brokers.utilisation[name];
  const hot = new Set(brokers.hot[name]);
  const limit = state.hot_above[name];
  const most = Math.max(...column.map((part) => part / 1000), limit * 1.15, 0.01);
  const each = slot(width);
  const broad = bar(each);
  const floor = HEIGHT - (each >= WITH_FIGURE ? BOTTOM : 1);
  const y = (part) => floor - (part / most) * (floor - TOP);
  context.textAlign = "center";
  column.forEach((part, row) => {
    const is_hot = hot.has(row);
    const left = row * each;
    const top = y(part / 1000);
    context.globalAlpha = pointed < 0 || pointed === row ? 1 : 0.45;
    context.fillStyle = is_hot ? paint.hot : word(brokers.state, row) === "alive" ? paint.bar : paint.away;
    context.fillRect(left, top, broad, floor - top);
    if (is_hot) mark(context, left + broad / 2, top - 2, Math.min(4.5, Math.max(3, each / 3)));
    if (each < WITH_FIGURE) return;
    context.font = `${is_hot ? "bold " : ""}11px ${paint.font}`;
    context.fillStyle = is_hot ? paint.hot : paint.quiet;
    context.fillText(percent(part / 1000), left + broad / 2, HEIGHT - 3);
  });
  context.globalAlpha = 1;
  const used = each * column.length - (each - broad);
  line(context, floor, used, paint.line);
  if (!column.some((part) => part > 0)) return;
  line(context, y(state.mean[name]), used, paint.text);
  context.setLineDash([5, 4]);
  line(context, y(limit), used, paint.hot);
  context.setLineDash([]);
}

/** How broad the bar is in its slot. */
const bar = (each) => (each > 4 ? each - Math.min(10, each * 0.2) : Math.max(each, 1));

/** The mark of heat: a triangle that stands on the bar. */
function mark(context, middle, bottom, size) {
  context.beginPath();
  context.moveTo(middle, bottom - size * 1.7);
  context.lineTo(middle + size, bottom);
  context.lineTo(middle - size, bottom);
  context.fill();
}

function line(context, at, width, colour) {
  context.strokeStyle = colour;
  context.lineWidth = 1;
  context.beginPath();
  const crisp = Math.round(at) - 0.5;
  context.moveTo(0, crisp);
  context.lineTo(width, crisp);
  context.stroke();
}

function drawAxis(canvas, paint) {
  const [context, width] = surface(canvas, AXIS);
  const each = slot(width);
  const centred = each >= 26;
  const step = centred ? 1 : niceStep(48 / each);
  context.font = `11px ${paint.font}`;
  context.fillStyle = paint.quiet;
  context.textAlign = centred ? "center" : "left";
  shown.brokers.id.forEach((id, row) => {
    const is_near = pointed >= 0 && row !== pointed && Math.abs(row - pointed) * each < 40;
    if ((row % step !== 0 && row !== pointed) || (is_near && !centred)) return;
    context.fillText(String(id), row * each + (centred ? bar(each) / 2 : 0), 13);
  });
}

function niceStep(least) {
  for (let scale = 1; ; scale *= 10) for (const step of [1, 2, 5]) if (step * scale >= least) return step * scale;
}
