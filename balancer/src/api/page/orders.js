// What people may order, what exactly happens then, and how it is said to the balancer.

import { make } from "./dom.js";
import { openDialog } from "./dialog.js";
import { bytes, count, duration, inStates, moves } from "./words.js";

let current;

/** Remembers the view by which orders explain what they do. */
export function ordersKnow(view) {
  current = view;
}

/** Opens the dialog of an order. */
export function ask(order, opener) {
  openDialog(order, opener, current);
}

const MODE_SAYS = {
  observe: "The mode is observe, so the plan is only shown; nothing is changed until the mode is another one.",
  approve: "The mode is approve, so the plan waits for approval.",
  auto: "The mode is auto, so the plan is carried out at once.",
};

const modeSays = () => MODE_SAYS[current.state.mode] ?? `The mode is ${current.state.mode}.`;

/** Executes the plan that waits. */
export function approve() {
  const { plan } = current;
  const copies = plan.copies > 0;
  return {
    path: "v1/approve",
    body: { plan: plan.id },
    title: `Approve plan ${plan.id}?`,
    confirm: `Approve plan ${plan.id}`,
    says: [
      `Kafka is told to make ${moves(plan)}, in the plan’s order and within the limits on moves at a time.`,
      copies
        ? `${bytes(plan.bytes)} are copied between brokers, under throttles that leave producers and consumers what they need${plan.expected_seconds > 0 ? `; that takes at least ${duration(plan.expected_seconds * 1000)}` : ""}.`
        : "Nothing is copied; clients of these partitions go on with the new leader.",
      "A move that no longer helps when its turn comes is left out. It can be paused and stopped at any time.",
    ],
  };
}

/** Starts no further move. */
export function pause() {
  const { plan } = current;
  return {
    path: "v1/pause",
    title: `Pause plan ${plan.id}?`,
    confirm: `Pause plan ${plan.id}`,
    says: [
      `${inProgress(plan)} on to the end.`,
      `${count(inStates(plan, "pending"), "move has", "moves have")} not started and ${inStates(plan, "pending") === 1 ? "does" : "do"} not until somebody resumes the plan, also after a restart of the balancer.`,
    ],
  };
}

/** Goes on with the plan that is paused. */
export function resume() {
  const { plan } = current;
  return {
    path: "v1/resume",
    title: `Resume plan ${plan.id}?`,
    confirm: `Resume plan ${plan.id}`,
    says: [`The plan goes on: ${count(inStates(plan, "pending"), "move is", "moves are")} to come. Those that no longer help are left out.`],
  };
}

/** Stops the plan, so that what is in flight is finished. */
export function stop() {
  const { plan } = current;
  const waits = plan.standing === "waiting";
  return {
    path: "v1/stop",
    body: { at_once: false },
    title: `Stop plan ${plan.id}?`,
    confirm: `Stop plan ${plan.id}`,
    danger: true,
    says: [
      waits ? "The plan is dropped. It has changed nothing." : `${inProgress(plan)} on to the end; ${count(inStates(plan, "pending"), "move", "moves")} that ${inStates(plan, "pending") === 1 ? "has" : "have"} not started never will.`,
      !waits && "What is done stays as it is.",
      "The mode becomes observe: nothing is changed any more until somebody chooses another mode.",
    ],
  };
}

/** Stops the plan, so that what is in flight is taken back. */
export function stopNow() {
  const { plan } = current;
  return {
    path: "v1/stop",
    body: { at_once: true },
    title: `Stop plan ${plan.id} now?`,
    confirm: `Stop plan ${plan.id} now`,
    danger: true,
    says: [
      `${count(inStates(plan, "in_progress"), "move", "moves")} in progress ${inStates(plan, "in_progress") === 1 ? "is" : "are"} cancelled: replicas go back to where they were, and what was copied for them is thrown away.`,
      "Moves that are done stay as they are; no other starts.",
      "The mode becomes observe: nothing is changed any more until somebody chooses another mode.",
    ],
  };
}

const inProgress = (plan) => {
  const number = inStates(plan, "in_progress", "reverting");
  return `${count(number, "move", "moves")} in progress ${number === 1 ? "goes" : "go"}`;
};

/** Plans now. */
export const rebalance = () => ({
  path: "v1/rebalance",
  title: "Make a plan for a better balance?",
  confirm: "Make a plan",
  says: ["A plan is made with the next look, although nothing may be hot.", modeSays()],
});

/** Goes into another mode. */
export function mode() {
  const now = current.state.mode;
  const option = ([name, what]) =>
    make(
      "label",
      { class: "choice" },
      make("input", { type: "radio", name: "mode", value: name, checked: name === now }),
      make("span", {}, make("strong", { text: name === now ? `${name} (now)` : name }), ` ${what}`),
    );
  return {
    path: "v1/mode",
    title: "Change the mode?",
    confirm: "Change the mode",
    says: ["The mode outlives restarts and stands before the one of the configuration file."],
    fields: () => [
      make(
        "fieldset",
        {},
        make("legend", { text: "The balancer" }),
        ...[
          ["observe", "says what it would do and changes nothing. A plan that is being executed is stopped, one that waits is dropped."],
          ["approve", "makes plans and carries out those that somebody approves."],
          ["auto", "makes plans and carries them out by itself."],
        ].map(option),
      ),
    ],
    read: (form) => ({ mode: form.elements.mode.value }),
  };
}

/** Empties brokers. */
export const drain = (brokers) => ({
  path: "v1/drain",
  title: brokers ? `Drain broker ${brokers.join(", ")}?` : "Drain brokers?",
  confirm: brokers ? `Drain broker ${brokers.join(", ")}` : "Drain",
  danger: true,
  says: [
    brokers ? "All replicas of this broker are moved to others, and it gets none until it is undrained." : "All replicas of these brokers are moved to others, and they get none until they are undrained.",
    modeSays(),
    "The order is remembered in every mode and across restarts. No broker is stopped.",
  ],
  fields: brokers ? undefined : () => [brokerField()],
  read: (form) => ({ brokers: brokers ?? numbers(form) }),
});

/** Lets brokers take load again. */
export const undrain = (brokers) => ({
  path: "v1/undrain",
  title: brokers ? `Undrain broker ${brokers.join(", ")}?` : "Undrain brokers?",
  confirm: brokers ? `Undrain broker ${brokers.join(", ")}` : "Undrain",
  says: [
    `${brokers ? "This broker" : "These brokers"} may take load again. Moves off it that are in progress go on; what was moved away does not come back by itself.`,
    modeSays(),
  ],
  fields: brokers ? undefined : () => [brokerField()],
  read: (form) => ({ brokers: brokers ?? numbers(form) }),
});

function brokerField() {
  const input = make("input", { name: "brokers", type: "text", inputmode: "numeric", autocomplete: "off", placeholder: "such as 3, 4" });
  return make("label", { class: "field" }, "Numbers of the brokers ", input);
}

function numbers(form) {
  const field = form.elements.brokers;
  const problem = (text) => Object.assign(new Error(text), { field });
  const words = field.value.split(/[\s,]+/).filter(Boolean);
  if (words.length === 0) throw problem("Say which brokers, such as 3, 4.");
  const wrong = words.find((word) => !/^\d{1,10}$/.test(word));
  if (wrong) throw problem(`“${wrong}” is no number of a broker. Write numbers with commas between them, such as 3, 4.`);
  return words.map(Number);
}
