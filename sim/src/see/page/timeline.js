// ---- The timeline: the plan, lanes of nodes, messages between them, what they say; and the overview above it.

/** More copies in view than this are drawn as bars of how many there were. */
const MOST_LINES = 2500, MOST_NOTES = 1500;
const AXIS = 26, PLAN_ROW = 19, PLAN_WORDS = 340, BAR = 3;

/** Where things are in the timeline; heights in pixels. */
const lay = { lane: 24, planRows: 0, top: AXIS, lanes: 0, height: 0, scroll: 0 };
/** What was drawn last, for the pointer: segments of copies, dots of notes, lines of the plan, moments. */
const drawn = { copies: [], notes: [], plan: [], moments: [], dense: false, count: 0 };
let selected = -1;

function layOut() {
  const room = Math.max(280, Math.min(window.innerHeight * 0.68, 760)), count = Math.max(1, lanes.length);
  lay.lane = Math.min(46, Math.max(12, room / count));
  lay.planRows = planRows();
  lay.top = AXIS + (lay.planRows ? lay.planRows * PLAN_ROW + 6 : 0);
  lay.lanes = Math.max(lay.lane * count, 60);
  lay.height = Math.round(lay.top + Math.min(lay.lanes, room) + 4);
  lay.scroll = 0;
}

/** As many rows as the plan needs when all of it is in view, four at the most. */
function planRows() {
  const ends = [];
  const width = Math.max(400, $("chart").clientWidth - GUTTER), second = width / (whole.t1 - whole.t0);
  for (const [at, until, text] of data.plan) {
    const from = at * second, to = Math.max((until ?? at) * second, from + Math.min(PLAN_WORDS, 14 + text.length * 6.5));
    const row = ends.findIndex((end) => end <= from);
    ends[row < 0 ? ends.length : row] = to;
  }
  return Math.min(4, ends.length);
}

const rowY = (row) => lay.top + (row + 0.5) * lay.lane - lay.scroll;
const laneY = (lane) => rowY(rows[lane]);

function drawTimeline() {
  const canvas = $("timeline"), { context: g, width, height, plot } = prepare(canvas, lay.height);
  const { x } = scale(view, plot);
  lay.scroll = Math.max(0, Math.min(lay.scroll, lay.lanes - (height - lay.top - 4)));
  drawAxis(g, x, plot, height);
  g.save();
  g.beginPath();
  g.rect(0, lay.top, width, height - lay.top);
  g.clip();
  drawLanes(g, width, height);
  g.beginPath();
  g.rect(GUTTER, lay.top, plot + PAD, height - lay.top);
  g.clip();
  drawPlanShades(g, x, height);
  collect(x);
  if (drawn.dense) drawBars(g, x, plot); else drawLines(g);
  drawNotes(g, x);
  g.restore();
  drawPlan(g, x, plot);
  drawMoments(g, x, plot, height);
  const span = view.t1 - view.t0, step = span / 1000;
  $("range").textContent = `${moment(view.t0, step)} to ${moment(view.t1, step)}, ${number(drawn.count)} `
    + (drawn.dense ? "copies: zoom in for each" : "copies");
}

function drawAxis(g, x, plot, height) {
  g.font = `11.5px ${colours.mono}`;
  g.textAlign = "center";
  g.lineWidth = 1;
  ticks(plot, 110, (time, step) => {
    const at = Math.round(x(time)) + 0.5;
    g.strokeStyle = colours.lane;
    g.beginPath();
    g.moveTo(at, AXIS - 5);
    g.lineTo(at, height);
    g.stroke();
    g.fillStyle = colours.soft;
    if (at > GUTTER + 20 && at < GUTTER + plot - 20) g.fillText(moment(time, step), at, AXIS / 2);
  });
}

function drawLanes(g, width, height) {
  const small = lay.lane < 16;
  g.font = `${small ? 10.5 : 12.5}px ${colours.mono}`;
  g.textAlign = "right";
  lanes.forEach((lane, row) => {
    const y = Math.round(rowY(row)) + 0.5;
    if (y < lay.top - lay.lane || y > height + lay.lane) return;
    g.strokeStyle = colours.rule;
    g.beginPath();
    g.moveTo(GUTTER, y);
    g.lineTo(width - PAD, y);
    g.stroke();
    const chosen = filter.nodes?.has(lane);
    g.fillStyle = chosen ? colours.accent : lane === ELSEWHERE ? colours.soft : colours.ink;
    g.fillText(clipped(g, (chosen ? "● " : "") + names[lane], GUTTER - 18), GUTTER - 10, y);
  });
}

