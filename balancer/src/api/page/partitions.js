// The busiest partitions, asked for when somebody looks.

import { byId, keep, make, say } from "./dom.js";
import { bytes, clock, partition, rate } from "./words.js";

const EVERY_MS = 10_000;
/** Typing is over when no key has come for so long. */
const TYPING_MS = 300;

let asked = 0;

/** Asks now, from time to time, and when the filters change. */
export function makePartitions() {
  let typing;
  byId("partition-filters").addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(look, TYPING_MS);
  });
  byId("partition-filters").addEventListener("submit", (event) => {
    event.preventDefault();
    look();
  });
  setInterval(() => document.visibilityState === "visible" && look(), EVERY_MS);
  look();
}

/** Asks the balancer; of several questions at a time only the last one's answer counts. */
export async function look() {
  const query = new URLSearchParams({ limit: byId("partition-limit").value });
  const topic = byId("partition-topic").value.trim();
  const leader = byId("partition-leader").value.trim();
  if (topic) query.set("topic", topic);
  if (leader) query.set("leader", leader);
  const own = ++asked;
  try {
    const answer = await fetch(`v1/partitions?${query}`, { cache: "no-store" });
    const body = await answer.json();
    if (own !== asked) return;
    if (!answer.ok) return say(byId("partitions-note"), `The balancer refuses: ${body.error}`);
    list(body, topic || leader);
  } catch {
    if (own === asked) say(byId("partitions-note"), "The balancer does not answer; what is shown is old.");
  }
}

function list(rows, filtered) {
  const none = filtered ? "None of the listed partitions is so; the topic’s name has to be complete." : "There are no partitions.";
  say(byId("partitions-note"), rows.length ? `As of ${clock(Date.now())}.` : none);
  keep(byId("partition-rows"), rows, partition, create, fill);
  const topics = [...new Set(rows.map((row) => row.topic))];
  if (!filtered) keep(byId("topic-names"), topics, (topic) => topic, (topic) => make("option", { value: topic }), () => {});
}

function create() {
  return make(
    "tr",
    {},
    make("th", { scope: "row", class: "mono" }),
    make("td", { class: "num" }),
    make("td", { class: "num" }),
    make("td", { class: "num" }),
    make("td", { class: "num wide" }),
    make("td", { class: "mono quiet wide" }),
  );
}

function fill(element, row) {
  const [name, leader, bytesIn, bytesOut, disk, replicas] = element.children;
  say(name, partition(row));
  say(leader, row.leader === null ? "none" : String(row.leader));
  say(bytesIn, rate(row.bytes_in));
  say(bytesOut, rate(row.bytes_out));
  say(disk, bytes(row.disk));
  say(replicas, row.replicas.join(","));
}
