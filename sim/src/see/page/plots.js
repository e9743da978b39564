// ---- Counters over the time in view, and the topology.

const PLOT = 84, FEW = 6;
/** By name of the counter: lines of lane, times and values. */
const counters = new Map();
for (const [name, addr, at, values] of data.counters) {
  if (!counters.has(name)) counters.set(name, []);
  counters.get(name).push({ lane: laneAt(addr), at, values, rates: rates(at, values) });
}
const charts = [];
let asRates = false, allPlots = false;
const SOME = 8;

/** How fast a counter grew up to each sample, per second. */
function rates(at, values) {
  return values.map((value, n) => n === 0 || at[n] === at[n - 1] ? 0 : (value - values[n - 1]) * 1e9 / (at[n] - at[n - 1]));
}

function buildPlots() {
  // What never changes is no picture: it comes last.
  const flat = (lines) => lines.every(({ values }) => values.every((value) => value === values[0]));
  const order = [...counters].sort(([a, x], [b, y]) => flat(x) - flat(y) || (a < b ? -1 : 1));
  for (const [name, lines] of order) {
    const canvas = el("canvas", { role: "img", ariaLabel: `${name} over time, by node` });
    canvas.hidden = charts.length >= SOME;
    $("plots").append(canvas);
    charts.push({ name, lines, canvas, drawn: [] });
    bindTime(canvas, { hover: (event) => hoverPlot(event, charts.find((chart) => chart.canvas === canvas)) });
  }
  $("plot-tools").hidden = charts.length === 0;
  const more = $("more-plots");
  more.hidden = charts.length <= SOME;
  more.textContent = `all ${charts.length} counters`;
  more.addEventListener("click", () => {
    allPlots = true;
    more.hidden = true;
    charts.forEach(({ canvas }) => { canvas.hidden = false; });
    redraw();
  });
  $("rates").addEventListener("change", (event) => {
    asRates = event.target.checked;
    redraw();
  });
}

const palette = () => [1, 2, 3, 4, 5, 6].map((nth) => colours[`line-${nth}`]);

function drawPlots() {
  charts.forEach((chart, nth) => (allPlots || nth < SOME) && drawPlot(chart));
}

function drawPlot(chart) {
  const { context: g, height, plot, width } = prepare(chart.canvas, PLOT), { x } = scale(view, plot);
  const lines = chart.lines.filter(({ lane }) => !filter.nodes || filter.nodes.has(lane));
  // A step more on either side, so that lines leave the picture.
  chart.drawn = lines.map((line) => {
    const from = Math.max(0, line.at.findLastIndex((at) => at < view.t0)), values = asRates ? line.rates : line.values;
    const next = line.at.findIndex((at) => at > view.t1);
    const to = next < 0 ? line.at.length : next + 1;
    return { lane: line.lane, at: line.at.slice(from, to), values: values.slice(from, to) };
  }).filter(({ at }) => at.length);
  let most = 0, least = Infinity;
  for (const { values } of chart.drawn) for (const value of values) { most = Math.max(most, value); least = Math.min(least, value); }
  // A counter that has come far is shown from where it stands, or its line would lie on the upper edge.
  const low = least > most * 0.6 && most > least ? least : 0, high = most > low ? most : low + 1;
  const y = (value) => height - 8 - (value - low) * (height - 28) / (high - low);
  Object.assign(chart, { x, y });
  g.strokeStyle = colours.lane;
  ticks(plot, 110, (time) => {
    g.beginPath();
    g.moveTo(Math.round(x(time)) + 0.5, 0);
    g.lineTo(Math.round(x(time)) + 0.5, height);
    g.stroke();
  });
  g.save();
  g.beginPath();
  g.rect(GUTTER, 0, plot + PAD, height);
  g.clip();
  const few = chart.drawn.length <= FEW;
  g.lineWidth = few ? 1.6 : 1;
  g.globalAlpha = few ? 1 : 0.4;
  chart.drawn.forEach(({ at, values }, nth) => {
    g.strokeStyle = few ? palette()[nth] : colours.accent;
    g.beginPath();
    at.forEach((time, n) => {
      if (n > 0) g.lineTo(x(time), y(values[n - 1]));
      g.lineTo(x(time), y(values[n]));
    });
    g.stroke();
  });
  g.restore();
  drawPlotNames(g, chart, { low, high, height, few, width });
}