/** Counts what is in view, and keeps it for the pointer where it is little enough. */
function collect(x) {
  drawn.copies.length = 0;
  drawn.count = 0;
  const last = firstSince(view.t1 + 1);
  for (let d = firstSince(view.t0 - C.longest); d < last; d++) {
    if (rows[D.src[d]] < 0 || rows[D.dst[d]] < 0) continue;
    for (let c = D.first[d]; c < D.first[d + 1]; c++) {
      if (!shown.copies[c] || C.end[c] < view.t0) continue;
      drawn.count++;
      if (drawn.count <= MOST_LINES) drawn.copies.push(c);
    }
  }
  drawn.dense = drawn.count > MOST_LINES;
  if (drawn.dense) drawn.copies.length = 0;
  drawn.copies = drawn.copies.map((c) => segment(c, x));
}

/** A copy as a line from sender to receiver; one lost where it was sent is a stub towards the receiver. */
function segment(c, x) {
  const d = C.of[c], from = laneY(D.src[d]), to = laneY(D.dst[d]), kind = classOf(C.kind[c]);
  const line = { c, kind, x0: x(D.at[d]), y0: from, x1: x(C.end[c]), y1: to, stub: false };
  if (kind === 2 && C.end[c] === D.at[d]) {
    const length = Math.min(lay.lane * 0.8, 22), down = Math.sign(to - from);
    line.x1 = line.x0 + length * 0.55;
    line.y1 = from + length * 0.75 * down;
    line.stub = true;
  }
  return line;
}

function drawLines(g) {
  const many = drawn.copies.length;
  for (const kind of [3, 0, 1, 2]) {
    const lines = drawn.copies.filter((line) => line.kind === kind);
    g.strokeStyle = g.fillStyle = colours[CLASSES[kind]];
    g.globalAlpha = many > 900 ? (kind === 0 ? 0.45 : 0.9) : 0.9;
    g.lineWidth = many <= 900 ? 1.2 : kind === 0 ? 0.8 : 1.4;
    g.setLineDash(kind === 3 ? [4, 4] : []);
    g.beginPath();
    for (const { x0, y0, x1, y1 } of lines) {
      g.moveTo(x0, y0);
      // To itself: a bow, or nothing would be seen.
      if (y0 === y1) g.quadraticCurveTo((x0 + x1) / 2, y0 - lay.lane * 0.7, x1, y1); else g.lineTo(x1, y1);
    }
    g.stroke();
    g.setLineDash([]);
    if (many <= 900) lines.forEach((line) => drawEnd(g, line));
  }
  g.globalAlpha = 1;
  g.lineWidth = 1;
  const chosen = drawn.copies.find((line) => line.c === selected);
  if (!chosen) return;
  g.lineWidth = 3;
  g.strokeStyle = g.fillStyle = colours[CLASSES[chosen.kind]];
  g.beginPath();
  g.moveTo(chosen.x0, chosen.y0);
  g.lineTo(chosen.x1, chosen.y1);
  g.stroke();
  for (const [at, y] of [[chosen.x0, chosen.y0], [chosen.x1, chosen.y1]]) {
    g.beginPath();
    g.arc(at, y, 4.5, 0, 7);
    g.fill();
  }
  g.lineWidth = 1;
}

/** A head where it arrived, a cross where it was lost. */
function drawEnd(g, { kind, x0, y0, x1, y1 }) {
  if (kind === 3) return;
  g.beginPath();
  if (kind === 2) {
    g.moveTo(x1 - 3, y1 - 3);
    g.lineTo(x1 + 3, y1 + 3);
    g.moveTo(x1 - 3, y1 + 3);
    g.lineTo(x1 + 3, y1 - 3);
    g.stroke();
    return;
  }
  const angle = Math.atan2(y1 - y0, x1 - x0), length = Math.min(7, lay.lane * 0.4);
  g.moveTo(x1, y1);
  g.lineTo(x1 - length * Math.cos(angle - 0.4), y1 - length * Math.sin(angle - 0.4));
  g.lineTo(x1 - length * Math.cos(angle + 0.4), y1 - length * Math.sin(angle + 0.4));
  g.fill();
}

