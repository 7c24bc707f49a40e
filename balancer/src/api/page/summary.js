// What is going on, in one sentence with its figures, and the buttons that steer it.

import { byId, facts, keep, make, say, show } from "./dom.js";
import { approve, ask, drain, mode, pause, rebalance, resume, stop, stopNow, undrain } from "./orders.js";
import { progress } from "./plan.js";
import { RESOURCES, brief, bytes, clock, count, duration, moment, moves, partition, percent, purpose, ratio, resource, sentence, worst } from "./words.js";

const PHASES = {
  starting: "Starting",
  watching: "Watching",
  waiting: "Waiting for approval",
  executing: "Executing",
  paused: "Paused",
  stopping: "Stopping",
  fenced: "Taken over",
};

/** Buttons in their order: id, label by view, where they are offered, what they order. */
const STEERING = [
  ["approve", ({ plan }) => `Approve plan ${plan.id}…`, ({ plan }) => plan?.standing === "waiting", approve, "primary"],
  ["resume", () => "Resume…", ({ plan }) => plan?.standing === "paused", resume, "primary"],
  ["pause", () => "Pause…", ({ plan }) => plan?.standing === "executing", pause, ""],
  ["stop", () => "Stop…", ({ plan }) => ["waiting", "executing", "paused"].includes(plan?.standing), stop, ""],
  ["stop-now", () => "Stop now…", ({ plan }) => ["executing", "paused", "stopping"].includes(plan?.standing), stopNow, "danger"],
];
const ORDERING = [
  ["order-mode", "Mode…", mode],
  ["order-rebalance", "Rebalance…", rebalance],
  ["order-drain", "Drain…", drain],
  ["order-undrain", "Undrain…", undrain],
];

let shown;

/** Makes the buttons once; they are shown and hidden as they are of use. */
export function makeSummary() {
  for (const [id, , , order, look] of STEERING) {
    byId("steering").append(make("button", { id, type: "button", class: look, hidden: true, onclick: (event) => ask(order(), event.currentTarget) }));
  }
  for (const [id, label, order] of ORDERING) {
    byId("ordering").append(make("button", { id, type: "button", class: "quiet-button", hidden: true, text: label, onclick: (event) => ask(order(), event.currentTarget) }));
  }
}

/** Shows what a view is about. */
export function showSummary(view) {
  shown = view;
  const { state, plan } = view;
  document.body.dataset.phase = state.phase;
  document.body.dataset.hot = state.hot_brokers > 0 ? "yes" : "no";
  say(byId("cluster"), state.cluster_id || "not known yet");
  say(byId("version"), `kafka-balancer ${state.version}. `);
  say(byId("phase"), PHASES[state.phase] ?? state.phase);
  show(byId("mode"), !["starting", "fenced"].includes(state.phase));
  say(byId("mode"), `mode ${state.mode}`);
  say(byId("sentence"), headline(view));
  say(byId("detail"), detail(view));
  showProgress(plan);
  for (const [id, label, offered] of STEERING) {
    const is_offered = state.phase !== "fenced" && plan?.id && offered(view);
    show(byId(id), Boolean(is_offered));
    if (is_offered) say(byId(id), label(view));
  }
  for (const [id] of ORDERING) {
    const of_use = id !== "order-undrain" || state.draining.length > 0;
    show(byId(id), of_use && !["starting", "fenced"].includes(state.phase));
  }
  facts(byId("figures"), figures(view));
  showProblems(state, view.left_out);
  document.title = `${title(view)} – Kafka balancer`;
}

function title({ state, hot_partitions: [hot] }) {
  if (state.hot_brokers === 0) return PHASES[state.phase] ?? state.phase;
  return `▲ ${hot ? brief(partition(hot)) : count(state.hot_brokers, "hot broker")} · ${PHASES[state.phase] ?? state.phase}`;
}

/** The sentence is the same for as long as nothing else happens, since it is read aloud when it changes. */
function headline({ state, plan, hot_partitions, hot_brokers }) {
  switch (state.phase) {
    case "starting":
      return state.problems.length ? "The cluster cannot be seen yet." : "The balancer looks at the cluster for the first time.";
    case "fenced":
      return "Another balancer has taken over this cluster; this one only watches.";
    default:
  }
  if (state.brokers === 0) return "The cluster has no live brokers.";
  const heat = hot(hot_partitions, hot_brokers);
  const standing = plan?.id ? {
    waiting: `Plan ${plan.id} waits for approval.`,
    executing: `Plan ${plan.id} is being executed.`,
    paused: `Plan ${plan.id} is paused.`,
    stopping: `Plan ${plan.id} is being stopped.`,
  }[plan.standing] : "";
  if (standing) return heat ? `${heat} ${standing}` : `${standing.slice(0, -1)}: ${purpose(plan.purpose)[0].toLowerCase()}${purpose(plan.purpose).slice(1)}.`;
  if (plan) return `${heat || "Nothing is hot."} Mode observe: a plan is suggested, nothing is changed.`;
  return heat || "Nothing is hot.";
}

