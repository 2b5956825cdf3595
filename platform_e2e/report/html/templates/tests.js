/* Per promise its objects with expected and observed; what passed comes last, and rows are made when they are looked at. */

const ORDER = ["failed", "error", "blocked", "unknown", "skipped", "passed"];
const MARKS = { passed: "good", failed: "bad", error: "bad", blocked: "odd", unknown: "odd", skipped: "odd" };
const ROWS = 100;

function setUpTests() {
  const boxes = [...document.querySelectorAll("details.promise")];
  if (!boxes.length) return;
  const tests = DATA.tests.map((row) => {
    const [id, promise, outcome, seconds, object, proves, expected, observed, place] = row;
    return { id, promise: WORDS[promise] || "(other tests)", outcome: WORDS[outcome], seconds, object: WORDS[object], proves: WORDS[proves], expected: WORDS[expected], observed: WORDS[observed], place };
  });
  const query = byId("tests-query");
  let matches = null;

  const shownIn = (box) => {
    const mine = tests.filter((test) => test.promise === box.dataset.promise && (!matches || matches((test.all ??= `${test.id} ${test.object} ${test.outcome} ${test.proves} ${test.observed}`.toLowerCase()))));
    return mine.sort((one, other) => ORDER.indexOf(one.outcome) - ORDER.indexOf(other.outcome) || one.object.localeCompare(other.object));
  };
  const row = (test) => {
    const outcome = make("td", { "data-label": "Outcome" }, make("span", { class: `mark ${MARKS[test.outcome] || "odd"}` }, test.outcome), " ", make("span", { class: "took" }, took(test.seconds)));
    if (test.place && byId(`cause-${test.place}`)) outcome.append(" ", make("a", { class: "ref", href: `#cause-${test.place}`, "aria-label": `cause ${test.place}` }, String(test.place)));
    return make(
      "tr",
      {},
      make("th", { scope: "row" }, test.object || "the layer as a whole", make("br"), make("code", {}, test.id.split("::").pop())),
      make("td", { "data-label": "Expected" }, test.expected || test.proves),
      make("td", { "data-label": "Observed" }, test.observed),
      outcome,
    );
  };
  const fill = (box) => {
    const all = shownIn(box);
    const body = make("tbody");
    const head = make("tr", {}, ...["Object", "Expected", "Observed", "Outcome"].map((name) => make("th", { scope: "col" }, name)));
    const rows = box.querySelector(".rows");
    rows.replaceChildren(all.length ? make("table", {}, make("thead", {}, head), body) : make("p", { class: "muted" }, "none"));
    const more = make("button", { type: "button" });
    let shown = 0;
    const next = () => {
      body.append(...all.slice(shown, shown + ROWS).map(row));
      shown = Math.min(shown + ROWS, all.length);
      more.hidden = shown >= all.length;
      more.textContent = `Show ${Math.min(ROWS, all.length - shown)} of ${all.length - shown} more`;
    };
    more.addEventListener("click", next);
    rows.append(more);
    next();
  };
  for (const box of boxes) box.addEventListener("toggle", () => box.open && fill(box));

  byId("tests-controls").hidden = false;
  const search = () => {
    matches = matcher(query.value);
    let found = 0;
    for (const box of boxes) {
      const many = matches ? shownIn(box).length : 0;
      found += many;
      if (matches) box.open = many > 0;
      if (box.open) fill(box);
    }
    byId("tests-found").textContent = matches ? `${found} of ${tests.length} tests` : "";
  };
  query.addEventListener("input", later(150, search));
  query.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !query.value) return;
    event.preventDefault();
    query.value = "";
    search();
  });
  const openTarget = () => {
    const box = location.hash.startsWith("#promise-") && byId(location.hash.slice(1));
    if (box) box.open = true;
  };
  addEventListener("hashchange", openTarget);
  openTarget();
}
