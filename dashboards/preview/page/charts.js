// Panels drawn by Plotly: courses, pies, heatmaps.

import { COLOURS, PALETTE, SCALE, colour, escaped, local, parts, written } from "/static/units.js";

const CONFIG = { displayModeBar: false, responsive: true, displaylogo: false };
const GRID = "#24272e";
const FONT = { color: "#9a9aad", size: 11 * SCALE, family: getComputedStyle(document.documentElement).fontFamily };

// Grafana's overrides by a series' name.
const fixed = (panel, name) =>
  panel.fieldConfig.overrides.find(({ matcher }) => matcher.id === "byName" && matcher.options === name)?.properties.find(({ id }) => id === "color")?.value.fixedColor;

const tints = (panel, found) => found.map((series, index) => colour(fixed(panel, series.name) ?? PALETTE[index % PALETTE.length]));

const axis = (window) => ({ type: "date", range: [local(window.from), local(window.to)], gridcolor: GRID, zeroline: false, tickformat: window.to - window.from > 2 * 86400 ? "%m-%d" : "%H:%M", nticks: 7, fixedrange: true });

const margins = (sides) => Object.fromEntries(Object.entries(sides).map(([side, width]) => [side, width * SCALE]));

const layout = (more) => ({
  paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: FONT, margin: margins({ l: 52, r: 14, t: 6, b: 22 }), hovermode: "x unified", hoverlabel: { bgcolor: "#22252b", bordercolor: GRID, font: { ...FONT, size: 13 * SCALE, color: "#ccccdc" } }, ...more,
});

// As many ticks as fit, at round values, written in the panel's unit.
function ticks(high, unit, decimals) {
  const base = unit === "bytes" ? 1024 : 10;
  const rough = high / 4 || 1;
  const power = base ** Math.floor(Math.log(rough) / Math.log(base) + 1e-9);
  const factors = unit === "bytes" ? [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024] : [1, 2, 2.5, 5, 10];
  let step = power * factors.find((factor) => factor * power >= rough - 1e-12);
  if (decimals === 0 && unit !== "percentunit") step = Math.max(1, Math.ceil(step));
  const values = [];
  for (let value = 0; value <= high * 1.001; value += step) values.push(value);
  // As many digits as tell them apart.
  const texts = [undefined, 3, 4, 5, 6].map((digits) => values.map((value) => parts(value, unit, value && digits).join("").replace(/ (req|ops|c)\/(s|min)$/, "")));
  return { tickvals: values, ticktext: texts.find((text) => new Set(text).size === text.length) ?? texts[0] };
}

// A gap that is longer than spanNulls is drawn as one.
function points(values, step, span) {
  const [x, y] = [[], []];
  let before;
  for (const [at, value] of values) {
    if (value == null) continue;
    if (before != null && at - before > Math.max(span, step * 1.5)) { x.push(local(at - step)); y.push(null); }
    x.push(local(at));
    y.push(value);
    before = at;
  }
  return { x, y };
}

// On a telephone a legend of long names has many lines: the panel grows with them, so that its course does not shrink.
function makeRoom(body, panel, found) {
  const columns = Math.max(1, Math.floor((body.clientWidth - 66) / (50 + 7.5 * Math.max(...found.map(({ name }) => name.length)))));
  const lines = body.clientWidth < 480 ? Math.ceil(found.length / columns) - 2 : 0;
  body.style.minHeight = lines > 0 ? `${panel.gridPos.h * 38 - 40 + lines * 22}px` : "";
}

