// Plans that are over.

import { byId, keep, make, say, show } from "./dom.js";
import { RESOURCES, bytes, moment, moveState, purpose, ratio, resource } from "./words.js";

/** Shows the history of a view. */
export function showHistory({ history, state }) {
  show(byId("history-none"), history.length === 0);
  say(byId("history-none"), state.phase === "starting" ? "Not known yet." : "No plan has been carried out yet.");
  show(byId("history-table"), history.length > 0);
  keep(byId("history-rows"), history, (plan) => plan.id, row, update);
}

function row() {
  return make(
    "tr",
    {},
    make("th", { scope: "row", class: "num" }),
    make("td", { "data-label": "For" }),
    make("td", { "data-label": "Ended" }),
    make("td", { "data-label": "Done", class: "num" }),
    make("td", { "data-label": "Copied", class: "num" }, make("span"), make("span", { class: "quiet block" })),
    make("td", { "data-label": "Imbalance" }, make("span", { class: "courses" })),
    make("td", { "data-label": "Moves ended" }),
  );
}

function update(element, plan) {
  const [id, what, ended, done, copied, imbalance, outcomes] = element.children;
  say(id, String(plan.id));
  say(what, purpose(plan.purpose));
  say(ended, moment(plan.ended_at_ms));
  say(done, `${plan.moves_done} of ${plan.moves}`);
  say(copied.children[0], plan.bytes > 0 ? bytes(plan.bytes) : "nothing");
  say(copied.children[1], plan.bytes > 0 ? `at least ${bytes(plan.bytes_lower_bound)}` : "");
  const shown = RESOURCES.filter(([name]) => Math.max(plan.imbalance_before[name], plan.imbalance_foreseen[name]) > 0);
  keep(imbalance.children[0], shown, ([name]) => name, () => make("span", { class: "course" }, make("span", { class: "quiet" }), " ", make("span")), (one, [name]) => {
    const measured = plan.imbalance_measured ? ratio(plan.imbalance_measured[name]) : "?";
    say(one.firstChild, resource(name));
    say(one.lastChild, `${ratio(plan.imbalance_before[name])} → ${ratio(plan.imbalance_foreseen[name])} → ${measured}`);
  });
  say(outcomes, Object.entries(plan.outcomes).map(([name, number]) => `${number} ${moveState(name)}`).join(", "));
}
