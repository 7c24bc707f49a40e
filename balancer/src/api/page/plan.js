// The plan: what it does, why, what it costs, and how far it is.

import { byId, facts, keep, make, say, show } from "./dom.js";
import { bar, fill } from "./hot.js";
import { RESOURCES, bytes, count, duration, inStates, moment, moveState, moves, partition, purpose, rate, ratio, resource, sentence } from "./words.js";

/** Samples of how much has been copied, of the plan that is shown, from which the time left is estimated. */
let copied = { plan: undefined, samples: [] };
const SAMPLE_MS = 30_000;

const STANDINGS = {
  suggested: "is suggested; nothing is changed in mode observe",
  waiting: "waits for approval",
  executing: "is being executed",
  paused: "is paused",
  stopping: "is being stopped",
};

/** Shows the plan of a view. */
export function showPlan(view) {
  const { plan, state } = view;
  sample(plan, state.ticked_at_ms);
  show(byId("plan-none"), !plan);
  show(byId("plan-body"), Boolean(plan));
  say(byId("plan-title"), plan?.id ? `Plan ${plan.id}` : "Plan");
  if (!plan) {
    const waits = state.phase === "starting" ? "Not known yet." : "There is no plan: nothing needs to be moved.";
    return say(byId("plan-none"), waits);
  }
  const made = plan.planned_at_ms ? ` It was made at ${moment(plan.planned_at_ms)}.` : "";
  say(byId("plan-purpose"), `${purpose(plan.purpose)}. It ${STANDINGS[plan.standing] ?? plan.standing}.${made}`);
  facts(byId("plan-facts"), figures(plan));
  keep(byId("moves"), plan.moves, partition, moveRow, updateMove);
  const more = plan.copies + plan.leadership_changes + plan.removals - plan.moves.length;
  show(byId("moves-more"), more > 0);
  say(byId("moves-more"), `and ${count(more, "more move")}, which \`kafka-balancer plan\` lists`);
  show(byId("unsolved"), plan.unsolved.length > 0);
  const lines = [...plan.unsolved, plan.unsolved_left_out > 0 && `and ${plan.unsolved_left_out} more`].filter(Boolean);
  keep(byId("unsolved-list"), lines, (line) => line, (line) => make("li", { text: line }), () => {});
}

function figures(plan) {
  const course = ([name]) => {
    const [before, after] = [plan.imbalance_before[name], plan.imbalance_after[name]];
    return `${resource(name)} ${ratio(before)} → ${ratio(after)}`;
  };
  const [first, ...others] = [...RESOURCES].sort((a, b) => plan.imbalance_before[b[0]] - plan.imbalance_before[a[0]]);
  const least = plan.bytes > 0 ? `no plan reaches this balance with less than ${bytes(plan.bytes_lower_bound)}` : "";
  const { throttle } = plan;
  const range = throttle && (throttle.least === throttle.greatest ? rate(throttle.least) : `${rate(throttle.least)} to ${rate(throttle.greatest)}`);
  return [
    ["Moves", String(plan.copies + plan.leadership_changes + plan.removals), moves(plan)],
    ["To copy", plan.bytes > 0 ? bytes(plan.bytes) : "nothing", least],
    ["Expected time", expected(plan), plan.bytes > 0 ? "of the copies, at the throttle that is foreseen" : "leaders change at once"],
    ["Imbalance", course(first), others.map(course).join(", ")],
    ["Throttle", range, throttle && `in force on ${count(throttle.brokers, "broker")}`],
  ];
}

function expected(plan) {
  return plan.expected_seconds > 0 ? `at least ${duration(plan.expected_seconds * 1000)}` : "seconds";
}

function sample(plan, at) {
  if (plan?.id !== copied.plan) copied = { plan: plan?.id, samples: [] };
  if (!plan || copied.samples.at(-1)?.at === at) return;
  copied.samples.push({ at, bytes: plan.bytes_done });
  copied.samples = copied.samples.filter((one) => at - one.at <= SAMPLE_MS);
}

/** How far a plan is: a part of the whole, and a sentence. */
export function progress(plan) {
  const all = plan.copies + plan.leadership_changes + plan.removals;
  const over = all - inStates(plan, "pending", "in_progress", "reverting");
  const whole = plan.bytes_done + plan.bytes_left;
  const part = plan.bytes > 0 && whole > 0 ? plan.bytes_done / whole : over / Math.max(1, all);
  const said = [
    `${over} of ${count(all, "move")} over`,
    plan.bytes > 0 && `${bytes(plan.bytes_done)} of ${bytes(plan.bytes_done + plan.bytes_left)} copied`,
    inStates(plan, "in_progress") > 0 && `${inStates(plan, "in_progress")} in progress`,
    left(plan),
    plan.throttle && `throttle ${rate(plan.throttle.least)}${plan.throttle.least < plan.throttle.greatest ? ` to ${rate(plan.throttle.greatest)}` : ""}`,
  ];
  return { part, text: said.filter(Boolean).join(" · ") };
}

function left(plan) {
  if (plan.bytes_left <= 0 || plan.standing === "paused") return "";
  const [first, last] = [copied.samples[0], copied.samples.at(-1)];
  const speed = first && last.at - first.at >= 4000 ? (last.bytes - first.bytes) / (last.at - first.at) : 0;
  if (speed > 0) return `about ${duration(plan.bytes_left / speed)} left`;
  return plan.expected_seconds > 0 ? `at least ${duration(plan.expected_seconds * 1000)} left` : "";
}

function moveRow(move) {
  return make(
    "tr",
    {},
    make("th", { scope: "row", class: "mono", text: partition(move) }),
    make("td", { "data-label": "Change" }, make("span"), make("span", { class: "replicas mono quiet" })),
    make("td", { "data-label": "Why" }),
    make("td", { "data-label": "Copied", class: "num" }, make("span"), bar()),
    make("td", { "data-label": "State" }, make("span", { class: "chip" })),
  );
}

function updateMove(row, move) {
  const [, change, why, done, state] = row.children;
  say(change.children[0], changed(move));
  say(change.children[1], `${move.from.join(",")} → ${move.to.join(",")}`);
  say(why, sentence(move.reason));
  const copies = move.to.some((id) => !move.from.includes(id));
  say(done.children[0], copies ? (move.bytes_done > 0 ? `${bytes(move.bytes_done)} of ${bytes(move.bytes)}` : bytes(move.bytes)) : "nothing");
  show(done.children[1], copies && move.state === "in_progress");
  fill(done.children[1], move.bytes_done / Math.max(1, move.bytes));
  say(state.children[0], moveState(move.state));
  row.dataset.state = move.state;
}

/** What changes, in few words: `leader 0 → 1`, `replica 3 → 5`. */
function changed(move) {
  const gone = move.from.filter((id) => !move.to.includes(id));
  const come = move.to.filter((id) => !move.from.includes(id));
  const said = [];
  if (come.length && gone.length) said.push(`replica ${gone.join(", ")} → ${come.join(", ")}`);
  else if (come.length) said.push(`replica on ${come.join(", ")} comes`);
  else if (gone.length) said.push(`replica on ${gone.join(", ")} goes`);
  if (move.from[0] !== move.to[0]) said.push(`leader ${move.from[0]} → ${move.to[0]}`);
  return said.join(", ");
}
