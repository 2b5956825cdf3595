/* The search of the timeline, and what is in view as a list that can be read aloud. */

const LISTED = 200;

function setUpFinding(timeline) {
  const query = byId("query");
  const list = byId("list");
  const search = later(120, () => timeline.search(query.value));
  query.addEventListener("input", search);
  query.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && query.value) {
      event.preventDefault();
      query.value = "";
      timeline.search("");
    } else if (event.key === "Enter") {
      timeline.search(query.value);
      const found = timeline.inView();
      if (found.length) timeline.zoomTo(found[0].start, found[found.length - 1].end);
      byId("stage").focus();
    }
  });

  const fill = (from, shown) => {
    for (const item of shown.slice(from, from + LISTED)) {
      const words = item.text ? `${item.title}: ${item.text}` : `${item.title}, ${summary(item)}`;
      list.append(make("button", { type: "button", onclick: () => timeline.pick(item, { follow: true }) }, make("span", { class: "when" }, clock(item.start)), make("span", {}, words)));
    }
    const left = shown.length - from - LISTED;
    if (left <= 0) return;
    const more = make("button", { type: "button", class: "more" }, make("span"), make("span", {}, `Show ${Math.min(left, LISTED)} of ${left} more`));
    more.addEventListener("click", () => {
      more.remove();
      fill(from + LISTED, shown);
    });
    list.append(more);
  };
  const update = later(150, () => {
    const shown = timeline.inView();
    const noun = timeline.matches ? (shown.length === 1 ? "match" : "matches") : shown.length === 1 ? "item" : "items";
    byId("listed-title").textContent = `${shown.length} ${noun} in view`;
    if (!byId("listed").open) return;
    list.replaceChildren();
    fill(0, shown);
  });
  timeline.listeners.push(update);
  byId("listed").addEventListener("toggle", update);
}

function setUpSeeing(timeline) {
  for (const button of document.querySelectorAll(".see")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const from = Number(button.dataset.from);
      const to = Number(button.dataset.to);
      timeline.zoomTo(from, to);
      timeline.pick(timeline.items.find((item) => item.lane.group === "tests" && item.bad && item.start >= from && item.end <= to) || null);
      byId("timeline").scrollIntoView();
      byId("stage").focus({ preventScroll: true });
    });
  }
}
