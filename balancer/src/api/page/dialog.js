// The dialog that says what an order does, asks for the token, and shows what came of it.

import { byId, make, say, show } from "./dom.js";
import { clock } from "./words.js";

/** The token, for as long as the page is open. It is written nowhere else. */
let token = "";
let order;
let opener;
let running = false;

/** Sets the dialog up. */
export function makeDialog() {
  byId("dialog-form").addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  byId("dialog-cancel").addEventListener("click", () => byId("dialog").close());
  byId("dialog").addEventListener("close", () => {
    byId("dialog-token").value = "";
    order = undefined;
    const back = opener?.isConnected && !opener.hidden ? opener : byId("sentence");
    back.focus();
  });
}

/** Opens the dialog of an order; the focus goes back to `from` when it is closed. */
export function openDialog(asked, from, view) {
  order = asked;
  opener = from;
  running = false;
  say(byId("dialog-title"), asked.title);
  const says = asked.says.filter(Boolean);
  if (document.body.dataset.link !== "live") {
    says.unshift(`What is shown is of ${clock(view.state.ticked_at_ms)} and may have changed since.`);
  }
  byId("dialog-says").replaceChildren(...says.map((text) => make("li", { text })));
  byId("dialog-fields").replaceChildren(...(asked.fields?.() ?? []));
  byId("dialog-token").value = token;
  say(byId("dialog-error"), "");
  say(byId("dialog-answer"), "");
  say(byId("dialog-confirm"), asked.confirm);
  say(byId("dialog-cancel"), "Cancel");
  byId("dialog-confirm").className = asked.danger ? "danger" : "primary";
  shown(true);
  byId("dialog").showModal();
  const fields = byId("dialog-fields");
  const first = fields.querySelector(":checked") ?? fields.querySelector("input");
  (first ?? (token ? byId("dialog-confirm") : byId("dialog-token"))).focus();
}

/** Whether there is still something to fill in. */
function shown(open) {
  for (const id of ["dialog-says", "dialog-fields", "dialog-token-label", "dialog-token-note", "dialog-confirm"]) byId(id).hidden = !open;
}

async function send() {
  if (running || !order) return;
  const own = order;
  say(byId("dialog-error"), "");
  let request;
  try {
    request = prepare(own);
  } catch (problem) {
    return complain(problem.message, problem.field);
  }
  running = true;
  byId("dialog-confirm").setAttribute("aria-disabled", "true");
  say(byId("dialog-confirm"), "Asking…");
  const answer = await post(own.path, request);
  running = false;
  byId("dialog-confirm").removeAttribute("aria-disabled");
  say(byId("dialog-confirm"), own.confirm);
  if (order !== own) return;
  if (answer.error) {
    if (answer.status === 401) token = "";
    return complain(answer.error, answer.status === 401 && byId("dialog-token"));
  }
  shown(false);
  say(byId("dialog-answer"), answer.message);
  say(byId("dialog-cancel"), "Close");
  byId("dialog-cancel").focus();
}

function prepare(own) {
  const given = byId("dialog-token").value.trim();
  const wrong = (text) => Object.assign(new Error(text), { field: byId("dialog-token") });
  if (given === "") throw wrong("Type the token: the content of the file that token_file names in the balancer’s configuration.");
  if (!/^[\x21-\x7e]+$/.test(given)) throw wrong("This is no token: it has letters or spaces that no request can carry. Copy the file’s content as it is.");
  const body = own.read ? own.read(byId("dialog-form")) : own.body;
  token = given;
  return body;
}

/** Says what is wrong, and goes to the field where it can be put right. */
function complain(text, field) {
  say(byId("dialog-error"), text);
  if (!field) return;
  field.focus();
  field.select();
}

/** Sends an order; answers `{ message }`, or `{ error, status }` with cause and cure. */
async function post(path, body) {
  let answer;
  try {
    answer = await fetch(path, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, ...(body && { "content-type": "application/json" }) },
      body: body && JSON.stringify(body),
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
    });
  } catch {
    return { error: "The balancer did not answer, so it may have taken the order or not. See what the page says once it is connected again, before you send it a second time." };
  }
  const said = await answer.json().catch(() => ({}));
  if (answer.ok) return { message: said.message ?? "Done." };
  return { error: said.error ? `${capital(said.error)}${cure(answer.status)}` : `The balancer answered with status ${answer.status} and nothing else; its log says why.`, status: answer.status };
}

const capital = (text) => `${text[0].toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;

function cure(status) {
  if (status === 401) return " Type the token anew.";
  return status === 409 ? " Close this and look what the page says now." : "";
}
