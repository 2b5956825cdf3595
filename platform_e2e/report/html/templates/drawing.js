/* The lanes as SVG. Only what is in view is drawn. */

const GROUPS = {
  phases: "Phases", applications: "Applications", own: "Applications of tests", cluster: "Cluster",
  changes: "Changes by tests", tests: "Tests", waits: "Waits",
};
const LOOKS = {
  ok: "good", passed: "good", heal: "good", bad: "bad", failed: "bad", error: "bad", warn: "odd", blocked: "odd", unknown: "odd",
  skipped: "none", open: "busy", note: "none",
};
const SYNC = { Synced: "good", OutOfSync: "odd", Unknown: "none" };
const HEALTH = { Healthy: "good", Progressing: "busy", Degraded: "bad", Missing: "lost", Suspended: "none", Unknown: "none" };
const BAD = new Set(["bad", "failed", "error"]);

function items() {
  const all = [];
  for (const lane of DATA.lanes) {
    lane.items = lane.items.map(([start, end, look, title, text, test, steps]) => {
      const name = test >= 0 ? DATA.tests[test][0] : "";
      const item = {
        lane, start, end, look: WORDS[look], title: WORDS[title] || name, text: WORDS[text], test, name, steps: steps || [],
        point: lane.group === "cluster" || lane.label === "findings" || lane.label === "facts",
      };
      item.bad = BAD.has(item.look) || item.look.endsWith("/Degraded");
      all.push(item);
      return item;
    });
  }
  return all.sort((one, other) => one.start - other.start);
}

/* Made when somebody searches: the text of twenty thousand items costs more than drawing them. */
function searched(item) {
  item.text_of_all ??= `${item.title} ${item.text} ${item.name} ${item.look} ${item.steps.join(" ")}`.toLowerCase();
  return item.text_of_all;
}

function fits(text, width, size = 6.1) {
  const room = Math.floor((width - 8) / size);
  if (room < 3) return "";
  return text.length <= room ? text : `${text.slice(0, room - 1)}…`;
}

function ticks(from, to, wanted) {
  const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];
  const step = steps.find((one) => (to - from) / one <= wanted) || 7200;
  const made = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) made.push(at);
  return { step, made };
}

/* How much room the lanes' names have at the left: on a phone they stand above. */
function gutter(width) {
  return width < 620 ? 0 : Math.min(220, Math.round(width * 0.2));
}

/* Where each lane lies. */
function layOut(lanes, width) {
  const left = gutter(width);
  const narrow = !left;
  const places = [];
  let y = 26;
  let group = "";
  for (const lane of lanes) {
    if (lane.group !== group) {
      group = lane.group;
      places.push({ group: GROUPS[group], y: y + 8 });
      y += 26;
    }
    const named = narrow && lane.label && lane.label !== GROUPS[group].toLowerCase();
    if (named) y += 15;
    places.push({ lane, y, height: 16, named });
    y += 20;
  }
  return { narrow, left, width, height: y + 8, places };
}

class Shapes {
  constructor() {
    this.known = new Map();
    this.last = new Map();
  }

  add(look, dim, shape) {
    const name = `f-${look}${dim ? " dim" : ""}`;
    if (!this.known.has(name)) this.known.set(name, []);
    this.known.get(name).push(shape);
  }

  /* One that ends in the same pixel as the one before is not seen, and not drawn. */
  box(look, dim, x, y, width, height) {
    const key = `${look} ${dim} ${y}`;
    if (x + width < (this.last.get(key) ?? -1) + 0.5) return;
    this.last.set(key, x + width);
    this.add(look, dim, `M${x.toFixed(1)} ${y}h${width.toFixed(1)}v${height}h-${width.toFixed(1)}z`);
  }

  paths() {
    const names = [...this.known.keys()].sort((one, other) => one.includes("bad") - other.includes("bad"));
    return names.map((name) => draw("path", { class: name, d: this.known.get(name).join("") }));
  }
}

class Drawing {
  constructor(svg) {
    this.svg = svg;
    this.hits = [];
  }

  draw(lanes, view, matches, picked) {
    const place = layOut(lanes, this.svg.parentNode.clientWidth);
    this.place = place;
    this.view = view;
    this.hits = [];
    this.svg.setAttribute("viewBox", `0 0 ${place.width} ${place.height}`);
    this.svg.style.height = `${place.height}px`;
    const parts = document.createDocumentFragment();
    this.axis(parts, place);
    for (const row of place.places) {
      if (row.group) {
        parts.append(draw("line", { class: "rule", x1: 0, x2: place.width, y1: row.y - 5.5, y2: row.y - 5.5 }));
        parts.append(draw("text", { class: "group", x: 10, y: row.y + 10 }, row.group));
      } else this.lane(parts, row, place, matches, picked);
    }
    this.svg.replaceChildren(parts);
  }

  x(seconds) {
    const { left, width } = this.place;
    return left + ((seconds - this.view.from) / (this.view.to - this.view.from)) * (width - left);
  }

  seconds(x) {
    const { left, width } = this.place;
    return this.view.from + ((x - left) / (width - left)) * (this.view.to - this.view.from);
  }

  axis(parts, place) {
    const { step, made } = ticks(this.view.from, this.view.to, place.narrow ? 5 : 10);
    for (const at of made) {
      const x = Math.round(this.x(at)) + 0.5;
      parts.append(draw("line", { class: "rule", x1: x, x2: x, y1: 20, y2: place.height }));
      const anchor = x < 24 ? "start" : x > place.width - 24 ? "end" : "middle";
      parts.append(draw("text", { class: "soft", x, y: 15, "text-anchor": anchor }, clock(at, step < 1)));
    }
  }

