// Messages as elements. Every text of a model, a tool or a user becomes a text node.

import { children } from "./store.js";
import { drawPlan, planOf } from "./plan.js";

export function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function button(text, label, onClick, className = "quiet") {
  const made = element("button", className, text);
  made.type = "button";
  made.setAttribute("aria-label", label);
  made.title = label;
  made.addEventListener("click", onClick);
  return made;
}

const NAMES = { user: "You", assistant: "Assistant" };

// Text with its fenced code as blocks.
function prose(text) {
  const found = text.split(/^```[^\n]*\n?/m).map((part, place) => {
    const made = place % 2 ? element("pre", "code") : element("div", "prose");
    made.textContent = place % 2 ? part : part.replace(/^\n|\n$/g, "");
    made.dir = "auto";
    if (place % 2) made.tabIndex = 0;
    return made;
  });
  return found.filter((each) => each.textContent);
}

// A text with the calls that stand in it as cards: [Calculator(2*3) -> 6.00]. The text itself keeps them.
const INLINE = /\s?\[([A-Z][a-z]+)\(([^\n]{0,1000}?)\) -> ((?:\\.|[^\\\[\]\n])*)\]/g;

function told(node, text, actions) {
  const found = [];
  let start = 0;
  for (const call of text.matchAll(INLINE)) {
    const [whole, name, given, written] = call;
    const result = { text: written.replace(/\\([\\[\]])/g, "$1"), isProblem: written.startsWith("error: ") };
    const shown = { id: `${node.id}-${call.index}`, name: name.toLowerCase(), arguments: given, result };
    found.push(...prose(text.slice(start, call.index)), callCard(node, shown, actions));
    start = call.index + whole.length;
  }
  return [...found, ...prose(text.slice(start))];
}

function attachment(part) {
  if (part.kind === "sound") {
    const made = element("audio");
    made.controls = true;
    made.src = part.url;
    made.setAttribute("aria-label", part.name);
    return made;
  }
  const made = element("img");
  made.src = part.url;
  made.alt = part.name;
  return made;
}

function pretty(text) {
  try {
    const value = JSON.parse(text);
    return value && typeof value === "object" ? JSON.stringify(value, null, 2) : text;
  } catch {
    return text;
  }
}

function seconds(ms) {
  if (ms < 1) return "under 1 ms";
  return ms < 950 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

// A call in one line: its values, and what came of it.
function gist(call, result) {
  let values = [call.arguments];
  try {
    values = Object.values(JSON.parse(call.arguments)).map((each) => (typeof each === "string" ? each : JSON.stringify(each)));
  } catch {
    // it is still being written
  }
  const given = values.join(", ");
  return result === undefined ? given : `${given}${given ? " → " : ""}${result.text.split("\n", 1)[0]}`;
}

function callCard(node, call, actions) {
  const made = element("details", "call");
  const result = actions.resultOf(node, call);
  made.open = actions.isOpen(call.id) ?? (result === undefined && node.state !== "growing");
  made.addEventListener("toggle", () => actions.setOpen(call.id, made.open));
  const head = element("summary");
  const line = element("span", "gist", gist(call, result));
  line.dir = "auto";
  head.append(element("span", "name", call.name), line, element("span", "time", call.ms === undefined ? "" : seconds(call.ms)));
  made.classList.toggle("failed", !!result?.isProblem);
  const given = element("pre", "code", pretty(call.arguments));
  given.tabIndex = 0;
  made.append(head, element("p", "caption", "Arguments"), given, element("p", "caption", "Result"));
  if (result !== undefined) {
    const shown = element("pre", "code", pretty(result.text));
    shown.tabIndex = 0;
    made.append(shown);
  } else if (node.state !== "growing") {
    const text = element("textarea");
    text.rows = 2;
    text.setAttribute("aria-label", `Result of ${call.name}`);
    made.append(text, button("Give the result", `Give the result of ${call.name}`, () => actions.giveResult(node, call, text.value), ""));
  } else made.append(element("p", "hint", "The call is being written or run."));
  return made;
}

function branches(conversation, node, actions) {
  const isBranch = (each) => each.role === node.role && (!node.round || each.model === node.model);
  const siblings = children(conversation, node.parent).filter(isBranch);
  if (siblings.length < 2) return [];
  const place = siblings.indexOf(node);
  const made = element("span", "branches");
  const to = (at) => () => actions.choose(siblings[(at + siblings.length) % siblings.length]);
  made.append(
    button("‹", "The branch before", to(place - 1), "icon"),
    element("span", "", `${place + 1} / ${siblings.length}`),
    button("›", "The next branch", to(place + 1), "icon"),
  );
  return [made];
}

function tail(conversation, node, actions) {
  const made = element("div", "tail");
  if (node.state === "growing") return made;
  made.append(...branches(conversation, node, actions), button("Copy", "Copy the text", () => actions.copy(node)));
  if (node.role === "user") made.append(button("Edit", "Edit the message", () => actions.edit(node)));
  if (node.role === "assistant") made.append(button("Again", "Another answer", () => actions.again(node)));
  const facts = [];
  if (node.tokens) facts.push(`${node.tokens} tokens`);
  if (node.ms) facts.push(seconds(node.ms));
  if (node.finish === "length") facts.push("cut at the longest answer");
  if (node.state === "stopped") facts.push("stopped");
  if (node.left) facts.push(`${node.left} earlier messages did not fit the model`);
  made.append(element("span", "facts", facts.join(" · ")));
  return made;
}

export function body(conversation, node, actions) {
  const made = element("div", "body");
  if (node.parts.length) {
    const shown = element("div", "parts");
    shown.append(...node.parts.map(attachment));
    made.append(shown);
  }
  const isGrowing = node.state === "growing";
  let start = 0;
  for (const call of node.calls) {
    const at = call.at ?? node.text.length; // a card stands where its call was written
    made.append(...prose(node.text.slice(start, at)), callCard(node, call, actions));
    start = at;
  }
  const rest = node.text.slice(start);
  const plan = node.role === "assistant" && !isGrowing ? planOf(rest) : null;
  if (plan) {
    const scroll = element("div", "scroll");
    scroll.tabIndex = 0;
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", "Plan");
    scroll.append(drawPlan(plan));
    made.append(scroll);
  } else made.append(...(node.role === "assistant" ? told(node, rest, actions) : prose(rest)));
  if (isGrowing && !rest && node.calls.every((call) => call.result)) made.append(element("span", "waiting", "…"));
  if (node.problem) made.append(element("p", "problem", node.problem));
  return made;
}

function card(conversation, node, actions) {
  const made = element("article", `message ${node.role}`);
  made.dataset.id = node.id;
  made.dataset.state = node.state;
  const who = element("p", "who", NAMES[node.role]);
  if (node.model) who.append(element("span", "of", node.model));
  made.append(who, body(conversation, node, actions), tail(conversation, node, actions));
  return made;
}

// The answers of the compared models to one message, the newest of each.
function rivals(conversation, node) {
  const found = new Map();
  for (const each of children(conversation, node.parent)) if (each.role === "assistant" && each.round === node.round) found.set(each.model, each);
  if (found.has(node.model)) found.set(node.model, node);
  return [...found.values()];
}

export function row(conversation, node, actions) {
  const made = element("li");
  const shown = node.role === "assistant" && node.round ? rivals(conversation, node) : [node];
  if (shown.length < 2) {
    made.append(card(conversation, node, actions));
    return made;
  }
  made.className = "compared";
  for (const each of shown) {
    const one = card(conversation, each, actions);
    const isChosen = each === node;
    one.classList.toggle("chosen", isChosen);
    const choose = button(isChosen ? "Goes on" : "Go on with this", `Go on with the answer of ${each.model}`, () => actions.choose(each), "pick");
    choose.setAttribute("aria-pressed", String(isChosen));
    one.append(choose);
    made.append(one);
  }
  return made;
}