export function timeseries(body, panel, found, targets, window, alerts, jaeger) {
  makeRoom(body, panel, found);
  const { unit, decimals, thresholds, max, custom } = panel.fieldConfig.defaults;
  const colours = tints(panel, found);
  const stacked = custom.stacking?.mode === "normal";
  const barred = custom.drawStyle === "bars";
  const span = custom.spanNulls ? custom.spanNulls / 1000 : 0;
  const traces = found.map((series, index) => {
    const { x, y } = points(series.values, window.step, span);
    return {
      x, y, name: escaped(series.name), type: barred ? "bar" : "scatter", mode: y.length < 3 ? "lines+markers" : "lines", connectgaps: false,
      line: { color: colours[index], width: custom.lineWidth * SCALE }, marker: { color: colours[index], line: { width: 0 } },
      ...(stacked && !barred ? { stackgroup: "A", fillcolor: `${colours[index]}55` } : barred ? {} : { fill: found.length < 4 && !y.includes(null) ? "tozeroy" : "none", fillcolor: `${colours[index]}14` }),
      text: y.map((value) => written(value, unit, value && decimals)), textposition: "none", hovertemplate: "%{text}",
    };
  });
  const exemplars = targets.flatMap((target) => target.exemplars);
  const sums = new Map();
  for (const series of found) for (const [at, value] of series.values) sums.set(at, stacked ? (sums.get(at) ?? 0) + value : Math.max(sums.get(at) ?? 0, value));
  const lines = custom.thresholdsStyle?.mode === "dashed" ? thresholds.steps.filter((step) => step.value != null) : [];
  let high = Math.max(...[...sums.values()].filter(Number.isFinite), 0);
  high = max ?? (Math.max(high, ...lines.filter((line) => line.value < high * 3).map((line) => line.value)) * 1.08 || 1);
  if (decimals === 0) high = Math.max(high, 1.15);
  // What is beyond the axis is drawn at its end, as Grafana does.
  const dots = exemplars.map((one) => ({ ...one, value: Math.min(one.value, high * 0.98) }));
  if (dots.length) {
    traces.push({
      x: dots.map((one) => local(one.at)), y: dots.map((one) => one.value), mode: "markers", type: "scatter", name: "链路 traces", showlegend: false,
      customdata: dots.map((one) => one.trace), marker: { symbol: "diamond", size: 5 * SCALE, color: COLOURS.blue, opacity: 0.75 }, hoverinfo: "none",
    });
  }
  Plotly.react(body, traces, layout({
    xaxis: axis(window), barmode: stacked ? "stack" : "group", bargap: 0.1,
    yaxis: { range: [0, high], gridcolor: GRID, zeroline: false, fixedrange: true, ...ticks(high, unit, decimals) },
    showlegend: true, legend: { orientation: "h", x: 0, y: -0.14, yanchor: "top", font: { ...FONT, size: 12 * SCALE, color: "#ccccdc" }, itemwidth: 30 },
    shapes: [
      ...lines.filter((line) => line.value <= high).map((line) => ({ type: "line", xref: "paper", x0: 0, x1: 1, y0: line.value, y1: line.value, line: { color: colour(line.color), width: SCALE, dash: "dash" } })),
      ...alerts.map((alert) => ({ type: "rect", yref: "paper", x0: local(alert.from), x1: local(alert.to), y0: 0, y1: 1, fillcolor: COLOURS.red, opacity: 0.1, line: { width: 0 } })),
    ],
    margin: margins({ l: 52, r: 14, t: 6, b: 48 }),
  }), CONFIG);
  if (!body.listening) {
    body.listening = true;
    body.on("plotly_click", ({ points: [point] }) => { if (point.customdata) open(`${jaeger}/trace/${point.customdata}`); });
  }
}

export function piechart(body, panel, found) {
  const { unit, decimals } = panel.fieldConfig.defaults;
  const values = found.map((series) => series.values.at(-1)[1] ?? 0);
  const whole = values.reduce((sum, value) => sum + value, 0);
  const colours = tints(panel, found);
  if (!body.querySelector(".pie")) body.innerHTML = '<div class="pie"><div></div><table></table></div>';
  const [chart, table] = body.firstChild.children;
  table.innerHTML = `<tr><th></th><th class="number">数量</th><th class="number">占比</th></tr>${found.map((series, index) => ({ series, index })).sort((one, other) => values[other.index] - values[one.index]).map(({ series, index }) =>
    `<tr><td><i class="dot" style="background:${colours[index]}"></i>${escaped(series.name)}</td><td class="number">${written(values[index], unit, decimals)}</td><td class="number">${written(values[index] / whole, "percentunit", 0)}</td></tr>`).join("")}`;
  Plotly.react(chart, [{
    type: "pie", hole: 0.55, labels: found.map((series) => escaped(series.name)), values, marker: { colors: colours, line: { color: "#181b1f", width: 2 } },
    textinfo: "none", sort: false, direction: "clockwise", hovertemplate: "%{label}<br>%{percent}<extra></extra>",
  }], layout({ margin: margins({ l: 12, r: 12, t: 8, b: 8 }), showlegend: false, hovermode: "closest" }), CONFIG);
}

export function heatmap(body, panel, found, _targets, window) {
  const buckets = [...found].sort((one, other) => Number(one.labels.le.replace("+Inf", "Infinity")) - Number(other.labels.le.replace("+Inf", "Infinity")));
  const times = [...new Set(buckets.flatMap((series) => series.values.map(([at]) => at)))].sort((one, other) => one - other);
  const counts = buckets.map((series) => new Map(series.values));
  // Buckets are cumulative.
  const z = counts.map((count, row) => times.map((at) => {
    const value = (count.get(at) ?? 0) - (row ? counts[row - 1].get(at) ?? 0 : 0);
    return value > 1e-9 ? value : null;
  }));
  const names = buckets.map((series, row) => (series.labels.le === "+Inf" ? `> ${row ? Number(buckets[row - 1].labels.le) : ""}` : `≤ ${Number(series.labels.le)}`));
  Plotly.react(body, [{
    type: "heatmap", x: times.map(local), y: names, z, colorscale: [[0, "#3a2410"], [0.25, "#8a4a12"], [0.6, "#ff9830"], [1, "#ffe1b3"]], xgap: 1, ygap: 1,
    hovertemplate: "%{y}: %{z:.0f}<extra></extra>", colorbar: { thickness: 8 * SCALE, outlinewidth: 0, tickfont: FONT, len: 1 },
  }], layout({ xaxis: axis(window), yaxis: { type: "category", fixedrange: true, gridcolor: GRID }, hovermode: "closest", margin: margins({ l: 62, r: 10, t: 6, b: 22 }) }), CONFIG);
}
