/* What is shown of the timeline: which part, which groups, what is searched for and what is picked. */

class Timeline {
  constructor() {
    this.items = items();
    this.total = Math.max(DATA.seconds, 0.1);
    this.view = { from: 0, to: this.total };
    const present = [...new Set(DATA.lanes.map((lane) => lane.group))];
    this.present = Object.keys(GROUPS).filter((group) => present.includes(group));
    // What tests make for themselves, and a thousand waits, are there when they are asked for.
    this.hidden = new Set(["own", "waits"]);
    this.matches = null;
    this.picked = null;
    this.drawing = new Drawing(byId("lanes"));
    this.listeners = [];
    this.asked = false;
    this.chips();
    this.legend();
  }

  get lanes() {
    return DATA.lanes.filter((lane) => !this.hidden.has(lane.group));
  }

  /* In the order of their start: what ↑ and ↓ go through, and what the list has. */
  inView() {
    const { from, to } = this.view;
    return this.items.filter(
      (item) => item.end >= from && item.start <= to && !this.hidden.has(item.lane.group) && (!this.matches || this.matches(searched(item))),
    );
  }

  redraw() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      this.now();
    });
  }

  now() {
    this.drawing.draw(this.lanes, this.view, this.matches, this.picked);
    drawOverview(byId("overview"), DATA.lanes, this.total, this.view);
    for (const listener of this.listeners) listener();
  }

  show(from, to) {
    const width = Math.min(Math.max(to - from, Math.min(0.2, this.total)), this.total);
    const start = Math.min(Math.max(from, 0), this.total - width);
    this.view = { from: start, to: start + width };
    this.redraw();
  }

  zoom(factor, around = (this.view.from + this.view.to) / 2) {
    const { from, to } = this.view;
    this.show(around - (around - from) * factor, around + (to - around) * factor);
  }

  move(share) {
    const by = (this.view.to - this.view.from) * share;
    this.show(this.view.from + by, this.view.to + by);
  }

  whole() {
    this.show(0, this.total);
  }

  zoomTo(from, to) {
    const more = Math.max((to - from) * 0.4, 1);
    this.show(from - more, to + more);
  }

  pick(item, { follow = false } = {}) {
    this.picked = item;
    if (item && follow && (item.end < this.view.from || item.start > this.view.to)) {
      const half = (this.view.to - this.view.from) / 2;
      this.show(item.start - half, item.start + half);
    }
    this.describe();
    this.redraw();
  }

  step(by) {
    const shown = this.inView();
    if (!shown.length) return;
    const at = shown.indexOf(this.picked);
    this.pick(shown[at < 0 ? (by > 0 ? 0 : shown.length - 1) : Math.min(Math.max(at + by, 0), shown.length - 1)]);
  }

  search(query) {
    this.matches = matcher(query);
    this.redraw();
  }

  describe() {
    const box = byId("item");
    const item = this.picked;
    box.hidden = !item;
    if (!item) return box.replaceChildren();
    const lines = [make("p", {}, make("b", {}, item.title)), make("p", { class: "muted small" }, summary(item))];
    if (item.text) lines.push(make("p", {}, item.text));
    if (item.name && item.name !== item.title) lines.push(make("p", { class: "small" }, "in ", make("code", {}, item.name)));
    if (item.steps.length) lines.push(make("ol", {}, ...item.steps.map((step) => make("li", {}, step))));
    const place = item.test >= 0 ? DATA.tests[item.test][8] : 0;
    if (place && byId(`cause-${place}`)) lines.push(make("p", {}, make("a", { href: `#cause-${place}` }, `Cause ${place}`)));
    box.replaceChildren(...lines);
  }

  chips() {
    const box = byId("groups");
    for (const group of this.present) {
      const button = make("button", { type: "button", "aria-pressed": String(!this.hidden.has(group)) }, GROUPS[group]);
      button.addEventListener("click", () => {
        if (!this.hidden.delete(group)) this.hidden.add(group);
        button.setAttribute("aria-pressed", String(!this.hidden.has(group)));
        this.redraw();
      });
      box.append(button);
    }
  }

  legend() {
    const entries = [["good", "healthy, passed, healed"], ["busy", "progressing, unfinished"], ["bad", "degraded, failed"], ["odd", "out of sync, warning, blocked"], ["lost", "missing"], ["none", "unknown, skipped, a fact"]];
    for (const [look, words] of entries) {
      const box = draw("svg", { viewBox: "0 0 12 12", "aria-hidden": "true" });
      box.append(draw("rect", { class: `f-${look}`, width: 12, height: 12, rx: 2 }));
      byId("legend").append(make("span", {}, box, words));
    }
    if (this.present.includes("applications")) byId("legend").append(make("span", {}, "Applications: the strip above is sync, the bar below is health"));
  }
}

function summary(item) {
  const state = item.look.includes("/") ? `${item.look.replace("/", ", ")}; ` : "";
  const when = item.point || item.end <= item.start ? `at ${clock(item.start, true)}` : `${clock(item.start, true)} to ${clock(item.end, true)}, ${took(item.end - item.start)}`;
  return `${state}${when}${DATA.began ? `; ${wall(item.start)}` : ""}`;
}
