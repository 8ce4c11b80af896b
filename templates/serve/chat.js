// The chat page: joins the stored conversations, the server and the view.

import { Recorder, read } from "./media.js";
import { bodyOf, isReady, models, ownTools, stream } from "./server.js";
import { Store, add, before, children, exported, newId, path } from "./store.js";
import { body as bodyElement, element, row } from "./view.js";

const find = (id) => document.getElementById(id);
const store = new Store((text) => say(text, true));
const growing = new Map();
const opened = new Map();
let attached = [];
let editing = null;
let recorder = null;
let names = [];
let offered = [];
let isOffered = Promise.resolve(); // until the tools that the server runs are known

function say(text, isProblem = false) {
  find("status").textContent = text;
  find("status").classList.toggle("problem", isProblem);
}

const actions = {
  isOpen: (id) => opened.get(id),
  setOpen: (id, isOpen) => opened.set(id, isOpen),
  resultOf: (node, call) => call.result || Object.values(store.current.nodes).find((each) => each.role === "tool" && each.callId === call.id),
  choose(node) {
    store.current.chosen[node.parent || ""] = node.id;
    store.save();
    draw();
    document.querySelector(`[data-id="${node.id}"] button`)?.focus();
  },
  async copy(node) {
    await navigator.clipboard.writeText(node.text);
    say("Copied.");
  },
  edit(node) {
    editing = node;
    find("text").value = node.text;
    attached = [...node.parts];
    drawAttached();
    fit();
    find("text").focus();
    say("Editing: the message before stays as a branch. Esc leaves it as it is.");
  },
  again(node) {
    const parent = store.current.nodes[node.parent];
    if (parent && !growing.size) answer(parent, [node.model || store.current.model]);
  },
  giveResult(node, call, text) {
    if (growing.size) return;
    let last = node;
    for (const each of path(store.current)) if (each.role === "tool" && node.calls.some((other) => other.id === each.callId)) last = each;
    const result = add(store.current, last.id, { role: "tool", text, callId: call.id });
    store.save();
    draw();
    if (node.calls.every((each) => actions.resultOf(node, each))) answer(result, [node.model]);
  },
};

function draw() {
  const shown = path(store.current).filter((node) => node.role !== "tool"); // a call's card has its result
  find("welcome").hidden = shown.length > 0;
  find("thread").replaceChildren(...shown.map((node) => row(store.current, node, actions)));
  drawList();
  drawState();
}

function drawState() {
  const isBusy = growing.size > 0;
  find("stop").hidden = !isBusy;
  find("send").hidden = isBusy;
  document.body.dataset.busy = String(isBusy);
  find("thread").setAttribute("aria-busy", String(isBusy));
}

function drawList() {
  const items = store.all.map((each) => {
    const made = element("li");
    const open = element("button", "conversation", each.title || "New conversation");
    open.type = "button";
    if (each === store.current) open.setAttribute("aria-current", "true");
    open.addEventListener("click", () => {
      store.open(each.id);
      load();
      showSide(false);
    });
    const remove = element("button", "icon", "✕");
    remove.type = "button";
    remove.setAttribute("aria-label", `Delete ${each.title || "the new conversation"}`);
    remove.addEventListener("click", () => {
      if (each.title && !confirm(`Delete "${each.title}"?`)) return;
      stop();
      store.remove(each.id);
      load();
    });
    made.append(open, remove);
    return made;
  });
  find("conversations").replaceChildren(...items);
}

function redraw(node) {
  const old = document.querySelector(`[data-id="${node.id}"] .body`);
  if (!old) return;
  const main = find("main");
  const isAtEnd = main.scrollHeight - main.scrollTop - main.clientHeight < 80;
  old.replaceWith(bodyElement(store.current, node, actions));
  if (isAtEnd) main.scrollTop = main.scrollHeight;
}

function take(node, piece, began) {
  if (piece.usage) node.tokens = piece.usage.completion_tokens;
  const choice = piece.choices[0];
  if (!choice) return;
  if (choice.delta.content) node.text += choice.delta.content;
  for (const each of choice.delta.tool_calls || []) {
    node.calls[each.index] ??= { id: each.id, name: each.function.name, arguments: "", at: node.text.length, turn: node.turn || 0 };
    node.calls[each.index].arguments += each.function.arguments || "";
  }
  for (const each of choice.delta.tool_results || []) {
    const call = node.calls.find((other) => other.id === each.tool_call_id);
    if (!call) continue;
    Object.assign(call, { result: { text: each.content, isProblem: !!each.reason }, ms: 1000 * each.seconds });
    node.turn = call.turn + 1;
  }
  if (choice.finish_reason) node.finish = choice.finish_reason;
  node.ms = performance.now() - began;
}

