// Panels that need no charting library: numbers, bars, tables.

import { SCALE, colour, escaped, levelColour, parts, written } from "/static/units.js";

const last = (series) => series.values.map(([, value]) => value).filter((value) => value != null).at(-1);

export function stat(body, panel, found) {
  const { unit, decimals, thresholds } = panel.fieldConfig.defaults;
  body.innerHTML = found.map((series) => {
    const value = last(series);
    const tint = levelColour(value, thresholds);
    const [number, rest] = parts(value, unit, decimals);
    const size = Math.max(24, Math.min(body.clientHeight * 0.38, (body.clientWidth / (number.length + rest.length / 2)) * 1.1, 64 * SCALE));
    const curve = panel.options.graphMode === "none" ? "" : spark(series.values, tint);
    return `<div class="stat${curve ? " curved" : ""}"><b style="font-size:${size}px;color:${tint}">${escaped(number)}<small>${escaped(rest)}</small></b>${curve}</div>`;
  }).join("");
}

function spark(values, tint) {
  const known = values.filter(([, value]) => value != null);
  if (known.length < 2) return "";
  const [from, to] = [known[0][0], known.at(-1)[0]];
  const numbers = known.map(([, value]) => value);
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  const place = ([at, value]) => `${(((at - from) / (to - from)) * 100).toFixed(2)},${(high === low ? 20 : 38 - ((value - low) / (high - low)) * 34).toFixed(2)}`;
  const line = known.map(place).join(" ");
  return `<svg viewBox="0 0 100 40" preserveAspectRatio="none"><polygon points="0,40 ${line} 100,40" fill="${tint}" opacity=".13"/>
    <polyline points="${line}" fill="none" stroke="${tint}" stroke-width="1.5" vector-effect="non-scaling-stroke" opacity=".75"/></svg>`;
}

export function bargauge(body, panel, found) {
  const { unit, decimals, thresholds, min = 0, max } = panel.fieldConfig.defaults;
  const top = max ?? Math.max(...found.map((series) => last(series) ?? 0), 1e-9);
  body.innerHTML = `<div class="bars">${found.map((series) => {
    const value = last(series);
    const tint = levelColour(value, thresholds);
    const width = Math.max(0, Math.min(1, (value - min) / (top - min))) * 100;
    return `<span class="name" title="${escaped(series.name)}">${escaped(series.name)}</span><span class="bar"><i style="width:${width}%;background:${tint}"></i></span>
      <span class="value" style="color:${tint}">${escaped(written(value, unit, decimals))}</span>`;
  }).join("")}</div>`;
}

// The transformations "merge" and "organize", which are all that our tables have.
export function table(body, panel, found, targets) {
  const merged = new Map();
  for (const series of found) {
    const key = JSON.stringify(Object.entries(series.labels).sort());
    const name = targets.length === 1 ? "Value" : `Value #${series.refId}`;
    merged.set(key, { ...series.labels, ...merged.get(key), [name]: last(series) });
  }
  const { indexByName: order, renameByName: names } = panel.transformations.find(({ id }) => id === "organize").options;
  const columns = Object.keys(order).sort((one, other) => order[one] - order[other]);
  const looks = new Map(panel.fieldConfig.overrides.map(({ matcher, properties }) => [matcher.options, Object.fromEntries(properties.map(({ id, value }) => [id, value]))]));
  const sorted = Object.entries(names).find(([, name]) => name === panel.options.sortBy?.[0]?.displayName)?.[0];
  const rows = [...merged.values()].sort((one, other) => (other[sorted] ?? -1) - (one[sorted] ?? -1));
  const cell = (row, column) => {
    const look = looks.get(names[column]);
    if (!look) return `<td>${escaped(row[column] ?? "").replaceAll("/", "/<wbr>")}</td>`;
    const tint = look["custom.cellOptions"] ? levelColour(row[column], look.thresholds) : colour("text");
    return `<td class="number" style="color:${tint}">${escaped(written(row[column], look.unit, look.decimals))}</td>`;
  };
  body.innerHTML = `<div class="scroll"><table><thead><tr>${columns.map((column) => `<th class="${looks.has(names[column]) ? "number" : ""}">${escaped(names[column])}</th>`).join("")}</tr></thead>
    <tbody>${rows.map((row) => `<tr>${columns.map((column) => cell(row, column)).join("")}</tr>`).join("")}</tbody></table></div>`;
}
