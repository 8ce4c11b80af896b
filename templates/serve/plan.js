// A plan of tasks as a small graph: a task stands right of all that it waits for.

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT, GAP_X, GAP_Y] = [150, 44, 40, 14];
const MOST = 40;

function element(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// Returns the tasks of a text that is a plan: a JSON list of {task, id, dep}; null for any other text.
export function planOf(text) {
  const trimmed = text.trim().replace(/^```(?:json)?\s*|\s*```$/g, "");
  if (!trimmed.startsWith("[{")) return null;
  let tasks;
  try {
    tasks = JSON.parse(trimmed);
  } catch {
    return null;
  }
  const isTask = (each) => each && typeof each === "object" && typeof each.task === "string" && Number.isInteger(each.id) && Array.isArray(each.dep);
  return Array.isArray(tasks) && tasks.length && tasks.length <= MOST && tasks.every(isTask) ? tasks : null;
}

function columns(tasks) {
  const known = new Map(tasks.map((each) => [each.id, each]));
  const found = new Map();
  const column = (id, above) => {
    if (found.has(id)) return found.get(id);
    if (above.has(id)) return 0; // a circle
    const needs = known.get(id).dep.filter((each) => known.has(each));
    const own = needs.length ? 1 + Math.max(...needs.map((each) => column(each, new Set([...above, id])))) : 0;
    found.set(id, own);
    return own;
  };
  tasks.forEach((each) => column(each.id, new Set()));
  return found;
}

export function drawPlan(tasks) {
  const column = columns(tasks);
  const rows = new Map();
  const places = new Map();
  for (const each of tasks) {
    const at = column.get(each.id);
    const row = rows.get(at) || 0;
    rows.set(at, row + 1);
    places.set(each.id, [at * (WIDTH + GAP_X) + 1, row * (HEIGHT + GAP_Y) + 1]);
  }
  const width = (Math.max(...column.values()) + 1) * (WIDTH + GAP_X) - GAP_X + 2;
  const height = Math.max(...rows.values()) * (HEIGHT + GAP_Y) - GAP_Y + 2;
  const words = tasks.map((each) => `${each.task}${each.dep.some((need) => places.has(need)) ? ` after task ${each.dep.filter((need) => places.has(need)).join(", ")}` : ""}`);
  const made = element("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": `A plan of ${tasks.length} tasks: ${words.join("; ")}`, class: "plan" });
  made.style.minWidth = `${0.75 * width}px`; // a narrow screen makes it smaller, and scrolls what is still too wide
  for (const each of tasks) {
    const [x, y] = places.get(each.id);
    for (const need of each.dep.filter((id) => places.has(id))) {
      const [fromX, fromY] = [places.get(need)[0] + WIDTH, places.get(need)[1] + HEIGHT / 2];
      const half = (fromX + x) / 2;
      made.append(element("path", { d: `M${fromX} ${fromY} C${half} ${fromY} ${half} ${y + HEIGHT / 2} ${x} ${y + HEIGHT / 2}` }));
    }
    const label = each.task.length > 20 ? `${each.task.slice(0, 19)}…` : each.task;
    const group = element("g", {});
    group.append(
      element("title", {}, each.task),
      element("rect", { x, y, width: WIDTH, height: HEIGHT, rx: 9 }),
      element("text", { x: x + 12, y: y + 18, class: "number" }, `Task ${each.id}`),
      element("text", { x: x + 12, y: y + 34 }, label),
    );
    made.append(group);
  }
  return made;
}