async function grow(conversation, node) {
  const control = new AbortController();
  growing.set(node.id, control);
  drawState();
  const began = performance.now();
  let earlier = before(conversation, node);
  for (;;) {
    try {
      await isOffered;
      const body = bodyOf(earlier, node.model, conversation.settings, offered);
      await stream(body, control.signal, (piece) => {
        take(node, piece, began);
        store.saveSoon();
        if (conversation === store.current) redraw(node);
      });
      node.state = "done";
    } catch (error) {
      const next = earlier.findIndex((each, place) => place > 0 && each.role === "user");
      if (error.code === "context_length_exceeded" && next > 0) {
        node.left = (node.left || 0) + next;
        earlier = earlier.slice(next);
        continue;
      }
      node.state = "stopped";
      if (error.name !== "AbortError") node.problem = error.message;
    }
    break;
  }
  growing.delete(node.id);
  store.save();
  if (conversation === store.current) draw();
  drawState();
}

async function answer(parent, by) {
  const conversation = store.current;
  const round = by.length > 1 ? newId() : children(conversation, parent.id).find((each) => each.model === by[0])?.round;
  const nodes = by.map((model) => add(conversation, parent.id, { role: "assistant", model, state: "growing", round }));
  conversation.chosen[parent.id] = nodes[0].id;
  store.save();
  draw();
  find("main").scrollTop = find("main").scrollHeight;
  say("The model is answering.");
  await Promise.all(nodes.map((node) => grow(conversation, node)));
  say(nodes.some((node) => node.problem) ? "No answer: see the message." : "Answered.", nodes.some((node) => node.problem));
}

function stop() {
  for (const control of growing.values()) control.abort();
}

function send() {
  const conversation = store.current;
  const text = find("text").value.trim();
  if (growing.size || (!text && !attached.length) || !conversation.model || !areToolsRight()) return;
  const last = path(conversation).at(-1);
  const parent = editing ? editing.parent : last?.id || "";
  const node = add(conversation, parent, { role: "user", text, parts: attached });
  editing = null;
  attached = [];
  find("text").value = conversation.draft = "";
  drawAttached();
  fit();
  const by = [conversation.model, conversation.other].filter((each, place, all) => each && all.indexOf(each) === place);
  answer(node, by);
}

function areToolsRight() {
  const text = find("tools").value.trim();
  let problem = "";
  try {
    if (text && !Array.isArray(JSON.parse(text))) problem = "Tools must be a JSON list.";
  } catch (error) {
    problem = `Tools are no JSON: ${error.message}`;
  }
  find("tools-problem").textContent = problem;
  if (problem) showSettings(true);
  return !problem;
}

function drawOwnTools() {
  const boxes = offered.map((name) => {
    const made = element("label", "choice");
    const box = element("input");
    box.type = "checkbox";
    box.checked = !store.current.settings.unused.includes(name);
    box.addEventListener("change", () => {
      const others = store.current.settings.unused.filter((each) => each !== name);
      store.current.settings.unused = box.checked ? others : [...others, name];
      store.save();
    });
    made.append(box, name);
    return made;
  });
  find("own-tools").replaceChildren(element("legend", "", "Tools that the server runs"), ...boxes);
  find("own-tools").hidden = !offered.length;
}

function drawAttached() {
  const items = attached.map((part) => {
    const made = element("li");
    if (part.kind === "picture") {
      const shown = element("img");
      shown.src = part.url;
      shown.alt = "";
      made.append(shown);
    }
    const remove = element("button", "icon", "✕");
    remove.type = "button";
    remove.setAttribute("aria-label", `Remove ${part.name}`);
    remove.addEventListener("click", () => {
      attached = attached.filter((each) => each !== part);
      drawAttached();
    });
    made.append(element("span", "", part.name), remove);
    return made;
  });
  find("attached").replaceChildren(...items);
}

async function attach(files) {
  for (const file of files) {
    try {
      attached.push(await read(file));
    } catch {
      say(`${file.name || "This file"} is neither a picture nor a sound that this browser reads.`, true);
    }
  }
  drawAttached();
}

