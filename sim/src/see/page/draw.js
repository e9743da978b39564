// ---- What all pictures share: the view, colours, canvases, the axis.

/** From the left edge of a chart to where time begins; names stand there. */
const GUTTER = 116;
const PAD = 10;

const whole = (() => {
  const pad = Math.max((data.last - data.first) * 0.01, 1e5);
  return { t0: data.first - pad, t1: data.last + pad };
})();
/** The time in view, in nanoseconds. */
const view = { ...whole };

let colours = {};
function readColours() {
  const style = getComputedStyle(document.documentElement);
  const names = ["ink", "soft", "faint", "rule", "lane", "band", "card", "accent", "delivered", "spoilt", "lost",
    "flight", "note", "plan", "plan-fill", "bad", "line-1", "line-2", "line-3", "line-4", "line-5", "line-6"];
  colours = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  colours.mono = style.getPropertyValue("--mono").trim();
  colours.sans = style.getPropertyValue("--sans").trim();
}

/** The context of a canvas of this height, cleared, in CSS pixels. */
function prepare(canvas, height) {
  const width = canvas.clientWidth || canvas.parentElement.clientWidth, ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.textBaseline = "middle";
  return { context, width, height, plot: Math.max(1, width - GUTTER - PAD) };
}

/** Pixels to time and back. */
const scale = (range, plot) => ({
  x: (time) => GUTTER + (time - range.t0) * plot / (range.t1 - range.t0),
  time: (x) => range.t0 + (x - GUTTER) * (range.t1 - range.t0) / plot,
});

/** A round number of nanoseconds that is at least `least`. */
function roundStep(least) {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, least)));
  return [1, 2, 5, 10].map((times) => times * power).find((step) => step >= least) ?? 10 * power;
}

/** Calls `mark` for round moments in view, about one in so many pixels. */
function ticks(plot, every, mark) {
  const step = roundStep((view.t1 - view.t0) * every / plot);
  for (let time = Math.ceil(view.t0 / step) * step; time <= view.t1; time += step) mark(time, step);
}

/** Text of at the most this width. */
function clipped(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  let low = 0, high = text.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (context.measureText(`${text.slice(0, middle)}…`).width <= width) low = middle; else high = middle - 1;
  }
  return low > 0 ? `${text.slice(0, low)}…` : "";
}

function clampView() {
  const span = Math.min(Math.max(view.t1 - view.t0, 100), whole.t1 - whole.t0);
  view.t0 = Math.min(Math.max(view.t0, whole.t0), whole.t1 - span);
  view.t1 = view.t0 + span;
}

function setView(t0, t1) {
  view.t0 = Math.min(t0, t1);
  view.t1 = Math.max(t0, t1);
  clampView();
  redraw();
}

/** Zooms by a factor, with `time` staying where it is. */
function zoom(factor, time = (view.t0 + view.t1) / 2) {
  const most = whole.t1 - whole.t0, span = view.t1 - view.t0;
  const times = Math.min(Math.max(span * factor, 100), most) / span;
  setView(time - (time - view.t0) * times, time + (view.t1 - time) * times);
}

const pan = (share) => {
  const by = (view.t1 - view.t0) * share;
  setView(view.t0 + by, view.t1 + by);
};

/** Shows a moment with something around it. */
function jump(from, until = from) {
  const around = Math.max((until - from) * 0.25, Math.min((whole.t1 - whole.t0) / 40, 5e8));
  setView(from - around, until + around);
  $("chart").scrollIntoView({ block: "nearest" });
}

/** Everything in view is drawn again before the next frame. */
let pending = false;
function redraw() {
  if (pending) return;
  pending = true;
  requestAnimationFrame(() => {
    pending = false;
    drawOverview();
    drawTimeline();
    drawPlots();
  });
}

/** A box of words at the pointer, in the chart. */
function showTip(event, text) {
  const tip = $("tip");
  tip.hidden = !text;
  if (!text) return;
  tip.textContent = text;
  const box = $("chart").getBoundingClientRect();
  const x = event.clientX - box.left, y = event.clientY - box.top;
  const left = x + 16 + tip.offsetWidth > box.width ? x - 16 - tip.offsetWidth : x + 16;
  const top = Math.min(y + 14, box.height - tip.offsetHeight - 4);
  tip.style.left = `${Math.max(4, left)}px`;
  tip.style.top = `${Math.max(4, top)}px`;
}