function drawPlotNames(g, chart, { low, high, height, few, width }) {
  g.globalAlpha = 1;
  g.lineWidth = 1;
  g.textAlign = "right";
  g.fillStyle = colours.ink;
  g.font = `12px ${colours.sans}`;
  // Long names break behind dots and where there are underscores.
  const parts = [""];
  for (const word of chart.name.replaceAll(".", ". ").replaceAll("_", " ").split(" ")) {
    const last = parts.length - 1, longer = `${parts[last]}${parts[last] && !parts[last].endsWith(".") ? " " : ""}${word}`;
    if (parts[last] && g.measureText(longer).width > GUTTER - 14) parts.push(word); else parts[last] = longer;
  }
  parts.forEach((part, n) => g.fillText(clipped(g, part, GUTTER - 12), GUTTER - 10, height / 2 + (n - (parts.length - 1) / 2) * 14.5));
  g.font = `10.5px ${colours.mono}`;
  g.fillStyle = colours.soft;
  const unit = asRates ? "/s" : "", short = (value) => number(Number(value.toPrecision(4))) + unit;
  g.fillText(short(high), GUTTER - 10, 10);
  g.fillText(short(low), GUTTER - 10, height - 8);
  if (!few || chart.drawn.length < 2) return;
  let right = width - PAD;
  [...chart.drawn.keys()].reverse().forEach((nth) => {
    g.fillStyle = palette()[nth];
    const name = names[chart.drawn[nth].lane];
    g.fillText(name, right, 10);
    right -= g.measureText(name).width + 10;
  });
}

function hoverPlot(event, chart) {
  const { time } = scale(view, chart.canvas.clientWidth - GUTTER - PAD), now = time(event.offsetX);
  let best = null;
  for (const { lane, at, values } of chart.drawn) {
    const n = at.findLastIndex((sample) => sample <= now);
    const distance = n < 0 ? Infinity : Math.abs(chart.y(values[n]) - event.offsetY);
    if (n >= 0 && (!best || distance < best.distance)) best = { lane, at: at[n], value: values[n], distance };
  }
  showTip(event, best && `${chart.name}\n${names[best.lane]} at ${moment(best.at)}: `
    + (asRates ? `${number(Number(best.value.toPrecision(4)))} a second` : number(best.value)));
}

// The topology.

const MOST_EDGES = 5000;
const svg = (name, attributes) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
};

/** Pairs of lanes, with what went between them both ways. */
function pairs() {
  const all = new Map();
  const pair = (a, b) => {
    const [low, high] = [laneAt(a), laneAt(b)].sort((x, y) => x - y), key = `${low}-${high}`;
    if (!all.has(key)) all.set(key, { low, high, known: false, sent: 0, copies: 0, lost: 0, ways: [] });
    return all.get(key);
  };
  data.edges.forEach(([a, b]) => { pair(a, b).known = true; });
  for (const [src, dst, sent, bytes, copies, lost] of data.ways) {
    const of = pair(src, dst);
    of.sent += sent;
    of.copies += copies;
    of.lost += lost;
    if (of.ways.length < 8) of.ways.push(`${nameOf(src)} → ${nameOf(dst)}: ${number(sent)} sent, ${size(bytes)}, ${number(lost)} lost`);
  }
  return [...all.values()].filter(({ low, high }) => low !== high);
}

/** Places on a circle; where there are few edges, moved until neighbours are near each other. The second is which. */
function places(count, edges) {
  const at = Array.from({ length: count }, (_, n) => {
    const turn = 2 * Math.PI * n / count - Math.PI / 2;
    return { x: Math.cos(turn), y: Math.sin(turn) };
  });
  const joined = new Set(edges.flatMap(({ low, high }) => [low, high]));
  if (count > 200 || count < 4 || edges.length > 3 * count || joined.size < count) return [at, true];
  const ideal = 1.6 / Math.sqrt(count);
  for (let heat = 0.08; heat > 0.001; heat *= 0.985) {
    // A pull to the middle keeps parts together that no edge joins.
    const force = at.map(({ x, y }) => ({ x: -x * ideal, y: -y * ideal }));
    const push = (a, b, strength) => {
      const dx = at[a].x - at[b].x, dy = at[a].y - at[b].y, distance = Math.hypot(dx, dy) || 1e-3;
      const by = strength(distance) / distance;
      force[a].x += dx * by; force[a].y += dy * by;
      force[b].x -= dx * by; force[b].y -= dy * by;
    };
    for (let a = 0; a < count; a++) for (let b = 0; b < a; b++) push(a, b, (distance) => ideal * ideal / distance);
    edges.forEach(({ low, high }) => push(low, high, (distance) => -distance * distance / ideal));
    force.forEach(({ x, y }, n) => {
      const length = Math.hypot(x, y) || 1, step = Math.min(length, heat) / length;
      at[n].x += x * step;
      at[n].y += y * step;
    });
  }
  const [xs, ys] = [at.map(({ x }) => x), at.map(({ y }) => y)];
  const middle = [(Math.max(...xs) + Math.min(...xs)) / 2, (Math.max(...ys) + Math.min(...ys)) / 2];
  const reach = Math.max(Math.max(...xs) - middle[0], Math.max(...ys) - middle[1], 1e-6);
  return [at.map(({ x, y }) => ({ x: (x - middle[0]) / reach, y: (y - middle[1]) / reach })), false];
}

