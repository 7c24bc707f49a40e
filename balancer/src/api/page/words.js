// Figures and states as people read them. Rates are in bytes per second, times in milliseconds.

/** Resources in the order of the columns: name in the API, name for people. */
export const RESOURCES = [
  ["bytes_in", "Bytes in"],
  ["bytes_out", "Bytes out"],
  ["cpu", "CPU"],
  ["disk", "Disk"],
];

const NAMES = new Map(RESOURCES);

/** A resource's name within a sentence. */
export const resource = (name) => {
  const word = NAMES.get(name) ?? name;
  return name === "cpu" ? word : word.toLowerCase();
};

const SCALES = [
  ["T", 1e12],
  ["G", 1e9],
  ["M", 1e6],
  ["k", 1e3],
];

/** An amount of bytes, such as `1.2 GB`. */
export function bytes(figure, unit = "B") {
  if (!Number.isFinite(figure)) return "?";
  const [prefix, scale] = SCALES.find(([, scale]) => figure >= scale * 0.9995) ?? ["", 1];
  const scaled = figure / scale;
  return `${scale === 1 ? Math.round(scaled) : scaled.toFixed(scaled < 99.95 ? 1 : 0)} ${prefix}${unit}`;
}

/** A rate, such as `1.2 MB/s`. */
export const rate = (figure) => bytes(figure, "B/s");

/** An amount of a resource with its unit. */
export function amount(name, figure) {
  if (name === "cpu") return `${figure.toFixed(2)} cores`;
  return name === "disk" ? bytes(figure) : rate(figure);
}

/** A part of a whole in percent. */
export function percent(part) {
  if (!Number.isFinite(part)) return "?";
  const value = part * 100;
  return `${value > 0 && value < 9.95 ? value.toFixed(1) : value.toFixed(0)} %`;
}

/** An imbalance, such as `1.08`. */
export const ratio = (figure) => (Number.isFinite(figure) ? figure.toFixed(2) : "?");

/** How long something takes or has lasted, such as `2 min 5 s`. */
export function duration(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return seconds % 60 ? `${minutes} min ${seconds % 60} s` : `${minutes} min`;
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return `${Math.floor(hours / 24)} days`;
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const DAY = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });

/** A time of day here. */
export const clock = (milliseconds) => CLOCK.format(milliseconds);

/** A time of day here, with the date when it is not today's. */
export function moment(milliseconds) {
  const is_today = new Date(milliseconds).toDateString() === new Date().toDateString();
  return is_today ? clock(milliseconds) : `${DAY.format(milliseconds)}, ${clock(milliseconds)}`;
}

/** A count with its noun, such as `1 move` or `3 moves`. */
export const count = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

/** The list as a sentence has it, without what is empty. */
export function all(parts) {
  const said = parts.filter(Boolean);
  return said.length < 2 ? said.join("") : `${said.slice(0, -1).join(", ")} and ${said.at(-1)}`;
}

/** A sentence of the API with a capital and a full stop. */
export function sentence(text) {
  if (!text) return "";
  const read = text.replace(/\bof (its )?bytes_(in|out)\b/g, "of $1bytes $2");
  const begun = read[0].toUpperCase() + read.slice(1);
  return /[.!?…]$/.test(begun) ? begun : `${begun}.`;
}

/** The beginning and the end of a name that is too long for a sentence. */
export const brief = (name) => (name.length > 64 ? `${name.slice(0, 40)}…${name.slice(-20)}` : name);

/** A partition as Kafka's tools write it. */
export const partition = (row) => `${row.topic}-${row.partition}`;

const CAUSES = {
  hot_partition: "hot partition",
  hot_topic: "hot topic",
  too_many_leaders: "too many leaders",
  small_broker: "small broker",
  skewed_keys: "skewed keys",
  too_much: "too much load",
};

/** A cause in two words. */
export const cause = (name) => CAUSES[name] ?? name.replaceAll("_", " ");

const VERDICTS = {
  lead_elsewhere: "Lead elsewhere",
  move: "Move",
  swap: "Swap",
  isolate: "Isolate",
  split: "Split",
};

/** What helps, in two words. */
export const verdict = (name) => VERDICTS[name] ?? name.replaceAll("_", " ");

const MOVE_STATES = { pending: "to come", in_progress: "in progress", reverting: "going back" };

/** Where a move is, or how it ended. */
export const moveState = (name) => MOVE_STATES[name] ?? name.replaceAll("_", " ");

/** What a plan is for. */
export function purpose(text) {
  const [word, rest] = [text.split(" ", 1)[0], text.slice(text.indexOf(" ") + 1)];
  const brokers = /[,…]/.test(rest) ? `brokers ${rest.replaceAll(",", ", ")}` : `broker ${rest}`;
  switch (word) {
    case "cool":
      return "Cools what is hot";
    case "rebalance":
      return "Evens the load out";
    case "drain":
      return `Empties ${brokers}`;
    case "fill":
      return `Brings load to ${brokers}`;
    case "replicate":
      return `Gives topics another number of replicas: ${rest}`;
    default:
      return sentence(text);
  }
}

/** What a plan's moves are, such as `2 changes of leader and 1 copy`. */
export const moves = (plan) =>
  all([
    plan.leadership_changes > 0 && count(plan.leadership_changes, "change of leader", "changes of leader"),
    plan.copies > 0 && count(plan.copies, "copy", "copies"),
    plan.removals > 0 && count(plan.removals, "removal of replicas", "removals of replicas"),
  ]) || "no moves";

/** How many moves of a plan are in these states. */
export const inStates = (plan, ...names) => names.reduce((sum, name) => sum + (plan.states[name] ?? 0), 0);

/** The resource in which the imbalance was greatest: its name, before, after. */
export function worst(before, after) {
  const [name] = RESOURCES.map(([name]) => name).sort((a, b) => (before[b] ?? 0) - (before[a] ?? 0));
  return [name, before[name], after?.[name]];
}
