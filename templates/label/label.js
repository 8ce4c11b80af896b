// Shows one item at a time. Texts are set as text nodes alone. A label counts as kept when the server says so.
"use strict";

const KEYS = "adfghjkl";
const find = (id) => document.getElementById(id);
let labeller = localStorage.getItem("labeller") || "";
let view = null;
let busy = false;
let ranks = [];
let last = 0;
let joins = false;

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function say(text, isProblem = false) {
  find("status").textContent = text;
  find("status").classList.toggle("problem", isProblem);
}

async function call(route, body) {
  if (busy) return false;
  busy = true;
  document.body.setAttribute("aria-busy", "true");
  try {
    const options = body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
    const answer = await fetch(route, options || {});
    const value = await answer.json();
    if (!answer.ok) throw new Error(value.problem);
    view = value;
    draw();
    return true;
  } catch (error) {
    say(`Not kept: ${error.message}. Look whether the page's server still runs, then try again.`, true);
    return false;
  } finally {
    busy = false;
    document.body.removeAttribute("aria-busy");
  }
}

function load(key) {
  const query = new URLSearchParams(key ? { labeller, key } : { labeller });
  return call(`item?${query}`);
}

function draw() {
  const { item, done, total } = view;
  find("enter").hidden = true;
  find("bar").hidden = false;
  find("who").textContent = labeller;
  find("who").setAttribute("aria-label", `You are ${labeller}. Change the name`);
  find("progress").max = total || 1;
  find("progress").value = done;
  find("count").textContent = `${done} of ${total}`;
  find("work").hidden = !item;
  find("end").hidden = !!item;
  find("undo").disabled = find("undo-end").disabled = !view.before;
  document.body.dataset.key = item ? item.key : "";
  if (!item) return;
  find("prompt").replaceChildren(...item.prompt.map(turn));
  find("responses").replaceChildren(...item.responses.map(response));
  find("reasons").replaceChildren(find("reasons").firstElementChild, ...view.reasons.map(reason));
  find("reasons").hidden = !view.reasons.length;
  const pair = item.responses.length === 2;
  find("keep").hidden = pair;
  find("tie-text").textContent = pair ? "Equally good" : "Next one is as good as the last";
  find("help").textContent = pair
    ? "Press 1 or 2 for the better one, t for a tie, a letter for a reason."
    : "Press the numbers from the best to the worst, t between two that are equally good, then Enter. Backspace begins again.";
  ranks = item.ranks ? [...item.ranks] : item.responses.map(() => 0);
  last = Math.max(...ranks);
  joins = false;
  mark();
  scrollTo(0, 0);
}

function turn(message) {
  const made = element("div", `turn ${message.role}`);
  const text = element("div", "text");
  text.append(...message.parts.map(part));
  text.dir = "auto";
  made.append(element("span", "role", message.role), text);
  return made;
}

function part(found, place) {
  if (!found.picture) return document.createTextNode(place ? `\n${found.text}` : found.text);
  const made = element("img", "picture");
  made.src = found.picture;
  made.alt = `picture ${found.text}`;
  return made;
}

function response(text, place) {
  const made = element("li", "response");
  const head = element("div", "head");
  head.append(element("span", "", `Response ${place + 1}`), element("span", "rank"));
  const body = element("div", "text", text);
  body.dir = "auto";
  body.tabIndex = 0;
  body.setAttribute("role", "region");
  body.setAttribute("aria-label", `Response ${place + 1}`);
  const button = element("button");
  button.type = "button";
  button.append(element("kbd", "", String(place + 1)), ` Response ${place + 1} is better`);
  if (view.item.responses.length > 2) button.lastChild.textContent = ` Response ${place + 1} is next`;
  button.addEventListener("click", () => choose(place));
  made.append(head, body, button);
  return made;
}

function reason(text, place) {
  const made = element("label", "reason");
  const box = element("input");
  box.type = "checkbox";
  box.value = text;
  box.checked = view.item.given.includes(text);
  made.append(box, text, element("kbd", "", KEYS[place]));
  return made;
}

function mark() {
  [...find("responses").children].forEach((card, place) => {
    card.classList.toggle("ranked", ranks[place] > 0);
    card.querySelector(".rank").textContent = ranks[place] ? `rank ${ranks[place]}` : "";
  });
  find("keep").disabled = ranks.includes(0);
  find("tie").setAttribute("aria-pressed", String(joins));
}

function choose(place) {
  if (busy || !view.item || place >= view.item.responses.length) return;
  if (view.item.responses.length === 2) {
    keep(place === 0 ? [1, 2] : [2, 1]);
    return;
  }
  if (!ranks.includes(0)) restart();
  if (ranks[place]) return;
  last = joins ? last : last + 1;
  ranks[place] = last;
  joins = false;
  mark();
  say(`Response ${place + 1} has rank ${last}.`);
}

function restart() {
  ranks = ranks.map(() => 0);
  last = 0;
  joins = false;
  mark();
}

function tie() {
  if (busy || !view.item) return;
  if (view.item.responses.length === 2) keep([1, 1]);
  else if (last) {
    joins = !joins;
    mark();
    say(joins ? "The next one is as good as the last." : "");
  }
}

async function keep(given) {
  const reasons = [...find("reasons").querySelectorAll(":checked")].map((box) => box.value);
  const kept = await call("keep", { labeller, key: view.item.key, ranks: given, reasons });
  if (kept) say(`Kept. ${view.done} of ${view.total}.`);
}

async function skip() {
  if (view.item && (await call("skip", { labeller, key: view.item.key }))) say("Skipped: it comes again at the end.");
}

async function undo() {
  if (view.before && (await load(view.before))) say("The label before: choose again to replace it.");
}

function ask() {
  labeller = "";
  view = null;
  find("work").hidden = find("end").hidden = find("bar").hidden = true;
  find("enter").hidden = false;
  find("name").value = localStorage.getItem("labeller") || "";
  find("name").focus();
}

find("enter").addEventListener("submit", async (event) => {
  event.preventDefault();
  labeller = find("name").value.trim();
  if (await load()) {
    localStorage.setItem("labeller", labeller);
    say("");
    find("responses").focus();
  }
});
find("who").addEventListener("click", ask);
find("tie").addEventListener("click", tie);
find("skip").addEventListener("click", skip);
find("keep").addEventListener("click", () => keep(ranks));
find("undo").addEventListener("click", undo);
find("undo-end").addEventListener("click", undo);

document.addEventListener("keydown", (event) => {
  if (!view || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input:not([type=checkbox])")) return;
  const key = event.key.toLowerCase();
  const box = find("reasons").querySelectorAll("input")[KEYS.indexOf(key)];
  if (key === "u") undo();
  else if (!view.item) return;
  else if (/^[1-9]$/.test(key)) choose(Number(key) - 1);
  else if (key === "t") tie();
  else if (key === "s") skip();
  else if (key === "backspace") restart();
  else if (key === "enter" && !find("keep").hidden && !find("keep").disabled && !event.target.matches("button")) keep(ranks);
  else if (key.length === 1 && box && !busy) box.checked = !box.checked;
  else return;
  event.preventDefault();
});

if (labeller) load().then((found) => found || ask());
else ask();