/** The name of a node: in its circle where it fits, else below it, or outside of the round. */
function nameAt(name, lane, { x, y }, spot, radius, round) {
  const fits = name.length * 7.5 <= radius * 2, out = radius + 4;
  const place = fits ? { x, y, "data-lane": lane }
    : round ? { x: x + spot.x * out, y: y + spot.y * out, "data-lane": "", class: spot.x > 0.25 ? "right" : spot.x < -0.25 ? "left" : "" }
      : { x, y: y + radius + 8, "data-lane": "" };
  if (!fits && round && Math.abs(spot.x) <= 0.25) place.y += Math.sign(spot.y) * 6;
  const text = svg("text", place);
  text.textContent = name;
  return text;
}

function buildTopology() {
  const count = names.length, all = pairs(), box = $("topology");
  if (count === 0) return box.append(el("p", { className: "empty", textContent: "There are no nodes." }));
  if (count > 400 || all.length > MOST_EDGES) {
    const text = `${number(count)} nodes with ${number(all.length)} pairs that know or reach each other: too many for a picture. The export dot has them all.`;
    return box.append(el("p", { className: "empty", textContent: text }));
  }
  // Where it was said who knows whom, that is the shape, and what went elsewhere stands back.
  const known = data.edges.length ? all.filter((pair) => pair.known) : all, aside = known.length < all.length;
  const [spots, round] = places(count, known), dense = known.length > 200;
  const radius = Math.max(6, Math.min(20, 420 / count)), span = 300 - radius - (round ? 30 : 22);
  const at = spots.map(({ x, y }) => ({ x: 300 + x * span, y: 300 + y * span }));
  const picture = svg("svg", { viewBox: "0 0 600 600", role: "group", "aria-label": "Nodes and the ways between them" });
  all.sort((a, b) => a.known - b.known);
  for (const { low, high, known, sent, copies, lost, ways } of all) {
    const share = copies ? lost / copies : 0, level = share < 0.01 ? 0 : share < 0.1 ? 1 : share < 0.3 ? 2 : 3;
    const line = svg("line", { x1: at[low].x, y1: at[low].y, x2: at[high].x, y2: at[high].y,
      class: `${copies ? `l${level}` : "idle"}${!aside || known ? "" : all.length > 200 ? " aside faint" : " aside"}`,
      "stroke-width": dense ? 0.6 + Math.log10(1 + sent) / 4 : 1 + Math.log10(1 + sent) / 1.5 });
    line.append(svg("title", {}));
    line.firstChild.textContent = ways.length ? ways.join("\n") : `${names[low]}, ${names[high]}: nothing was sent`;
    picture.append(line);
  }
  at.forEach(({ x, y }, lane) => {
    const name = names[lane], node = svg("circle", { cx: x, cy: y, r: radius, tabindex: 0, role: "button", "aria-label": `only ${name}`, "data-lane": lane });
    node.append(svg("title", {}));
    node.firstChild.textContent = `${name}: click to see only what it sends and is sent`;
    node.addEventListener("click", () => toggleNode(lane));
    node.addEventListener("keydown", (event) => (event.key === "Enter" || event.key === " ") && (event.preventDefault(), toggleNode(lane)));
    picture.append(node, nameAt(name, lane, at[lane], spots[lane], radius, round));
  });
  const legend = el("p", { className: "legend" }, "Lost:");
  [["var(--faint)", "under 1 %"], ["var(--loss-1)", "under 10 %"], ["var(--loss-2)", "under 30 %"], ["var(--lost)", "more"]]
    .forEach(([colour, text]) => legend.append(el("i", { style: `background: ${colour}` }), text));
  box.append(picture, legend);
  if (aside) box.append(el("p", { className: "legend" }, "Pale lines are no edges of the topology, but something was sent there."));
}

function markTopology() {
  document.querySelectorAll("#topology [data-lane]").forEach((node) => {
    node.classList.toggle("on", node.dataset.lane !== "" && Boolean(filter.nodes?.has(Number(node.dataset.lane))));
  });
}