  /* What looks the same in a lane is one path, however much it is; what is bad is drawn last. */
  lane(parts, row, place, matches, picked) {
    const { lane, y, height } = row;
    const same = lane.label && lane.label === GROUPS[lane.group].toLowerCase();
    if (lane.label && !same && place.narrow) parts.append(draw("text", { class: "soft", x: 10, y: y - 4 }, fits(lane.label, place.width)));
    const shapes = new Shapes();
    const front = [];
    const names = [];
    for (const item of lane.items) {
      if (item.end < this.view.from || item.start > this.view.to) continue;
      const from = Math.max(this.x(item.start), place.left);
      const to = Math.min(this.x(item.end), place.width);
      const dim = matches && !matches(searched(item));
      this.hits.push({ item, from, to: Math.max(to, from + (item.point ? 7 : 3)), y, height });
      if (item.point) this.point(shapes, item, from, y, dim);
      else if (lane.group === "applications" || lane.group === "own") this.state(shapes, names, item, from, to, y, dim);
      else this.bar(shapes, front, item, from, to, y, height, dim);
      if (item === picked) front.push(draw("rect", { class: "picked", x: from - (item.point ? 7 : 1), y: y - 2, width: Math.max(to - from, 2) + (item.point ? 12 : 2), height: height + 4, rx: 3 }));
    }
    for (const { label, look, from, to, dim } of names) {
      if (label && to - from > 44 && !dim) front.push(draw("text", { class: `in on-${look}`, x: from + 4, y: y + 14 }, fits(label, to - from)));
    }
    parts.append(...shapes.paths(), ...front);
    if (lane.label && !same && !place.narrow) parts.append(draw("text", { x: 10, y: y + 12 }, fits(lane.label, place.left - 8)));
  }

  bar(shapes, front, item, from, to, y, height, dim) {
    const look = LOOKS[item.look] || "none";
    const width = Math.max(to - from - 1, item.bad ? 3 : 1);
    shapes.box(look, dim, from, y, width, height);
    if (width <= 44 || dim) return;
    const label = fits(item.lane.group === "tests" ? item.title.split("::").pop() : item.title, width);
    if (label) front.push(draw("text", { class: `in on-${look}`, x: from + 5, y: y + 12 }, label));
  }

  /* Sync is the strip above, health the bar below. A state that goes on with another reason is named once. */
  state(shapes, names, item, from, to, y, dim) {
    const [sync, health] = item.look.split("/");
    const last = names[names.length - 1];
    const look = HEALTH[health] || "none";
    if (last && last.state === item.look && last.dim === dim) last.to = to;
    else {
      // On a bar that is green for its health a word about sync would contradict it; the strip above tells.
      const label = health === "Healthy" ? "" : [sync === "Synced" ? "" : sync, health].filter(Boolean).join(", ");
      names.push({ state: item.look, label: sync === "gone" ? "" : label, look, from, to, dim });
    }
    if (sync === "gone") return;
    const width = Math.max(to - from, 1);
    shapes.box(SYNC[sync] || "none", dim, from, y, width, 4);
    shapes.box(look, dim, from, y + 5, width, 11);
  }

  point(shapes, item, x, y, dim) {
    const shape = item.bad ? `M${x - 6} ${y + 8}l6 -7l6 7l-6 7z` : item.look === "warn" ? `M${x - 6} ${y + 14}l6 -12l6 12z` : `M${x - 4} ${y + 8}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z`;
    shapes.add(LOOKS[item.look] || "none", dim, shape);
  }

  at(x, y) {
    let best = null;
    let least = 8;
    for (const hit of this.hits) {
      if (y < hit.y - 2 || y > hit.y + hit.height + 2) continue;
      const far = x < hit.from ? hit.from - x : x > hit.to ? x - hit.to : 0;
      if (far < least || (far === least && best && hit.item.bad)) {
        least = far;
        best = hit.item;
      }
    }
    return best;
  }
}

function drawOverview(svg, lanes, total, view) {
  const width = svg.clientWidth;
  if (!width) return;
  svg.setAttribute("viewBox", `0 0 ${width} 30`);
  svg.setAttribute("preserveAspectRatio", "none");
  // Below each moment of the whole run lies the same moment of the lanes, as long as they show the whole run.
  const left = gutter(width);
  const x = (seconds) => left + (seconds / total) * (width - left);
  const parts = [];
  for (const lane of lanes) {
    if (lane.group === "phases" && lane.label !== "facts") {
      for (const item of lane.items) parts.push(draw("rect", { class: `f-${LOOKS[item.look]}`, x: x(item.start), y: 6, width: Math.max(x(item.end) - x(item.start), 2), height: 4 }));
    }
    if (lane.group === "tests" || lane.label === "restarts") {
      let last = -9;
      for (const item of lane.items) {
        if (!item.bad || x(item.start) - last < 2) continue;
        last = x(item.start);
        parts.push(draw("rect", { class: "f-bad", x: last, y: 14, width: 3, height: 10 }));
      }
    }
  }
  parts.push(draw("rect", { class: "view", x: Math.max(x(view.from), left + 0.5), y: 0.5, width: Math.max(x(view.to) - x(view.from) - 1, 4), height: 29, rx: 3 }));
  svg.replaceChildren(...parts);
}