/** Bars on each sender's lane: how many it sent in a few pixels, and what became of them. */
function drawBars(g, x, plot) {
  // Only of the lanes in view: there may be thousands.
  const top = Math.floor(lay.scroll / lay.lane), count = Math.ceil((lay.height - lay.top) / lay.lane) + 1;
  const columns = Math.ceil(plot / BAR) + 1, bars = new Uint32Array(count * columns * 4);
  const last = firstSince(view.t1 + 1);
  for (let d = firstSince(view.t0); d < last; d++) {
    const row = rows[D.src[d]] - top;
    if (rows[D.src[d]] < 0 || rows[D.dst[d]] < 0 || row < 0 || row >= count) continue;
    const place = (row * columns + Math.floor((x(D.at[d]) - GUTTER) / BAR)) * 4;
    for (let c = D.first[d]; c < D.first[d + 1]; c++) {
      if (shown.copies[c]) bars[place + classOf(C.kind[c])]++;
    }
  }
  const totals = new Uint32Array(count * columns);
  bars.forEach((copies, place) => { totals[place >> 2] += copies; });
  const most = usual(totals);
  const full = lay.lane - Math.min(4, lay.lane * 0.2);
  for (const kind of [0, 3, 1, 2]) {
    g.fillStyle = colours[CLASSES[kind]];
    g.beginPath();
    for (let row = 0; row < count; row++) {
      const bottom = rowY(row + top) + lay.lane / 2 - 1;
      for (let column = 0; column < columns; column++) {
        const place = (row * columns + column) * 4, copies = bars[place + kind];
        if (copies === 0) continue;
        const below = { 0: 0, 3: bars[place], 1: bars[place] + bars[place + 3],
          2: bars[place] + bars[place + 3] + bars[place + 1] }[kind];
        const low = Math.min(full, below * full / most), high = Math.min(full, (below + copies) * full / most);
        // What was lost is seen even at the end of a bar that is cut off.
        const tall = Math.max(kind === 2 && below >= most ? 2 : 1, high - low);
        g.rect(GUTTER + column * BAR, bottom - Math.min(full - tall, low) - tall, BAR, tall);
      }
    }
    g.fill();
  }
}

function drawNotes(g, x) {
  drawn.notes.length = 0;
  const all = [];
  for (let n = 0; n < data.notes.length; n++) {
    const [at, addr] = data.notes[n], lane = laneAt(addr);
    if (shown.notes[n] && at >= view.t0 && at <= view.t1 && rows[lane] >= 0) all.push({ n, x: x(at), y: laneY(lane) });
  }
  if (drawn.dense || all.length > MOST_NOTES) return;
  drawn.notes = all;
  g.fillStyle = colours.note;
  const size = all.length > 400 ? 2 : 3.2;
  g.beginPath();
  for (const { x: at, y } of all) {
    g.moveTo(at, y - size);
    g.lineTo(at + size, y);
    g.lineTo(at, y + size);
    g.lineTo(at - size, y);
  }
  g.fill();
}

/** The lanes are shaded where something of the plan holds. */
function drawPlanShades(g, x, height) {
  g.fillStyle = colours.plan;
  for (const [at, until] of data.plan) {
    if (until !== null && until >= view.t0 && at <= view.t1) {
      g.globalAlpha = 0.055;
      g.fillRect(x(at), lay.top, Math.max(1, x(until) - x(at)), height - lay.top);
    } else if (until === null && at >= view.t0 && at <= view.t1) {
      g.globalAlpha = 0.3;
      g.fillRect(Math.round(x(at)), lay.top, 1, height - lay.top);
    }
  }
  g.globalAlpha = 1;
}

function drawPlan(g, x, plot) {
  drawn.plan.length = 0;
  if (lay.planRows === 0) return;
  const ends = new Array(lay.planRows).fill(-Infinity), top = AXIS + 2;
  g.font = `12px ${colours.sans}`;
  g.textAlign = "right";
  g.fillStyle = colours.plan;
  g.fillText("plan", GUTTER - 10, top + PLAN_ROW / 2);
  g.textAlign = "left";
  g.save();
  g.beginPath();
  g.rect(GUTTER, AXIS, plot + PAD, lay.top - AXIS);
  g.clip();
  data.plan.forEach(([at, until, text], nth) => {
    if ((until ?? at) < view.t0 || at > view.t1) return;
    const from = Math.max(x(at), GUTTER - 4), to = Math.min(x(until ?? at), GUTTER + plot + PAD);
    const words = g.measureText(text).width + 16, end = Math.max(to, from + Math.min(words, PLAN_WORDS));
    let row = ends.findIndex((used) => used <= from);
    if (row < 0) row = ends.indexOf(Math.min(...ends));
    // Where there is no room for words beside the ones before, there is a mark without.
    const free = ends[row] <= from, y = top + row * PLAN_ROW;
    g.fillStyle = colours["plan-fill"];
    g.beginPath();
    g.roundRect(from, y, Math.max(3, until === null ? 3 : to - from), PLAN_ROW - 3, 3);
    g.fill();
    g.fillStyle = colours.plan;
    g.fillRect(from, y, 2, PLAN_ROW - 3);
    g.fillStyle = colours.ink;
    if (free) g.fillText(clipped(g, text, end - from - 12), from + 7, y + PLAN_ROW / 2 - 1);
    ends[row] = Math.max(ends[row], end + 3);
    drawn.plan.push({ nth, x0: from, x1: Math.max(to, free ? end : from + 4), y0: y, y1: y + PLAN_ROW });
  });
  g.restore();
}

