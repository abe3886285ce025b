// A dashboard: its panels on Grafana's grid, its variables, and its data, asked for again and again.

import { heatmap, piechart, timeseries } from "/static/charts.js";
import { bargauge, stat, table } from "/static/small.js";
import { SCALE, escaped, legend } from "/static/units.js";

const KINDS = { stat, timeseries, piechart, table, heatmap, bargauge };
const SPANS = [["15 分钟", 900], ["1 小时", 3600], ["6 小时", 21600], ["24 小时", 86400], ["7 天", 604800], ["30 天", 2592000]];
const uid = location.pathname.split("/")[2];
const asked = new URLSearchParams(location.search);
const main = document.getElementById("panels");
const failure = document.getElementById("failure");
// What a test or a picture waits for: how often all panels have been drawn, and what went wrong in them.
window.preview = { rounds: 0, failures: [], empty: [] };

const get = async (path, parameters) => {
  const answer = await fetch(`/api/${path}?${parameters ?? ""}`);
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
};

const { jaeger, dashboards } = await get("dashboards");
const dashboard = await get(`dashboards/${uid}`);
const chosen = dashboard.templating.list.filter((one) => one.type === "query");
const seconds = () => Number(asked.get("seconds") ?? { "now-6h": 21600 }[dashboard.time.from] ?? 3600);
const parameters = (points) => {
  const all = new URLSearchParams({ seconds: seconds(), points });
  for (const { name } of chosen) for (const value of asked.getAll(`var-${name}`)) all.append(`var-${name}`, value);
  return all;
};

document.title = dashboard.title;
document.getElementById("dashboards").innerHTML = dashboards.map((one) =>
  `<a href="/d/${one.uid}" class="${one.uid === uid ? "here" : ""}">${escaped(one.title.replace(/^WXIAI /, ""))}</a>`).join("");
for (const link of document.querySelectorAll("nav a")) link.addEventListener("click", () => { link.search = location.search; });

async function controls() {
  const form = document.getElementById("controls");
  const pick = (name, label, options, value) =>
    `<label>${label} <select name="${name}">${options.map(([text, one]) => `<option value="${escaped(one)}" ${String(one) === value ? "selected" : ""}>${escaped(text)}</option>`).join("")}</select></label>`;
  const lists = await Promise.all(chosen.map(async ({ name, label }) => {
    const values = await get(`values/${uid}/${name}`, parameters(300));
    return pick(`var-${name}`, label, [["全部", ""], ...values.map((value) => [/^[0-9a-f]{8}-/.test(value) ? value.slice(0, 8) : value, value])], asked.get(`var-${name}`) ?? "");
  }));
  form.innerHTML = lists.join("") + pick("seconds", "时间", SPANS, String(seconds()));
  form.onchange = ({ target }) => {
    if (target.value) asked.set(target.name, target.value); else asked.delete(target.name);
    history.replaceState(null, "", `?${asked}`);
    controls();
    refresh();
  };
}

// Links of panels: Grafana's variables in them are what is chosen here.
const resolved = (url) => (url.startsWith("/d/") ? `${url.split("?")[0]}${location.search}` : url);

for (const panel of dashboard.panels) {
  const { x, y, w, h } = panel.gridPos;
  const place = `grid-column:${x + 1} / span ${w}; grid-row:${y + 1} / span ${h};`;
  const height = (h * 38 - 8) * SCALE;
  if (panel.type === "row") {
    main.insertAdjacentHTML("beforeend", `<h2 style="${place}">${escaped(panel.title)}</h2>`);
    continue;
  }
  const links = (panel.links ?? []).map((link) => `<a href="${escaped(resolved(link.url))}" ${link.targetBlank ? 'target="_blank" rel="noopener"' : ""}>${escaped(link.title)}</a>`).join("");
  main.insertAdjacentHTML("beforeend", `<section id="panel-${panel.id}" data-kind="${panel.type}" style="${place}min-height:${height}px" data-title="${escaped(panel.title)}">
    <header><h3>${escaped(panel.title)}</h3><span class="mark" title="${escaped(panel.description)}">i</span><span class="links">${links}</span></header><div class="body"></div></section>`);
}

// Where numbers stand in pairs, the last one of an odd number has a line of its own.
for (const [index, section] of [...main.children].entries()) {
  const before = [...main.children].slice(0, index).reverse().findIndex((one) => one.dataset.kind !== "stat");
  const pairs = (before < 0 ? index : before) % 2 === 0;
  section.classList.toggle("alone", section.dataset.kind === "stat" && pairs && main.children[index + 1]?.dataset.kind !== "stat");
}

// When any alert fired: shades over each other would hide what they are behind.
function alerts(found, step) {
  const times = found.flatMap(({ series }) => series.flatMap(({ values }) => values.map(([at]) => at))).sort((one, other) => one - other);
  const spans = [];
  for (const at of times) {
    if (spans.length && at - spans.at(-1).to <= step * 1.5) spans.at(-1).to = at;
    else spans.push({ from: at, to: at });
  }
  return spans;
}

async function draw(panel, firing) {
  const body = document.querySelector(`#panel-${panel.id} .body`);
  const room = Math.max(60, Math.min(600, Math.round(body.clientWidth / 3)));
  const to = Date.now() / 1000;
  try {
    const targets = await get(`panels/${uid}/${panel.id}`, parameters(room));
    const found = targets.flatMap((target, index) => target.series
      .filter((series) => series.values.some(([, value]) => value != null))
      .map((series) => ({ ...series, refId: target.refId, name: legend(panel.targets[index].legendFormat, series.labels) })));
    if (!found.length) {
      window.preview.empty.push(panel.title);
      Plotly.purge(body);
      body.listening = false;
      body.innerHTML = `<div class="nothing">${escaped(panel.fieldConfig.defaults.noValue ?? "无数据")}</div>`;
      return;
    }
    if (body.querySelector(".nothing, .wrong")) body.innerHTML = "";
    KINDS[panel.type](body, panel, found, targets, { from: to - seconds(), to, step: Math.max(5, Math.ceil(seconds() / room)) }, firing, jaeger);
  } catch (error) {
    window.preview.failures.push(`${panel.title}: ${error.message}`);
    body.innerHTML = `<div class="wrong">${escaped(error.message)}</div>`;
  }
}

let running = 0;
async function refresh() {
  const mine = ++running;
  window.preview.failures = [];
  window.preview.empty = [];
  failure.hidden = true;
  let firing = [];
  try {
    firing = alerts(await get(`annotations/${uid}`, parameters(300)), Math.max(5, Math.ceil(seconds() / 300)));
  } catch (error) {
    failure.hidden = false;
    failure.textContent = error.message;
  }
  await Promise.all(dashboard.panels.filter((panel) => panel.type !== "row").map((panel) => draw(panel, firing)));
  window.preview.rounds += 1;
  const every = { "10s": 10, "30s": 30, "1m": 60 }[dashboard.refresh] ?? 30;
  setTimeout(() => { if (mine === running && !document.hidden) refresh(); }, every * 1000);
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
controls().catch((error) => window.preview.failures.push(error.message));
refresh();
