// ---- Pointer, wheel and keys; and the start.

/** Has a canvas whose horizontal direction is the time in view moved and zoomed by pointer and wheel. */
function bindTime(canvas, { hover, click = () => {}, leave = () => {}, vertical = false, axis = 0 }) {
  let drag = null;
  const plot = () => canvas.clientWidth - GUTTER - PAD, timeAt = (x) => scale(view, plot()).time(x);
  canvas.addEventListener("wheel", (event) => {
    const sideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
    // Without a click before it the wheel is the page's, which would be hard to get past otherwise.
    if (!sideways && !event.ctrlKey && !event.metaKey && document.activeElement !== $("timeline")) return;
    event.preventDefault();
    const by = event.deltaMode === 0 ? 1 : 30;
    if (sideways) pan((event.deltaX || event.deltaY) * by / 1500);
    else zoom(Math.exp(Math.max(-300, Math.min(300, event.deltaY * by)) / 500), timeAt(event.offsetX));
  }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    drag = { x: event.offsetX, y: event.offsetY, scroll: lay.scroll, t0: view.t0, t1: view.t1, moved: false, range: event.offsetY < axis };
    $("timeline").focus({ preventScroll: true });
  });
  canvas.addEventListener("pointermove", (event) => {
    moveCursor(event);
    if (!drag) return hover(event);
    if (Math.abs(event.offsetX - drag.x) + Math.abs(event.offsetY - drag.y) > 4) drag.moved = true;
    if (!drag.moved) return;
    if (drag.range) return showTip(event, `${duration(Math.abs(timeAt(event.offsetX) - timeAt(drag.x)))}: let go to see it`);
    showTip(event, "");
    canvas.classList.add("dragging");
    const by = (drag.x - event.offsetX) * (drag.t1 - drag.t0) / plot();
    if (vertical) lay.scroll = drag.scroll + drag.y - event.offsetY;
    setView(drag.t0 + by, drag.t1 + by);
  });
  const end = (event) => {
    canvas.classList.remove("dragging");
    if (drag && !drag.moved && event.type === "pointerup") click(event);
    if (drag?.moved && drag.range) setView(timeAt(drag.x), timeAt(event.offsetX));
    drag = null;
  };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
  canvas.addEventListener("pointerleave", () => {
    $("cursor").hidden = true;
    showTip(null, "");
    leave();
  });
  canvas.addEventListener("dblclick", (event) => event.offsetX > GUTTER && zoom(0.25, timeAt(event.offsetX)));
}

function moveCursor(event) {
  const cursor = $("cursor"), x = event.clientX - $("chart").getBoundingClientRect().left;
  cursor.hidden = x < GUTTER;
  cursor.style.left = `${x}px`;
}

function bindOverview() {
  const canvas = $("overview");
  let from = null;
  const timeAt = (event) => scale(whole, canvas.clientWidth - GUTTER - PAD).time(event.offsetX);
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    from = timeAt(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (from === null) return;
    const to = timeAt(event);
    if (Math.abs(to - from) > (whole.t1 - whole.t0) / 400) setView(from, to);
  });
  canvas.addEventListener("pointerup", (event) => {
    const to = timeAt(event), half = (view.t1 - view.t0) / 2;
    // A click moves what is in view there.
    if (from !== null && Math.abs(to - from) <= (whole.t1 - whole.t0) / 400) setView(to - half, to + half);
    from = null;
  });
}

/** What is under the pointer: a copy, a note, a line of the plan, a moment; or nothing. */
function under({ offsetX: x, offsetY: y }) {
  if (y < lay.top) {
    const moment = y < AXIS && drawn.moments.find((moment) => Math.abs(moment.x - x) < 6);
    const line = drawn.plan.findLast(({ x0, x1, y0, y1 }) => x >= x0 && x <= x1 && y >= y0 && y <= y1);
    return moment ? { moment } : line ? { plan: line.nth } : {};
  }
  const note = drawn.notes.find((note) => Math.hypot(note.x - x, note.y - y) < 5);
  if (note) return { note: note.n, more: drawn.notes.filter((other) => other !== note && Math.hypot(other.x - x, other.y - y) < 5).map(({ n }) => n) };
  let best = { distance: 7 };
  for (const line of drawn.copies) {
    const dx = line.x1 - line.x0, dy = line.y1 - line.y0, square = dx * dx + dy * dy || 1;
    const along = Math.max(0, Math.min(1, ((x - line.x0) * dx + (y - line.y0) * dy) / square));
    const distance = Math.hypot(line.x0 + along * dx - x, line.y0 + along * dy - y);
    if (distance < best.distance) best = { distance, copy: line.c };
  }
  return best;
}