function hot([first, ...others], [broker, ...more]) {
  if (first) {
    const rest = others.length ? ` ${count(others.length, "more partition")} ${others.length === 1 ? "is" : "are"} hot.` : "";
    return `${brief(partition(first))} makes broker ${first.broker} hot.${rest}`;
  }
  if (!broker) return "";
  const rest = more.length ? `, and ${more.length} more` : "";
  return `Broker ${broker.broker} is hot in ${resource(broker.resource)}${rest}.`;
}

function detail(view) {
  const { state, plan, hot_partitions: [first] } = view;
  switch (state.phase) {
    case "starting":
      return state.problems.length ? "It tries again with every look; what is wrong is below." : "The first figures come within two looks, some seconds from now.";
    case "fenced":
      return "Open the page of the one that acts. This one makes no changes; end it when it is not needed.";
    default:
  }
  const said = [first && `It takes ${first.share === null ? "" : `${percent(first.share)} of broker ${first.broker}’s `}${resource(first.resource)}.`];
  if (plan) {
    const [name, before, after] = worst(plan.imbalance_before, plan.imbalance_after);
    const copies = plan.bytes > 0 ? `, ${bytes(plan.bytes)} to copy` : ", nothing to copy";
    const time = plan.expected_seconds > 0 && plan.standing !== "executing" ? `, at least ${duration(plan.expected_seconds * 1000)}` : "";
    said.push(`${sentence(moves(plan)).slice(0, -1)}${copies}${time}; imbalance of ${resource(name)} ${ratio(before)} → ${ratio(after)}.`);
  } else if (state.hot_brokers > 0) {
    said.push(state.mode === "observe" ? "No plan is suggested yet." : "A plan is made as soon as one helps.");
  } else {
    said.push(`${count(state.brokers, "broker")} carry ${count(state.partitions, "partition")} evenly enough; the balancer looks again every few seconds.`);
  }
  if (state.draining.length) {
    const more = view.left_out.draining;
    said.push(`Being emptied: ${count(state.draining.length + more, "broker")} (${state.draining.join(", ")}${more ? ", …" : ""}).`);
  }
  for (const order of state.replicating.slice(0, 3)) {
    said.push(`Topic ${order.topic} is to have ${order.replicas} replicas: ${count(order.partitions_left, "partition")} to go.`);
  }
  const opening = state.maintenance?.next_opening_ms;
  if (opening) said.push(`Copies wait for the maintenance window that opens at ${moment(opening)}.`);
  return said.filter(Boolean).join(" ");
}

function showProgress(plan) {
  const runs = plan?.id && plan.standing !== "waiting";
  show(byId("progress"), Boolean(runs));
  if (!runs) return;
  const { part, text } = progress(plan);
  byId("progress-bar").value = part;
  say(byId("progress-text"), text);
}

function figures({ state }) {
  if (state.phase === "starting") return [];
  const [name] = worst(state.imbalance);
  const others = RESOURCES.filter(([other]) => state.imbalance[other] > 0).map(([other]) => `${resource(other)} ${ratio(state.imbalance[other])}`);
  return [
    ["Brokers", state.brokers.toLocaleString("en"), state.hot_brokers ? `▲ ${state.hot_brokers} hot` : "none hot"],
    ["Partitions", state.partitions.toLocaleString("en"), state.hot_partitions ? `▲ ${state.hot_partitions} hot` : "none hot"],
    ["Imbalance", ratio(state.worst_imbalance), name ? others.join(" · ") : ""],
  ];
}

function showProblems(state, more) {
  const lines = state.problems.map((problem) => sentence(problem));
  if (more.problems > 0) lines.push(`And ${count(more.problems, "more problem")}.`);
  show(byId("problems"), lines.length > 0);
  keep(byId("problem-list"), lines, (line) => line, (line) => make("li", { text: line }), () => {});
}

/** Shows how fresh the page is, by the balancer's clock `now`. What is read aloud does not change with every second. */
export function showLink({ link, since, why }, now) {
  document.body.dataset.link = link;
  const at = since ? clock(since) : "";
  const short = {
    connecting: "Connecting…",
    live: "Live",
    stale: `No news since ${at}`,
    lost: "Connection lost",
    refused: "Refused",
  }[link];
  say(byId("link"), short);
  const looked = shown?.state.ticked_at_ms;
  byId("link").title = looked ? `The balancer looked ${duration(now - looked)} ago, at ${clock(looked)}.` : "";
  const notice = {
    stale: `The balancer has sent nothing since ${at}; what is shown here is of then.`,
    lost: since ? `The connection to the balancer is lost; what is shown here is of ${at}. Trying again…` : "The balancer cannot be reached. Trying again…",
    refused: `The balancer refuses to send news to this page${since ? `, which shows what was at ${at}` : ""}: ${sentence(why ?? "")}`,
  }[link];
  show(byId("stale"), Boolean(notice));
  if (notice) say(byId("stale"), notice);
}
