// ---- Which copies and notes are shown, and in which lanes.

const filter = { off: new Set(), notes: true, nodes: null, text: "" };
/** By copy and by note: 1 where it is shown. */
const shown = { copies: new Uint8Array(C.count).fill(1), notes: new Uint8Array(data.notes.length).fill(1) };
/** The lanes that are shown, from above, and the row of each lane, −1 for none. */
let lanes = names.map((_, lane) => lane);
const rows = new Int32Array(names.length);

/** Nodes by name, number or range of numbers; the second is whether there is something that is none. */
function parseNodes(text) {
  const found = new Set();
  let unknown = false;
  for (const token of text.split(/[\s,;]+/).filter(Boolean)) {
    const range = /^#?(\d+)-#?(\d+)$/.exec(token), before = found.size;
    const matches = ([addr, name]) => range
      ? addr >= Number(range[1]) && addr <= Number(range[2])
      : String(addr) === token.replace(/^#/, "") || name.toLowerCase() === token.toLowerCase();
    data.nodes.forEach((node, lane) => matches(node) && found.add(lane));
    unknown ||= found.size === before;
  }
  return [found.size ? found : null, unknown];
}

function applyFilter() {
  const { nodes, off, text } = filter;
  const kinds = Array.from({ length: FLIGHT + 1 }, (_, kind) => !off.has(kind));
  const kindMatches = kinds.map((_, kind) => text !== "" && kindName(kind).includes(text));
  const nameMatches = names.map((name) => text !== "" && name.toLowerCase().includes(text));
  const used = new Uint8Array(names.length);
  for (let c = 0; c < C.count; c++) {
    const d = C.of[c], src = D.src[d], dst = D.dst[d], kind = C.kind[c];
    const is = kinds[kind] && (!nodes || nodes.has(src) || nodes.has(dst))
      && (text === "" || kindMatches[kind] || nameMatches[src] || nameMatches[dst] || hexOf(d).includes(text));
    shown.copies[c] = is ? 1 : 0;
    if (is) used[src] = used[dst] = 1;
  }
  data.notes.forEach(([, addr, note], n) => {
    const lane = laneAt(addr);
    shown.notes[n] = filter.notes && (!nodes || nodes.has(lane))
      && (text === "" || nameMatches[lane] || note.toLowerCase().includes(text)) ? 1 : 0;
  });
  // Where nodes are chosen, their lanes and those of whom they deal with remain.
  lanes = names.map((_, lane) => lane).filter((lane) => !nodes || nodes.has(lane) || used[lane]);
  rows.fill(-1);
  lanes.forEach((lane, row) => { rows[lane] = row; });
}

/** Chooses a node besides the chosen ones, or no more. */
function toggleNode(lane) {
  const nodes = new Set(filter.nodes);
  if (!nodes.delete(lane)) nodes.add(lane);
  filter.nodes = nodes.size ? nodes : null;
  $("node-filter").value = [...nodes].sort((a, b) => a - b).map((lane) => names[lane].replace(/^#/, "")).join(", ");
  $("node-filter").classList.remove("unknown");
  refilter();
}

function refilter() {
  applyFilter();
  strip = null;
  layOut();
  redraw();
  markTopology();
}

function bindFilters() {
  const chips = $("chips");
  const counts = new Array(FLIGHT + 1).fill(0);
  counts[DELIVERED] = data.total.delivered - data.total.spoilt;
  counts[SPOILT] = data.total.spoilt;
  data.reasons.forEach(([, count], reason) => { counts[LOST + reason] = count; });
  counts[FLIGHT] = data.total.inFlight;
  const chip = (label, colour, count, set) => {
    const button = el("button", { type: "button", style: `--of: var(--${colour})` },
      el("i"), `${label} `, el("small", {}, number(count)));
    button.setAttribute("aria-pressed", "true");
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(on));
      set(on);
      refilter();
    });
    chips.append(button);
  };
  counts.forEach((count, kind) => {
    if (count === 0) return;
    const name = kind >= LOST && kind < FLIGHT ? `lost: ${kindName(kind)}` : kindName(kind);
    chip(name, CLASSES[classOf(kind)], count, (on) => on ? filter.off.delete(kind) : filter.off.add(kind));
  });
  if (data.notes.length) chip("notes", "note", data.notes.length, (on) => { filter.notes = on; });
  $("node-filter").addEventListener("input", (event) => {
    const [nodes, unknown] = parseNodes(event.target.value);
    filter.nodes = nodes;
    event.target.classList.toggle("unknown", unknown);
    refilter();
  });
  $("text-filter").addEventListener("input", (event) => {
    filter.text = event.target.value.trim().toLowerCase();
    refilter();
  });
}

