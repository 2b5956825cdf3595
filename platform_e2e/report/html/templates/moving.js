/* Mouse, touch and keyboard on the timeline. A plain wheel scrolls the page, as everywhere else. */

function setUpMoving(timeline) {
  const stage = byId("stage");
  const touches = new Map();
  let began = null;

  const at = (event) => event.clientX - stage.getBoundingClientRect().left;
  const hit = (event) => {
    const box = stage.getBoundingClientRect();
    return timeline.drawing.at(event.clientX - box.left, event.clientY - box.top);
  };
  const spread = () => {
    const [one, other] = [...touches.values()];
    return { middle: (one + other) / 2, width: Math.max(Math.abs(one - other), 20) };
  };
  const begin = () => {
    const two = touches.size === 2 ? spread() : null;
    began = { view: { ...timeline.view }, touches: new Map(touches), two, at: two ? timeline.drawing.seconds(two.middle) : 0, moved: began?.moved || false };
  };

  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    touches.set(event.pointerId, at(event));
    if (touches.size === 1) began = null;
    begin();
  });
  stage.addEventListener("pointermove", (event) => {
    if (!touches.has(event.pointerId)) return pointAt(event);
    touches.set(event.pointerId, at(event));
    const { view } = began;
    const perPixel = (view.to - view.from) / (timeline.drawing.place.width - timeline.drawing.place.left);
    if (began.two && touches.size === 2) {
      began.moved = true;
      const now = spread();
      const width = ((view.to - view.from) * began.two.width) / now.width;
      const share = (now.middle - timeline.drawing.place.left) / (timeline.drawing.place.width - timeline.drawing.place.left);
      return timeline.show(began.at - width * share, began.at + width * (1 - share));
    }
    const by = at(event) - began.touches.get(event.pointerId);
    if (Math.abs(by) < 4 && !began.moved) return undefined;
    if (!began.moved) stage.setPointerCapture(event.pointerId);
    began.moved = true;
    stage.classList.add("moving");
    hideTip();
    return timeline.show(view.from - by * perPixel, view.to - by * perPixel);
  });
  const end = (event) => {
    if (!touches.delete(event.pointerId)) return;
    stage.classList.remove("moving");
    if (touches.size) return begin();
    if (event.type === "pointerup" && !began.moved) timeline.pick(hit(event));
  };
  for (const kind of ["pointerup", "pointercancel"]) stage.addEventListener(kind, end);
  stage.addEventListener("pointerleave", hideTip);
  stage.addEventListener("dblclick", (event) => {
    const item = hit(event);
    if (item && item.end > item.start) timeline.zoomTo(item.start, item.end);
    else timeline.zoom(0.4, timeline.drawing.seconds(at(event)));
  });
  stage.addEventListener(
    "wheel",
    (event) => {
      const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY);
      if (event.ctrlKey || event.metaKey) timeline.zoom(Math.exp(event.deltaY / 240), timeline.drawing.seconds(at(event)));
      else if (sideways || event.shiftKey) timeline.move((sideways ? event.deltaX : event.deltaY) / 800);
      else return;
      event.preventDefault();
    },
    { passive: false },
  );

  const tip = byId("tip");
  function hideTip() {
    tip.hidden = true;
  }
  function pointAt(event) {
    const item = event.pointerType === "touch" ? null : hit(event);
    tip.hidden = !item;
    if (!item) return;
    tip.replaceChildren(make("b", {}, item.title), make("br"), summary(item), ...(item.text ? [make("br"), item.text.slice(0, 160)] : []));
    const box = stage.getBoundingClientRect();
    const x = event.clientX - box.left;
    const y = event.clientY - box.top;
    tip.style.left = `${Math.max(4, Math.min(x + 14, box.width - tip.offsetWidth - 4))}px`;
    tip.style.top = `${y + 18 + tip.offsetHeight > box.height ? Math.max(0, y - tip.offsetHeight - 10) : y + 18}px`;
  }

  const keys = {
    ArrowLeft: () => timeline.move(-0.15),
    ArrowRight: () => timeline.move(0.15),
    ArrowUp: () => timeline.step(-1),
    ArrowDown: () => timeline.step(1),
    "+": () => timeline.zoom(0.6),
    "=": () => timeline.zoom(0.6),
    "-": () => timeline.zoom(1 / 0.6),
    0: () => timeline.whole(),
    Home: () => timeline.whole(),
    Enter: () => timeline.picked && timeline.zoomTo(timeline.picked.start, timeline.picked.end),
    Escape: () => {
      if (timeline.picked) timeline.pick(null);
      else timeline.whole();
    },
  };
  stage.addEventListener("keydown", (event) => {
    const act = keys[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    hideTip();
    act();
  });
  byId("closer").addEventListener("click", () => timeline.zoom(0.6));
  byId("farther").addEventListener("click", () => timeline.zoom(1 / 0.6));
  byId("whole").addEventListener("click", () => timeline.whole());

  const overview = byId("overview");
  const centre = (event) => {
    const box = overview.getBoundingClientRect();
    const left = gutter(overview.clientWidth);
    const middle = ((event.clientX - box.left - left) / (box.width - left)) * timeline.total;
    const half = (timeline.view.to - timeline.view.from) / 2;
    timeline.show(middle - half, middle + half);
  };
  overview.addEventListener("pointerdown", (event) => {
    overview.setPointerCapture(event.pointerId);
    centre(event);
  });
  overview.addEventListener("pointermove", (event) => overview.hasPointerCapture(event.pointerId) && centre(event));
}
