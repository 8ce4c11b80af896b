// Conversations as trees of messages, kept in this browser. An edit or another answer is a branch: nothing is replaced.

const KEY = "stagecoach-chats";
const DEFAULTS = { system: "", temperature: 0.7, tokens: 256, seed: "", tools: "", unused: [] };

export const newId = () => crypto.getRandomValues(new Uint32Array(3)).join("-");

function empty() {
  return { id: newId(), title: "", nodes: {}, chosen: {}, model: "", other: "", settings: { ...DEFAULTS }, draft: "", at: Date.now() };
}

function isConversation(value) {
  return !!value && typeof value === "object" && typeof value.nodes === "object" && typeof value.chosen === "object";
}

export class Store {
  constructor(onProblem) {
    this.onProblem = onProblem;
    let kept = {};
    try {
      kept = JSON.parse(localStorage.getItem(KEY) || "{}");
    } catch {
      kept = {};
    }
    this.all = (Array.isArray(kept.all) ? kept.all : []).filter(isConversation);
    this.current = this.all.find((each) => each.id === kept.current) || this.begin();
    for (const each of this.all) {
      each.settings = { ...DEFAULTS, ...each.settings };
      for (const node of Object.values(each.nodes)) if (node.state === "growing") node.state = "stopped";
    }
  }

  begin() {
    const blank = this.all.find((each) => !Object.keys(each.nodes).length);
    const before = this.current;
    this.current = blank || empty();
    if (!blank) this.all.unshift(this.current);
    if (before) Object.assign(this.current, { model: before.model, other: before.other, settings: { ...before.settings } });
    return this.current;
  }

  open(id) {
    this.current = this.all.find((each) => each.id === id) || this.current;
  }

  remove(id) {
    this.all = this.all.filter((each) => each.id !== id);
    if (this.current.id === id) this.current = this.all[0] || this.begin();
  }

  save() {
    clearTimeout(this.timer);
    this.timer = undefined;
    try {
      localStorage.setItem(KEY, JSON.stringify({ all: this.all, current: this.current.id }));
    } catch {
      this.onProblem("This browser has no room left for conversations: export or delete some.");
    }
  }

  saveSoon() {
    this.timer ??= setTimeout(() => this.save(), 400);
  }
}

export function add(conversation, parent, fields) {
  const node = { id: newId(), parent, text: "", calls: [], parts: [], state: "done", at: Date.now(), ...fields };
  conversation.nodes[node.id] = node;
  conversation.chosen[parent || ""] = node.id;
  conversation.at = node.at;
  if (!conversation.title && node.role === "user") conversation.title = (node.text || "A picture or a sound").slice(0, 60);
  return node;
}

export function children(conversation, parent) {
  return Object.values(conversation.nodes).filter((node) => (node.parent || "") === (parent || ""));
}

export function path(conversation) {
  const found = [];
  let id = conversation.chosen[""];
  while (id && conversation.nodes[id] && found.length < 10000) {
    found.push(conversation.nodes[id]);
    id = conversation.chosen[id];
  }
  return found;
}

export function before(conversation, node) {
  const found = [];
  let here = conversation.nodes[node.parent];
  while (here) {
    found.unshift(here);
    here = conversation.nodes[here.parent];
  }
  return found;
}

// A node as messages. Calls that the server ran, with their results, stand before the text that followed them.
export function messagesOf(node) {
  const found = [];
  let start = 0;
  const ran = node.calls.filter((call) => call.result);
  for (const turn of new Set(ran.map((call) => call.turn))) {
    const calls = ran.filter((call) => call.turn === turn);
    const end = calls.at(-1).at;
    found.push({ role: node.role, text: node.text.slice(start, end), parts: [], calls });
    found.push(...calls.map((call) => ({ role: "tool", text: call.result.text, callId: call.id, parts: [], calls: [] })));
    start = end;
  }
  const rest = { ...node, text: node.text.slice(start), calls: node.calls.filter((call) => !call.result) };
  return found.length && !rest.text && !rest.calls.length ? found : [...found, rest];
}

// The format of chats: one JSON object a line. Pictures and sounds have their digests as keys.
export function exported(conversation) {
  const messages = path(conversation).flatMap(messagesOf).map((node) => ({
    role: node.role,
    parts: [
      ...node.parts.map((part) => ({ type: part.kind === "sound" ? "audio" : "picture", key: part.key })),
      ...(node.text || !(node.parts.length + node.calls.length) ? [{ type: node.role === "tool" ? "tool_result" : "text", text: node.text }] : []),
      ...node.calls.map((call) => ({ type: "tool_call", text: JSON.stringify({ id: call.id, name: call.name, arguments: call.arguments }) })),
    ],
  }));
  const system = conversation.settings.system;
  if (system) messages.unshift({ role: "system", parts: [{ type: "text", text: system }] });
  const models = [...new Set(path(conversation).map((node) => node.model).filter(Boolean))];
  return JSON.stringify({ id: conversation.id, messages, provenance: { source: "chat page", models } }) + "\n";
}