/** Everything there is to say of a copy, as pairs. */
function factsOf(c) {
  const d = C.of[c], kind = C.kind[c], raw = D.raw, sender = raw.sender[d], step = 1e3;
  const facts = [["datagram", `${nameOf(raw.src[d])} → ${nameOf(raw.dst[d])}`],
    ["number", sender === -2 ? `injected ${raw.number[d]}` : sender === -1 ? `${raw.number[d]}` : `${raw.number[d]} of ${nameOf(sender)}`],
    ["length", `${number(raw.len[d])} bytes`], ["sent", moment(D.at[d], step)]];
  const lost = classOf(kind) === 2;
  if (kind === FLIGHT) facts.push(["fate", "in flight at the end"]);
  else {
    const took = C.end[c] - D.at[d], after = took > 0 ? `, after ${duration(took)}` : ", at once";
    facts.push([lost ? `lost: ${kindName(kind)}` : kindName(kind), moment(C.end[c], step) + after]);
  }
  if (raw.copies[d] > 1) facts.push(["copies", `this is ${c - D.first[d] + 1} of ${raw.copies[d]}`]);
  const hex = hexOf(d).replace(/(..)/g, "$1 ").trim();
  if (hex) facts.push(["bytes", hex + (raw.len[d] > raw.shown ? " …" : "")]);
  return facts;
}

function select(c) {
  selected = c;
  const box = $("details");
  box.parentElement.classList.toggle("chosen", c >= 0);
  if (c < 0) {
    box.replaceChildren(C.count ? "Point at a message for what became of it, click it to keep that here." : "Nothing was sent.");
  } else {
    box.replaceChildren(el("dl", {}, ...factsOf(c).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))));
  }
  redraw();
}

/** The next copy that is shown, or the one before, brought into view. */
function step(by) {
  let c = selected < 0 ? (by > 0 ? D.first[firstSince(view.t0)] - 1 : D.first[firstSince(view.t1)]) : selected;
  do c += by; while (c >= 0 && c < C.count && !shown.copies[c]);
  if (c < 0 || c >= C.count) return;
  const at = D.at[C.of[c]], span = view.t1 - view.t0, near = Math.max(C.end[c] - at, 1e5) * 12;
  if (at < view.t0 || C.end[c] > view.t1 || drawn.dense) setView(at - Math.min(span, near) / 3, at + Math.min(span, near) * 2 / 3);
  select(c);
}

