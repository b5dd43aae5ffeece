/* Moves what the page holds: the year of diagram and tables, the chosen flow, rows that are shown.
   It asks nobody for anything, makes elements and text only, and computes no number. What it chooses from comes deflated;
   a browser that cannot unpack it leaves the page as it was printed. */
(async () => {
"use strict";
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const one = (selector, within = document) => within.querySelector(selector);
const letters = atob(document.getElementById("data").textContent);
const packed = new Blob([Uint8Array.from(letters, letter => letter.charCodeAt(0))]);
const data = await new Response(packed.stream().pipeThrough(new DecompressionStream("deflate"))).json();
const { spans, flows, quantities, records, sankey, percent } = data;
const most = 60;  // records that are listed at once
const years = spans.filter(name => /^\d+$/.test(name));
const groups = ["posterior", "prior"].filter(name => flows.length && name in flows[0]);
let span = data.start, chosen = null, opener = null;

function element(tag, attributes = {}, ...children) {
  const made = document.createElementNS(
    /^(svg|path|line|text|rect)$/.test(tag) ? "http://www.w3.org/2000/svg" : document.body.namespaceURI, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/* --- numbers, as they were written --- */

const bands = new Map();
function bandsOf(thing, group) {
  const own = thing[group] || "", key = own.startsWith("=") ? flows[own.slice(1)][group] : own;
  if (!bands.has(key)) bands.set(key, key.split(";").map(text => text && text.split("|")));
  return bands.get(key);
}
const whole = band => band ? `${band[0]} (${band[1]} to ${band[2]})` : "–";
const told = (thing, group = "posterior", at = span) => whole(bandsOf(thing, group)[at]);
const size = text => Number(text.replace(/[,<>]/g, ""));
const together = () => span === years.length;
const unitOf = thing => thing.unit ? (together() ? thing.total : thing.unit) : data.unit[together() ? 1 : 0];

/* --- the diagram: the same outlines as in Python --- */

const drawing = one("svg.sankey");
const { sizes, lefts, rights } = sankey;
const shapes = { ribbon: all("path.ribbon", drawing), stub: all("path.stub", drawing) };
const boxes = all("rect.box", drawing);
const texts = boxes.map(box => {
  const found = [];
  for (let next = box.nextElementSibling; next && next.tagName === "text"; next = next.nextElementSibling) found.push(next);
  return found;
});
const round = value => String(Math.round(value * 10) / 10);
const thickness = value => value > 0 ? Math.max(value * sankey.scales[span], sizes.hair) : 0;
const leaving = link => link.start[span];
const arriving = link => (link.end || link.start)[span];

function edge([kind, a, b], side, back) {
  const from = back ? b : a, to = back ? a : b, other = 3 - side;
  const [x0, y0, x1, y1] = [from[0], from[side], to[0], to[side]];
  const point = (x, y) => `${round(x)},${round(y)}`;
  if (kind === "level") return "L" + point(x1, y1);
  if (kind === "bent") {
    const middle = (x0 + x1) / 2;
    return "C" + [point(middle, y0), point(middle, y1), point(x1, y1)].join(" ");
  }
  const outside = Math.abs(y1 - y0) > Math.abs(to[other] - from[other]);
  const swing = sizes.inner + (outside ? Math.min(Math.abs(from[2] - from[1]), sizes.outer - sizes.inner) : 0);
  const reach = swing / 0.75 * (kind === "right" ? 1 : -1);
  return "C" + [point(x0 + reach, y0), point(x1 + reach, y1), point(x1, y1)].join(" ");
}

function outline(pieces) {
  const first = pieces[0][1], last = pieces[pieces.length - 1][2];
  return `M${round(first[0])},${round(first[1])}` + pieces.map(piece => edge(piece, 1, false)).join("")
    + `L${round(last[0])},${round(last[2])}` + pieces.slice().reverse().map(piece => edge(piece, 2, true)).join("") + "Z";
}

function ribbonPath(link, top, bottom) {
  const [a, b] = link.columns, thick = thickness(leaving(link)), thin = thickness(arriving(link));
  const x = sankey.boxes[link.ends[0]].x + sizes.box, right = [rights[a], top, top + thick];
  const end = [lefts[b], bottom, bottom + thin];
  const into = [sankey.boxes[link.ends[1]].x, bottom, bottom + thin];
  const pieces = [["level", [x, top, top + thick], right]];
  let here = right;
  if (b > a) {
    for (let column = a + 1; column < b; column++) {
      const y = link.slots[column - a - 1];
      const there = [lefts[column], y, y + thick];
      pieces.push(["bent", here, there]);
      here = [rights[column], y, y + thick];
      pieces.push(["level", there, here]);
    }
    pieces.push(["bent", here, end]);
  } else {
    const slot = column => link.slots[column - b];
    here = [rights[a], slot(a) + thick, slot(a)];
    pieces.push(["right", right, here]);
    for (let column = a; column >= b; column--) {
      const left = [lefts[column], here[1], here[2]];
      pieces.push(["level", here, left]);
      here = left;
      if (column > b) {
        const y = slot(column - 1);
        here = [rights[column - 1], y + thick, y];
        pieces.push(["bent", left, here]);
      }
    }
    pieces.push(["left", here, end]);
  }
  pieces.push(["level", end, into]);
  return outline(pieces);
}

function stubPath(stub, y) {
  const box = sankey.boxes[stub.box], thick = thickness(stub.value[span]), tip = Math.min(thick / 2, 7);
  const points = stub.outward
    ? (x0 => (x1 => [[x0, y], [x1 - tip, y], [x1, y + thick / 2], [x1 - tip, y + thick], [x0, y + thick]])(x0 + sizes.stub - 2))(box.x + sizes.box)
    : (x0 => [[x0, y], [box.x, y], [box.x, y + thick], [x0, y + thick], [x0 + tip, y + thick / 2]])(box.x - sizes.stub + 2);
  return "M" + points.map(point => point.map(round).join(",")).join("L") + "Z";
}

function draw() {
  const starts = [], ends = [], arrows = [];
  sankey.boxes.forEach((box, number) => {
    let most = 1;
    for (const [side, places] of [["out", starts], ["in", ends]]) {
      let y = box.y;
      for (const item of box[side]) {
        if (item < 0) arrows[-1 - item] = y; else places[item] = y;
        y += thickness(item < 0 ? sankey.stubs[-1 - item].value[span]
          : side === "out" ? leaving(sankey.links[item]) : arriving(sankey.links[item]));
      }
      most = Math.max(most, y - box.y);
    }
    boxes[number].setAttribute("height", round(most));
    write(box, number);
  });
  sankey.links.forEach((link, n) => show(shapes.ribbon[n], Math.max(leaving(link), arriving(link)) > 0 && ribbonPath(link, starts[n], ends[n])));
  sankey.stubs.forEach((stub, n) => show(shapes.stub[n], stub.value[span] > 0 && stubPath(stub, arrows[n])));
}

function show(shape, path) {
  shape.setAttribute("d", path || "");
  one("title", shape).textContent = flowsOf(shape).map(n => `${flows[n].label}: ${told(flows[n])}`).join("; ");
}

function write(box, number) {
  const lines = [...box.bold, ...(box.values[span] ? box.values[span].split("\n") : [])], found = texts[number];
  const first = box.above ? box.y - sizes.line * lines.length + sizes.letter - 2 : box.y + sizes.letter - 1;
  while (found.length < lines.length) {
    const more = found[found.length - 1].cloneNode();
    found[found.length - 1].after(more);
    found.push(more);
  }
  found.forEach((text, n) => {
    text.textContent = lines[n] || "";
    text.setAttribute("y", round(first + sizes.line * n));
  });
}

const flowsOf = shape => shape.dataset.flows.split(" ").filter(Boolean).map(Number);

/* --- the year --- */

function setSpan(next) {
  span = Math.max(0, Math.min(spans.length - 1, next));
  draw();
  for (const slider of all("input.year")) {
    if (!together()) slider.value = span;
    slider.disabled = together();
    slider.setAttribute("aria-valuetext", spans[span]);
  }
  for (const box of all("input.together")) box.checked = together();
  for (const button of all("button.step")) button.disabled = together();
  for (const text of all(".span")) text.textContent = spans[span];
  for (const text of all(".unit", one("#system").closest("section"))) text.textContent = unitOf({});
  drawing.setAttribute("aria-label", `Sankey diagram of the flows of ${spans[span]} in ${unitOf({})}`);
  flows.forEach((flow, n) => {
    const cells = document.getElementById(`flow-${n}`).cells;
    groups.forEach((group, column) => { cells[3 + column].textContent = told(flow, group); });
  });
  quantities.forEach((quantity, n) => {
    const cell = one("td.now", document.getElementById(`quantity-${n}`));
    const band = bandsOf(quantity, "posterior")[span];
    cell.replaceChildren(band ? band[0] : "–", element("small", {}, band ? `${band[1]} to ${band[2]}` : ""));
  });
  if (chosen) tell();
}

function addColumn() {
  for (const table of all("table.values")) {
    one("thead th", table).after(element("th", { scope: "col", class: "number now" }, element("span", { class: "span" })));
    for (const row of table.tBodies[0].rows) row.cells[0].after(element("td", { class: "now" }));
  }
}

/* --- what was chosen: its band, its records, its rows --- */

const detail = document.getElementById("detail");
const holding = number => quantities.map((quantity, n) => [quantity, n]).filter(([quantity]) => quantity.flows.includes(number))
  .sort((a, b) => a[0].flows.length - b[0].flows.length).map(([, n]) => n);

function choose(kind, number, companions, from) {
  if (from) opener = from;
  chosen = { kind, number, companions: companions || [number] };
  tell();
  detail.hidden = false;
  document.body.classList.add("telling");
  one("h2", detail).focus({ preventScroll: true });
}

function close() {
  chosen = null;
  detail.hidden = true;
  document.body.classList.remove("telling");
  mark([], [], []);
  showRecords(null);
  one("#choose-flow").value = "";
  if (opener && opener.isConnected) opener.focus({ preventScroll: true });
}

function mark(flowNumbers, quantityNumbers, recordNumbers) {
  for (const row of all("tr.chosen, path.chosen")) row.classList.remove("chosen");
  drawing.classList.toggle("choosing", flowNumbers.length > 0);
  for (const shape of [...shapes.ribbon, ...shapes.stub])
    shape.classList.toggle("chosen", flowsOf(shape).some(n => flowNumbers.includes(n)));
  const rows = [["flow", flowNumbers], ["quantity", quantityNumbers], ["record", recordNumbers]];
  for (const [name, numbers] of rows) for (const n of numbers) document.getElementById(`${name}-${n}`).classList.add("chosen");
}

function tell() {
  const isFlow = chosen.kind === "flow", thing = (isFlow ? flows : quantities)[chosen.number];
  const held = isFlow ? holding(chosen.number) : [chosen.number];
  const inside = isFlow ? [chosen.number] : thing.flows;
  const seen = records.map(([quantity, first, last], n) => ({ quantity, first, last, n })).filter(record => held.includes(record.quantity))
    .sort((a, b) => held.indexOf(a.quantity) - held.indexOf(b.quantity) || a.n - b.n);
  const now = together() ? seen : seen.filter(record => record.first <= Number(spans[span]) && Number(spans[span]) <= record.last);
  mark(inside, held, seen.map(record => record.n));
  one("#choose-flow").value = isFlow ? String(chosen.number) : "";
  const shut = element("button", { type: "button", class: "close", "aria-label": "Close" }, "✕");
  shut.addEventListener("click", close);
  const parts = [shut, element("h2", { id: "detail-title", tabindex: "-1" }, thing.label)];
  if (isFlow && chosen.companions.length > 1) parts.push(companions());
  parts.push(element("p", { class: "note" }, isFlow
    ? `${thing.from} → ${thing.to}; ${thing.product}, ${thing.registered ? "registered" : "unregistered"}.`
    : thing.description));
  parts.push(element("p", {}, element("strong", {}, `${spans[span]}: ${told(thing)} ${unitOf(thing)}`),
    groups.includes("prior") ? `; before the records ${told(thing, "prior")}` : "", ` (median and ${percent} band).`));
  if (years.length > 1) parts.push(element("div", { class: "beside" }, chart(thing), yearly(thing)));
  parts.push(...recordsOf(now, seen));
  if (isFlow) parts.push(quantitiesOf(held));
  detail.replaceChildren(...parts);
}

function companions() {
  const line = element("p", { class: "note" }, "In this ribbon: ");
  for (const n of chosen.companions) {
    const button = element("button", { type: "button", "aria-pressed": String(n === chosen.number) }, flows[n].label);
    button.addEventListener("click", () => choose("flow", n, chosen.companions));
    line.append(button, " ");
  }
  return line;
}

function chart(thing) {
  const width = 420, height = 150, left = 52, low = height - 20, name = element("title");
  const found = groups.map(group => [group, bandsOf(thing, group).slice(0, years.length)]);
  const numbers = found.flatMap(([, rows]) => rows.filter(Boolean).flatMap(row => row.map(size)));
  const top = Math.max(...numbers, 0) || 1, bottom = Math.min(...numbers, 0);
  const x = n => left + 8 + n * (width - left - 16) / (years.length - 1);
  const y = value => 12 + (top - value) / (top - bottom) * (low - 12);
  name.textContent = `${thing.label}, ${years[0]} to ${years[years.length - 1]}; the numbers stand in the table beside it`;
  const made = element("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", class: "chart", "aria-label": name.textContent });
  for (const value of [bottom, 0, top]) made.append(
    element("line", { x1: left, x2: width, y1: y(value), y2: y(value), class: "axis" }),
    element("text", { x: left - 4, y: y(value) + 4, "text-anchor": "end" }, value.toLocaleString("en", { maximumSignificantDigits: 3 })));
  for (const [group, rows] of found.slice().reverse()) for (const run of runs(rows)) {
    const at = (n, end) => `${round(x(n))},${round(y(size(rows[n][end])))}`;
    made.append(element("path", { class: `band ${group}`, d: "M" + [...run.map(n => at(n, 2)), ...run.slice().reverse().map(n => at(n, 1))].join("L") + "Z" }),
      element("path", { class: `median ${group}`, d: "M" + run.map(n => at(n, 0)).join("L") }));
  }
  if (!together()) made.append(element("line", { x1: x(span), x2: x(span), y1: 8, y2: low, class: "now" }));
  for (const n of [0, years.length - 1])
    made.append(element("text", { x: x(n), y: height - 4, "text-anchor": n ? "end" : "start" }, years[n]));
  return made;
}

function runs(rows) {
  const found = [];
  rows.forEach((row, n) => { if (row) (n && rows[n - 1] ? found[found.length - 1] : found[found.push([]) - 1]).push(n); });
  return found;
}

function table(caption, heads, rows) {
  const body = element("tbody");
  for (const cells of rows) {
    const row = element("tr");
    cells.forEach((cell, n) => row.append(element(n ? "td" : "th", n ? {} : { scope: "row" }, cell)));
    body.append(row);
  }
  return element("table", { class: "wide" }, element("caption", {}, caption),
    element("thead", {}, element("tr", {}, ...heads.map(head => element("th", { scope: "col" }, head)))), body);
}

function yearly(thing) {
  const rows = spans.map((name, n) => [name, ...groups.map(group => told(thing, group, n))]).filter(row => row[1] !== "–");
  return element("details", {}, element("summary", {}, "Every year"),
    table(`Median and ${percent} band, ${thing.unit || data.unit[0]}`, ["Year", ...groups], rows));
}

function recordsOf(now, seen) {
  const heading = element("h3", {}, "Records");
  if (!seen.length) return [heading, element("p", {}, "No record sees it: what is known comes from the mass balance and the priors.")];
  const first = now.length > most ? `; here are the first ${most} of ${now.length}` : "";
  const when = together() || years.length < 2 ? "" : ` in ${spans[span]}, of ${seen.length} in all years`;
  const only = element("button", { type: "button" }, `Show these ${seen.length} in the table of records`);
  only.addEventListener("click", () => {
    showRecords(seen.map(record => record.n));
    document.getElementById(`record-${seen[0].n}`).scrollIntoView({ block: "center" });
  });
  const rows = now.slice(0, most).map(record => {
    const cells = document.getElementById(`record-${record.n}`).cells;
    const link = element("a", { href: `#record-${record.n}` }, quantities[record.quantity].label);
    return [link, ...[1, 3, 4, 5, 6].map(n => cells[n].firstElementChild ? cells[n].firstElementChild.textContent : cells[n].textContent)];
  });
  return [heading, element("p", {}, `${now.length} of quantities that hold it${when}${first}. `, only),
    ...(rows.length ? [element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Its records" },
      table("Figures as printed, beside what the fit expects of them", ["Quantity", "Year", "Figure", "Expected", "Agrees", "Source"], rows))] : [])];
}

function quantitiesOf(held) {
  const list = element("p", {}, held.length ? "Part of: " : "It is part of no quantity.");
  for (const n of held) {
    const button = element("button", { type: "button", class: "link" }, quantities[n].label);
    button.addEventListener("click", () => choose("quantity", n));
    list.append(button, " ");
  }
  return list;
}

/* --- rows that are shown --- */

function rowsOf(table) {  // a row of one cell is the heading of those below it
  return all(`${table} tbody tr`).filter(row => row.cells.length > 1);
}

function showRecords(numbers) {
  const filter = one("#filter-records");
  if (!filter) return;
  const button = one("#all-records");
  rowsOf("#record-table").forEach((row, n) => { row.classList.toggle("out", numbers !== null && !numbers.includes(n)); });
  button.hidden = numbers === null;
  count(filter);
}

function count(filter) {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0, total = 0;
  for (const name of filter.dataset.tables.split(" ")) {
    const found = document.getElementById(name);
    if (!found) continue;
    let here = 0;
    for (const body of found.tBodies) {
      const head = body.rows[0] && body.rows[0].cells.length === 1 ? body.rows[0] : null, before = here;
      const above = head ? `${head.textContent.toLowerCase()} ` : "";
      for (const row of body.rows) if (row !== head) {
        const text = above + row.textContent.toLowerCase();
        row.hidden = row.classList.contains("out") || !words.every(word => text.includes(word));
        total += 1;
        here += !row.hidden;
      }
      if (head) head.hidden = here === before;
    }
    shown += here;
    const hidden = found.closest("details");
    if (hidden && words.length) hidden.open = here > 0;
  }
  const told = filter.parentElement.querySelector(".count");
  told.textContent = shown === total ? `${total}` : `${shown} of ${total}`;
}

/* --- start --- */

for (const controls of all(".controls")) controls.hidden = false;
for (const [name, rows] of [["flow", "#flow-values"], ["quantity", "table.values"], ["record", "#record-table"]])
  rowsOf(rows).forEach((row, n) => { row.id = `${name}-${n}`; });
addColumn();
const select = one("#choose-flow");
flows.forEach((flow, n) => select.append(element("option", { value: String(n) }, flow.label)));
select.addEventListener("change", () => select.value === "" ? close() : choose("flow", Number(select.value), null, select));
drawing.addEventListener("click", event => {
  const shape = event.target.closest("path[data-flows]");
  if (shape) choose("flow", flowsOf(shape)[0], flowsOf(shape), select);
});
for (const [name, things, kind] of [["flow", flows, "flow"], ["quantity", quantities, "quantity"]]) things.forEach((thing, n) => {
  const cell = document.getElementById(`${name}-${n}`).cells[0], text = cell.firstChild;
  const button = element("button", { type: "button", class: "link" }, text.textContent);
  cell.replaceChild(button, text);
  button.addEventListener("click", () => choose(kind, n, null, button));
});
for (const slider of all("input.year")) slider.addEventListener("input", () => setSpan(Number(slider.value)));
for (const button of all("button.step")) button.addEventListener("click", () => setSpan(Math.min(span + Number(button.dataset.step), years.length - 1)));
for (const box of all("input.together")) box.addEventListener("change", () => setSpan(box.checked ? years.length : data.start));
for (const filter of all("input.filter")) {
  filter.addEventListener("input", () => count(filter));
  count(filter);
}
one("#all-records").addEventListener("click", () => showRecords(null));
document.addEventListener("keydown", event => { if (event.key === "Escape" && chosen) close(); });
setSpan(span);
})();
