// Values, colours and names as Grafana writes them.

// How much larger than usual the page is written: page.css says when.
export const SCALE = parseFloat(getComputedStyle(document.documentElement).fontSize) / 13;

export const COLOURS = {
  green: "#73BF69", yellow: "#FADE2A", orange: "#FF9830", red: "#F2495C", blue: "#5794F2", purple: "#B877D9", text: "#CCCCDC",
};
// The classic palette's first colours.
export const PALETTE = [
  "#7EB26D", "#EAB839", "#6ED0E0", "#EF843C", "#E24D42", "#1F78C1", "#BA43A9", "#705DA0", "#508642", "#CCA300", "#447EBC", "#C15C17",
];
const RATES = { reqps: " req/s", ops: " ops/s", opm: " ops/min", cps: " c/s" };
const TIMES = [[1e-6, "ns", 1e9], [1e-3, "µs", 1e6], [1, "ms", 1e3], [60, "s", 1], [3600, "min", 1 / 60], [86400, "h", 1 / 3600], [Infinity, "d", 1 / 86400]];

export const colour = (name) => COLOURS[name] ?? name;

const digits = (value, decimals) => {
  const wanted = decimals ?? (value === 0 || Number.isInteger(value) ? 0 : Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0);
  return value.toLocaleString("en", { minimumFractionDigits: decimals ?? 0, maximumFractionDigits: wanted, useGrouping: false });
};

const scaled = (value, base, names, decimals) => {
  let power = 0;
  while (Math.abs(value) >= base && power < names.length - 1) { value /= base; power += 1; }
  return [digits(value, power ? (decimals || 1) : decimals), names[power]];
};

// The number and its unit, apart.
export function parts(value, unit, decimals) {
  if (value == null) return ["", ""];
  switch (unit) {
    case "percentunit": return [digits(value * 100, decimals), "%"];
    case "s": {
      if (value === 0) return ["0", " s"];
      const [, name, factor] = TIMES.find(([limit]) => Math.abs(value) < limit);
      return [digits(value * factor, decimals), ` ${name}`];
    }
    case "bytes": return scaled(value, 1024, [" B", " KiB", " MiB", " GiB", " TiB"], decimals);
    default: {
      const [number, prefix] = scaled(value, 1000, ["", " K", " Mil", " Bil"], decimals);
      return [number, prefix + (RATES[unit] ?? "")];
    }
  }
}

export const written = (value, unit, decimals) => parts(value, unit, decimals).join("");

export function levelColour(value, thresholds) {
  let found = "green";
  for (const step of thresholds?.steps ?? []) if (step.value == null || value >= step.value) found = step.color;
  return colour(found);
}

export const legend = (format, labels) =>
  format ? format.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, name) => labels[name] ?? "") : Object.entries(labels).map(([name, value]) => `${name}="${value}"`).join(", ");

export const escaped = (text) => String(text).replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);

// Plotly takes times as they are written: in the browser's time zone.
export const local = (seconds) => {
  const at = new Date(seconds * 1000);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60000).toISOString().slice(0, 23).replace("T", " ");
};