async function record() {
  const button = find("record");
  try {
    if (recorder) {
      const done = recorder;
      recorder = null;
      attached.push(await done.stop());
      drawAttached();
      say("Recorded.");
    } else {
      const begun = new Recorder();
      await begun.start();
      recorder = begun;
      say("Recording: press the button again to end.");
    }
  } catch {
    say("No microphone can be used here.", true);
  }
  button.setAttribute("aria-pressed", String(!!recorder));
  button.setAttribute("aria-label", recorder ? "End the recording" : "Record your voice");
}

function fit() {
  const text = find("text");
  text.style.height = "auto";
  text.style.height = `${Math.min(text.scrollHeight, 220)}px`;
}

const FIELDS = ["system", "temperature", "tokens", "seed", "tools"];

function load() {
  const conversation = store.current;
  if (!names.includes(conversation.model)) conversation.model = names[0] || "";
  if (!names.includes(conversation.other)) conversation.other = "";
  find("model").value = conversation.model;
  find("other").value = conversation.other;
  for (const name of FIELDS) find(name).value = conversation.settings[name];
  drawOwnTools();
  find("text").value = conversation.draft;
  editing = null;
  attached = [];
  drawAttached();
  fit();
  store.save();
  draw();
  find("main").scrollTop = find("main").scrollHeight;
}

function showSide(isShown) {
  document.body.classList.toggle("side", isShown);
  find("shade").hidden = !isShown;
  find("open-side").setAttribute("aria-expanded", String(isShown));
  if (isShown) find("new").focus();
}

function showSettings(isShown) {
  find("settings").hidden = !isShown;
  find("open-settings").setAttribute("aria-expanded", String(isShown));
}

function save() {
  const link = element("a");
  link.href = URL.createObjectURL(new Blob([exported(store.current)], { type: "application/x-ndjson" }));
  link.download = "chats.jsonl";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  say("Exported as chats.jsonl.");
}

function option(value, text) {
  const made = element("option", "", text);
  made.value = value;
  return made;
}

async function begin() {
  names = await models();
  isOffered = ownTools().then((found) => {
    offered = found;
    drawOwnTools();
  }, () => {}); // without its tools: the state of the server is said below
  find("model").replaceChildren(...names.map((name) => option(name, name)));
  find("other").replaceChildren(option("", "Compare with…"), ...names.map((name) => option(name, `and ${name}`)));
  find("other").hidden = names.length < 2;
  load();
  document.body.dataset.loaded = "true";
  while (!(await isReady())) {
    say("The model is being loaded.");
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  if (!growing.size) say("");
}

find("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
find("text").addEventListener("input", () => {
  fit();
  store.current.draft = find("text").value;
  store.saveSoon();
});
find("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    send();
  } else if (event.key === "ArrowUp" && !find("text").value) {
    const last = path(store.current).findLast((node) => node.role === "user");
    if (last) {
      event.preventDefault();
      actions.edit(last);
    }
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  if (growing.size) stop();
  else if (document.body.classList.contains("side")) showSide(false);
  else if (editing) {
    load();
    say("");
  }
});
document.addEventListener("paste", (event) => {
  if (event.clipboardData.files.length) {
    event.preventDefault();
    attach(event.clipboardData.files);
  }
});
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  attach(event.dataTransfer.files);
});
for (const name of FIELDS)
  find(name).addEventListener("change", () => {
    store.current.settings[name] = find(name).value;
    store.save();
    if (name === "tools") areToolsRight();
  });
for (const name of ["model", "other"])
  find(name).addEventListener("change", () => {
    store.current[name] = find(name).value;
    store.save();
  });
find("new").addEventListener("click", () => {
  store.begin();
  load();
  showSide(false);
  find("text").focus();
});
find("stop").addEventListener("click", stop);
find("attach").addEventListener("click", () => find("file").click());
find("file").addEventListener("change", () => attach([...find("file").files]).then(() => (find("file").value = "")));
find("record").addEventListener("click", record);
find("export").addEventListener("click", save);
find("open-settings").addEventListener("click", () => showSettings(find("settings").hidden));
find("open-side").addEventListener("click", () => showSide(true));
find("close-side").addEventListener("click", () => showSide(false));
find("shade").addEventListener("click", () => showSide(false));
addEventListener("pagehide", () => store.save());

begin().catch((error) => say(`The server does not answer: ${error.message}`, true));
