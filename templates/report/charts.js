// Draws the figures of the page. A colour is the name of a CSS variable, so it follows the light or dark scheme.
(async () => {
  const places = [...document.querySelectorAll("[data-figure]")];
  const packed = document.getElementById("plotly-gzip");
  const figures = JSON.parse(document.getElementById("figures").textContent);

  async function unpack() {
    const bytes = Uint8Array.from(atob(packed.textContent.trim()), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.head.append(script);
    packed.remove();
  }

  function colored(value, style) {
    if (typeof value === "string") return value.startsWith("--") ? style.getPropertyValue(value).trim() : value;
    if (Array.isArray(value)) return value.map((item) => colored(item, style));
    if (value && typeof value === "object")
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, colored(item, style)]));
    return value;
  }

  function draw() {
    const style = getComputedStyle(document.documentElement);
    const axis = { automargin: true, gridcolor: "--line", zerolinecolor: "--line", linecolor: "--line", fixedrange: true };
    const titled = (own) => ({ ...axis, ...own, title: { ...own?.title, font: { size: 13 } } });
    for (const place of places) {
      const { data, layout } = figures[place.dataset.figure];
      const whole = {
        margin: { l: 8, r: 12, t: 28, b: 8 },
        paper_bgcolor: "rgba(0,0,0,0)",
        plot_bgcolor: "rgba(0,0,0,0)",
        font: { family: style.getPropertyValue("--sans"), size: 13, color: "--ink" },
        hoverlabel: { bgcolor: "--card", bordercolor: "--line", font: { color: "--ink" }, align: "left" },
        ...layout,
        xaxis: titled(layout.xaxis),
        yaxis: titled(layout.yaxis),
      };
      Plotly.react(place, colored(data, style), colored(whole, style), { responsive: true, displayModeBar: false });
    }
  }

  if (!places.length) return;
  try {
    await unpack();
  } catch (error) {
    document.documentElement.classList.add("no-charts");
    return;
  }
  document.documentElement.classList.add("charts");
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  document.documentElement.dataset.drawn = places.length;
})();
