// ---- What was recorded, in arrays by column, and how it is put in words.

const $ = (id) => document.getElementById(id);

/** An element with properties and children; texts become text nodes, never markup. */
function el(name, props = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(props)) {
    if (key === "style") node.style.cssText = value;
    else if (key in node) node[key] = value;
    else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

const data = JSON.parse($("data").textContent);

const DELIVERED = 0, SPOILT = 1, LOST = 2, FLIGHT = 2 + data.reasons.length;
/** The colours of copies: delivered, spoilt, lost for whatever reason, in flight. */
const CLASSES = ["delivered", "spoilt", "lost", "flight"];
const classOf = (kind) => kind === FLIGHT ? 3 : Math.min(kind, LOST);
const kindName = (kind) => kind === DELIVERED ? "delivered" : kind === SPOILT ? "spoilt"
  : kind === FLIGHT ? "in flight" : data.reasons[kind - LOST][0];

/** Lanes: all nodes, and one for addresses where none is, if there are such. */
const names = data.nodes.map(([, name]) => name);
const laneOf = new Map(data.nodes.map(([addr], lane) => [addr, lane]));
const ELSEWHERE = names.length;
const laneAt = (addr) => laneOf.get(addr) ?? ELSEWHERE;
const nameOf = (addr) => laneOf.has(addr) ? names[laneOf.get(addr)] : `#${addr}`;

/** Datagrams. */
const D = (() => {
  const from = data.datagrams, count = from.count;
  const at = new Float64Array(count), lane = [new Int32Array(count), new Int32Array(count)];
  const bytes = new Int32Array(count + 1), first = new Int32Array(count + 1);
  let time = 0, place = 0, copies = 0;
  for (let d = 0; d < count; d++) {
    time += from.at[d];
    at[d] = time;
    lane[0][d] = laneAt(from.sender[d] >= 0 ? from.sender[d] : from.src[d]);
    lane[1][d] = laneAt(from.dst[d]);
    bytes[d] = place;
    place += 2 * Math.min(from.len[d], from.shown);
    const ended = from.ends[copies];
    copies += 1 + 2 * ended;
    first[d + 1] = first[d] + Math.max(ended, from.copies[d]);
  }
  bytes[count] = place;
  if (place !== from.bytes.length || copies !== from.ends.length) throw new Error("the data is not whole");
  return { count, at, src: lane[0], dst: lane[1], bytes, first, raw: from };
})();

/** Copies of datagrams: of which, what became of them, and when. */
const C = (() => {
  const count = D.first[D.count], ends = data.datagrams.ends;
  const of = new Int32Array(count), kind = new Uint16Array(count), end = new Float64Array(count);
  let next = 0, longest = 0;
  for (let d = 0; d < D.count; d++) {
    const ended = ends[next++];
    for (let c = D.first[d]; c < D.first[d + 1]; c++) {
      of[c] = d;
      if (c - D.first[d] < ended) {
        kind[c] = ends[next++];
        end[c] = D.at[d] + ends[next++];
      } else {
        kind[c] = FLIGHT;
        end[c] = data.last;
      }
      longest = Math.max(longest, end[c] - D.at[d]);
    }
  }
  return { count, of, kind, end, longest };
})();

/** The first datagram sent at `time` or later. */
function firstSince(time) {
  let low = 0, high = D.count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (D.at[middle] < time) low = middle + 1; else high = middle;
  }
  return low;
}

const hexOf = (d) => D.raw.bytes.slice(D.bytes[d], D.bytes[d + 1]);

/** Whether there is anything for a lane of addresses without a node. */
if ([data.ways, data.edges].some((pairs) => pairs.some(([a, b]) => !laneOf.has(a) || !laneOf.has(b)))) {
  names.push("elsewhere");
}

const number = (value) => value.toLocaleString("en-US");

/** A share of `whole` in per cent. */
const percent = (part, whole) => whole === 0 ? "–" : `${(100 * part / whole).toFixed(part * 1000 < whole && part > 0 ? 2 : 1)} %`;

/** A moment in seconds, as exact as steps of so many nanoseconds need. */
function moment(time, step = 1e6) {
  const decimals = Math.max(0, Math.min(9, Math.ceil(9 - Math.log10(step) - 1e-9)));
  return `${(time / 1e9).toFixed(decimals)} s`;
}

/** How long something takes. */
function duration(nanos) {
  const [unit, name] = nanos >= 1e9 ? [1e9, "s"] : nanos >= 1e6 ? [1e6, "ms"] : nanos >= 1e3 ? [1e3, "µs"] : [1, "ns"];
  return `${Number((nanos / unit).toPrecision(4))} ${name}`;
}

function size(bytes) {
  const [unit, name] = bytes >= 1 << 20 ? [1 << 20, "MiB"] : bytes >= 1024 ? [1024, "KiB"] : [1, "bytes"];
  return `${Number((bytes / unit).toPrecision(3))} ${name}`;
}

