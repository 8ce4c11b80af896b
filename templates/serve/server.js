// Asks the server that this page came from, by OpenAI's API.

import { messagesOf } from "./store.js";

export class Problem extends Error {
  constructor(error) {
    super(error.message);
    this.code = error.code;
  }
}

async function problemOf(answer) {
  try {
    return new Problem((await answer.json()).error);
  } catch {
    return new Problem({ message: `The server answered ${answer.status}.` });
  }
}

export async function models() {
  const answer = await fetch("v1/models");
  if (!answer.ok) throw await problemOf(answer);
  return (await answer.json()).data.map((each) => each.id);
}

// Names of the tools that the server runs.
export async function ownTools() {
  const answer = await fetch("v1/tools");
  if (!answer.ok) throw await problemOf(answer);
  return (await answer.json()).data.map((each) => each.function.name);
}

export async function isReady() {
  const answer = await fetch("health");
  const { status } = await answer.json();
  if (status === "failed") throw new Problem({ message: "The model could not be loaded: see the server's log." });
  return status === "ok";
}

function content(node) {
  if (!node.parts.length) return node.text;
  const parts = node.parts.map((part) =>
    part.kind === "sound"
      ? { type: "input_audio", input_audio: { data: part.url.slice(part.url.indexOf(",") + 1), format: part.format } }
      : { type: "image_url", image_url: { url: part.url } },
  );
  return node.text ? [...parts, { type: "text", text: node.text }] : parts;
}

function message(node) {
  if (node.role === "tool") return { role: "tool", tool_call_id: node.callId, content: node.text };
  const calls = node.calls.map((call) => ({ id: call.id, type: "function", function: { name: call.name, arguments: call.arguments } }));
  return { role: node.role, content: content(node), ...(calls.length ? { tool_calls: calls } : {}) };
}

export function bodyOf(nodes, model, settings, offered) {
  const messages = nodes.flatMap(messagesOf).map(message);
  const own = offered.filter((name) => !settings.unused.includes(name));
  if (settings.system) messages.unshift({ role: "system", content: settings.system });
  const tools = settings.tools.trim() ? JSON.parse(settings.tools) : [];
  return {
    model,
    messages,
    stream: true,
    stream_options: { include_usage: true },
    temperature: Number(settings.temperature),
    max_tokens: Number(settings.tokens),
    ...(settings.seed === "" ? {} : { seed: Number(settings.seed) }),
    ...(tools.length ? { tools } : {}),
    ...(own.length ? { server_tools: own } : {}),
  };
}

// Calls `onPiece` with each piece of the answer.
export async function stream(body, signal, onPiece) {
  const answer = await fetch("v1/chat/completions", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal,
  });
  if (!answer.ok) throw await problemOf(answer);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new Problem({ message: "The answer ended early." });
    const events = (held + value).split("\n\n");
    held = events.pop();
    for (const event of events) {
      const data = event.replace(/^data: /, "");
      if (data === "[DONE]") return;
      const piece = JSON.parse(data);
      if (piece.error) throw new Problem(piece.error);
      onPiece(piece);
    }
  }
}