function hoverTimeline(event) {
  const found = under(event), { time } = scale(view, $("timeline").clientWidth - GUTTER - PAD);
  if (found.copy !== undefined) {
    const facts = factsOf(found.copy), wide = Math.max(...facts.map(([name]) => name.length)) + 2;
    showTip(event, facts.map(([name, value]) => name.padEnd(wide) + value).join("\n"));
  } else if (found.note !== undefined) {
    const notes = [found.note, ...found.more], [, addr] = data.notes[found.note];
    const lines = notes.slice(0, 8).map((n) => `${moment(data.notes[n][0], 1e3)}  ${data.notes[n][2]}`);
    showTip(event, `${nameOf(addr)}\n${lines.join("\n")}${notes.length > 8 ? `\nand ${notes.length - 8} more` : ""}`);
  } else if (found.plan !== undefined) {
    const [at, until, text] = data.plan[found.plan];
    showTip(event, `${moment(at)}${until === null ? "" : ` to ${moment(until)}`}\n${text}`);
  } else if (found.moment) showTip(event, found.moment.text);
  else if (drawn.dense && event.offsetY > lay.top && event.offsetX > GUTTER) {
    const lane = lanes[Math.floor((event.offsetY - lay.top + lay.scroll) / lay.lane)];
    const [from, to] = [time(event.offsetX - 4), time(event.offsetX + 4)], counts = [0, 0, 0, 0];
    for (let d = firstSince(from), end = firstSince(to); d < end; d++) {
      for (let c = D.first[d]; D.src[d] === lane && c < D.first[d + 1]; c++) if (shown.copies[c]) counts[classOf(C.kind[c])]++;
    }
    const words = ["delivered", "spoilt", "lost", "in flight"].map((word, n) => counts[n] && `${number(counts[n])} ${word}`).filter(Boolean);
    showTip(event, lane === undefined ? "" : `${names[lane]} at about ${moment((from + to) / 2)}\n${words.length ? `sent: ${words.join(", ")}` : "sent nothing"}`);
  } else showTip(event, "");
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const far = event.shiftKey ? 0.5 : 0.1;
  const does = {
    ArrowLeft: () => pan(-far), ArrowRight: () => pan(far), PageUp: () => pan(-0.9), PageDown: () => pan(0.9),
    ArrowUp: () => { lay.scroll -= lay.lane * far * 20; redraw(); }, ArrowDown: () => { lay.scroll += lay.lane * far * 20; redraw(); },
    "+": () => zoom(0.7), "=": () => zoom(0.7), "-": () => zoom(1.4), "0": () => setView(whole.t0, whole.t1),
    Home: () => setView(whole.t0, whole.t0 + view.t1 - view.t0), End: () => setView(whole.t1 - view.t1 + view.t0, whole.t1),
    "[": () => step(-1), "]": () => step(1), Escape: () => select(-1),
  }[event.key];
  if (!does) return;
  event.preventDefault();
  does();
}

function fail(why) {
  document.documentElement.dataset.drawn = "failed";
  $("failure").hidden = false;
  $("failure").textContent = `This page could not be drawn: ${why}`;
}

/** What is in view at the start is everything, and where nothing was left out that is what the totals say. */
function checkSums() {
  const counts = [0, 0, 0, 0], { total } = data;
  C.kind.forEach((kind) => counts[classOf(kind)]++);
  const is = [drawn.count, ...counts].join();
  const expected = [total.copies, total.delivered - total.spoilt, total.spoilt, total.lost, total.inFlight].join();
  if (drawn.count !== C.count || (data.datagrams.count === total.sent && is !== expected)) {
    throw new Error(`of ${C.count} copies these are in view: ${is}, and in the totals: ${expected}`);
  }
}

function start() {
  readColours();
  $("left-out").hidden = data.leftOut === "";
  $("left-out").textContent = `Not everything was kept of this run, ${data.leftOut}. Totals are of all.`;
  $("replay").hidden = $("command").textContent === "";
  buildFigures();
  buildTables();
  buildTopology();
  buildPlots();
  bindFilters();
  bindOverview();
  bindTime($("timeline"), {
    hover: hoverTimeline, vertical: true, axis: AXIS,
    click: (event) => {
      const row = Math.floor((event.offsetY - lay.top + lay.scroll) / lay.lane);
      if (event.offsetX < GUTTER && event.offsetY > lay.top && lanes[row] !== undefined) toggleNode(lanes[row]);
      else select(under(event).copy ?? -1);
    },
  });
  $("timeline").addEventListener("keydown", onKey);
  $("zoom-in").addEventListener("click", () => zoom(0.5));
  $("zoom-out").addEventListener("click", () => zoom(2));
  $("zoom-all").addEventListener("click", () => setView(whole.t0, whole.t1));
  $("copy").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText($("command").textContent);
      $("copy").textContent = "copied";
    } catch {
      // Not every browser lets a file do that: then it is at least selected.
      getSelection().selectAllChildren($("command"));
    }
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColours(); redraw(); });
  window.addEventListener("resize", () => { layOut(); redraw(); });
  applyFilter();
  layOut();
  select(-1);
  // Drawn once at once, so that what fails in it is noticed here.
  drawOverview();
  drawTimeline();
  drawPlots();
  checkSums();
  document.documentElement.dataset.drawn = "yes";
}

window.addEventListener("error", (event) => fail(event.message));
try {
  start();
} catch (why) {
  fail(why.message);
  throw why;
}
