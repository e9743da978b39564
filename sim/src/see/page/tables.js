// ---- Figures and tables.

/** A moment that can be gone to. */
function momentButton(at, until) {
  if (at === null) return "";
  const button = el("button", { type: "button", className: "jump", title: "show it in the timeline" }, moment(at));
  button.addEventListener("click", () => jump(at, until ?? at));
  return button;
}

/** A table under a heading. Heads that begin with `#` are of numbers. */
function table(title, heads, lines, place = "tables") {
  const section = el("section", {}, el("h2", {}, title));
  const isNumber = heads.map((head) => head.startsWith("#"));
  const head = el("tr", {}, ...heads.map((text, n) => el("th", { scope: "col", className: isNumber[n] ? "n" : "" }, text.replace("#", ""))));
  const rows = lines.map((line) => el("tr", {}, ...line.map((cell, n) => el("td", { className: isNumber[n] ? "n" : "" }, cell))));
  section.append(el("div", { className: lines.length > 12 ? "scroll" : "" }, el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows))));
  $(place).append(section);
}

const bar = (part, of, colour) => el("span", { className: "bar", style: `width: ${of ? 100 * part / of : 0}%; --of: var(--${colour})` });

function buildFigures() {
  const { total } = data, reached = data.marks.filter(([, count]) => count > 0).length;
  const figures = [
    [number(total.sent), `datagrams sent, ${size(total.bytes)}`],
    [number(total.delivered), `delivered, ${percent(total.delivered, total.copies)}`],
    [number(total.lost), `lost, ${percent(total.lost, total.copies)}`],
    [number(total.spoilt), "delivered spoilt"],
    [number(total.inFlight), "in flight at the end"],
  ];
  if (data.marks.length) figures.push([`${reached} of ${data.marks.length}`, "marks reached"]);
  figures.push([number(data.violated), data.violated === 1 ? "violation" : "violations", data.violated > 0]);
  for (const [value, text, bad] of figures) {
    $("figures").append(el("li", { className: bad ? "bad" : "" }, el("b", {}, value), el("span", {}, text)));
  }
  const listed = data.nodes.length;
  $("fact-nodes").textContent = number(listed);
  $("fact-time").textContent = `${Number(((data.last - data.first) / 1e9).toFixed(3))} s`;
}

function buildTables() {
  const { total } = data;
  for (const [at, text] of data.violations) {
    $("violation-list").append(el("li", {}, momentButton(at), at === null ? "" : " ", text));
  }
  const more = data.violated - data.violations.length;
  if (more > 0) $("violations").append(el("p", {}, `and ${number(more)} more`));
  $("violations").hidden = data.violated === 0;
  const fates = [["delivered as sent", total.delivered - total.spoilt, "delivered"], ["delivered spoilt", total.spoilt, "spoilt"],
    ...data.reasons.map(([reason, count]) => [`lost: ${reason}`, count, "lost"]), ["in flight at the end", total.inFlight, "flight"]];
  table("What became of the copies", ["fate", "#copies", "#share"], fates.filter(([, count], n) => count > 0 || n === 0)
    .map(([fate, count, colour]) => [el("span", {}, fate, bar(count, total.copies, colour)), number(count), percent(count, total.copies)]));
  if (data.bins.length) {
    const all = data.bins.reduce((sum, [, count]) => sum + count, 0), most = Math.max(...data.bins.map(([, count]) => count));
    table("What became of the messages", ["bin", "#messages", "#share"], data.bins
      .map(([name, count]) => [el("span", {}, name, bar(count, most, "accent")), number(count), percent(count, all)]));
  }
  if (data.marks.length) {
    // Not every run says when.
    const when = data.marks.some(([, , first]) => first !== null);
    table("Marks", ["mark", "#times", ...when ? ["first"] : []], data.marks.map(([name, count, first]) =>
      [name, count ? number(count) : el("span", { className: "never" }, "never"), ...when ? [momentButton(first)] : []]), "beside");
  }
  if (data.plan.length) {
    table("Plan of faults", ["at", "until", "what"], data.plan.map(([at, until, text]) =>
      [momentButton(at, until), until === null ? "" : momentButton(until), text]), "beside");
  }
  const nodes = data.nodes.map(([addr, name]) => ({ addr, name, sent: 0, lost: 0, came: 0 }));
  const at = new Map(nodes.map((node) => [node.addr, node]));
  for (const [src, dst, sent, , , lost] of data.ways) {
    const from = at.get(src), to = at.get(dst);
    if (from) { from.sent += sent; from.lost += lost; }
    if (to) to.came += sent;
  }
  table("Nodes", ["node", "#sent", "#of them lost", "#sent to it"], nodes.slice(0, 1000).map(({ addr, name, sent, lost, came }) => {
    const button = el("button", { type: "button", className: "jump", title: "show only this node" }, name);
    button.addEventListener("click", () => toggleNode(laneAt(addr)));
    return [button, number(sent), percent(lost, sent), number(came)];
  }));
}