/** Violations across all lanes, marks on the axis. */
function drawMoments(g, x, plot, height) {
  drawn.moments.length = 0;
  const inView = (at) => at !== null && at >= view.t0 && at <= view.t1;
  for (const [at, text] of data.violations) {
    if (!inView(at)) continue;
    const to = Math.round(x(at));
    g.fillStyle = colours.bad;
    g.fillRect(to - 0.75, AXIS - 8, 1.5, height - AXIS + 8);
    g.beginPath();
    g.arc(to, AXIS - 9, 4.5, 0, 7);
    g.fill();
    drawn.moments.push({ x: to, text: `${moment(at, 1e3)}  violated: ${text}` });
  }
  for (const [name, , at] of data.marks) {
    if (!inView(at)) continue;
    const to = x(at);
    g.fillStyle = colours.note;
    g.beginPath();
    g.moveTo(to - 4.5, AXIS - 8);
    g.lineTo(to + 4.5, AXIS - 8);
    g.lineTo(to, AXIS);
    g.fill();
    drawn.moments.push({ x: to, text: `${moment(at, 1e3)}  first: ${name}` });
  }
}

/** The height of the scale: one bar in a hundred may be cut off, or a single burst would flatten all the others. */
function usual(counts) {
  const some = counts.filter((count) => count > 0).sort();
  return some[Math.floor((some.length - 1) * 0.99)] ?? 1;
}

/** How many were sent and lost in each column of the overview; until the filter or the width changes. */
let strip = null;
function stripOf(plot) {
  if (strip?.plot === plot) return strip;
  const columns = Math.ceil(plot / BAR) + 1, sent = new Uint32Array(columns), lost = new Uint32Array(columns);
  const { x } = scale(whole, plot);
  for (let c = 0; c < C.count; c++) {
    if (!shown.copies[c]) continue;
    const column = Math.floor((x(D.at[C.of[c]]) - GUTTER) / BAR);
    sent[column]++;
    if (classOf(C.kind[c]) === 2) lost[column]++;
  }
  strip = { plot, sent, lost };
  return strip;
}

/** The whole run in one strip: what was sent, the part of it that was lost, the plan, and what is in view. */
function drawOverview() {
  const { context: g, height, plot } = prepare($("overview"), 48), { x } = scale(whole, plot);
  const { sent, lost } = stripOf(plot);
  const most = usual(sent);
  g.fillStyle = colours["plan-fill"];
  for (const [at, until] of data.plan) g.fillRect(x(at), 0, Math.max(1.5, x(until ?? at) - x(at)), height);
  for (const [counts, colour] of [[sent, "flight"], [lost, "lost"]]) {
    g.fillStyle = colours[colour];
    counts.forEach((count, column) => {
      const tall = Math.min(height - 4, count * (height - 10) / most);
      if (count) g.fillRect(GUTTER + column * BAR, height - Math.max(1, tall), BAR, Math.max(1, tall));
    });
  }
  g.font = `12px ${colours.sans}`;
  g.textAlign = "right";
  g.fillStyle = colours.soft;
  g.fillText("whole run", GUTTER - 10, height / 2);
  const [from, to] = [x(view.t0), x(view.t1)];
  g.fillStyle = colours.card;
  g.globalAlpha = 0.72;
  g.fillRect(GUTTER, 0, from - GUTTER, height);
  g.fillRect(to, 0, GUTTER + plot - to, height);
  g.globalAlpha = 1;
  g.strokeStyle = colours.accent;
  g.lineWidth = 2;
  g.strokeRect(from, 1, Math.max(3, to - from), height - 2);
  g.lineWidth = 1;
}

