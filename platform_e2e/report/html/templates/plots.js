/* Small plots of what was measured: each with its figures in words, so that no plot has to be read to know them. */

const WIDTH = 360;

function middle(sorted) {
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

function range(seconds) {
  const sorted = [...seconds].sort((one, other) => one - other);
  const [low, high] = [took(sorted[0]), took(sorted[sorted.length - 1])];
  if (low === high) return low;
  return `${low} to ${high}, median ${took(middle(sorted))}`;
}

function plot(title, words, svg) {
  byId("plots").append(make("div", { class: "plot" }, make("h3", {}, title), make("p", { class: "muted small" }, words), svg));
}

function canvas(height, label) {
  return draw("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": label });
}

function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].map((one) => one * power).find((one) => one >= value) || value;
}

/* Where a value lies from left to right. What spans more than two powers of ten is told by its powers. */
function scale(values) {
  const most = Math.max(...values, 0.001);
  const least = Math.max(Math.min(...values.filter((value) => value > 0), most), 0.001);
  if (most / least < 100) {
    const top = nice(most);
    return { at: (value) => value / top, marks: [0, top / 2, top] };
  }
  const [low, high] = [Math.floor(Math.log10(least)), Math.ceil(Math.log10(most))];
  const marks = [];
  const step = Math.ceil((high - low) / 4); // more labels would lie on each other
  for (let power = low; power < high; power += step) marks.push(10 ** power);
  if ((high - low) % step === 0) marks.push(10 ** high);
  return { at: (value) => (Math.log10(Math.max(value, least)) - low) / (high - low), marks };
}

/* One dot for each value, piled up where they are near each other. */
function dots(title, noun, pairs) {
  const seconds = pairs.map((pair) => pair[1]);
  const { at, marks } = scale(seconds);
  const columns = new Map();
  for (const value of seconds) {
    const column = Math.min(Math.floor(at(value) * 59), 58);
    columns.set(column, (columns.get(column) || 0) + 1);
  }
  const most = Math.max(...columns.values());
  const high = Math.min(Math.max(most * 6 + 6, 30), 96);
  const svg = canvas(high + 20, `${noun} of ${pairs.length}: ${range(seconds)}`);
  const pitch = Math.min(6, (high - 6) / most);
  for (const [column, many] of columns) {
    if (pitch >= 3) for (let place = 0; place < many; place++) svg.append(draw("circle", { class: "f-busy", cx: column * 6 + 4, cy: high - 4 - place * pitch, r: Math.min(2.6, pitch / 2) }));
    else svg.append(draw("rect", { class: "f-busy", x: column * 6 + 1, y: high - many * pitch, width: 5, height: many * pitch }));
  }
  svg.append(draw("line", { class: "axis", x1: 0, x2: WIDTH, y1: high + 0.5, y2: high + 0.5 }));
  for (const mark of marks) {
    const anchor = mark === marks[0] ? "start" : at(mark) > 0.95 ? "end" : "middle";
    const share = mark === marks[0] ? 0 : at(mark);
    svg.append(draw("text", { class: "soft", x: share * WIDTH, y: high + 15, "text-anchor": anchor }, mark ? took(mark) : "0"));
  }
  plot(title, `${pairs.length} ${pairs.length === 1 ? "time" : "times"}: ${range(seconds)}`, svg);
}

/* The longest few by name. */
function bars(title, words, rows) {
  const top = Math.max(...rows.map((row) => row[1]), 0.001);
  const svg = canvas(rows.length * 34, `${title}: ${rows.map((row) => `${row[0]} ${took(row[1])}`).join("; ")}`);
  rows.forEach(([name, seconds, bad], place) => {
    const y = place * 34;
    svg.append(draw("text", { x: 0, y: y + 12 }, fits(name, WIDTH - 60, 6)));
    svg.append(draw("text", { class: "soft", x: WIDTH, y: y + 12, "text-anchor": "end" }, took(seconds)));
    svg.append(draw("rect", { class: bad ? "f-bad" : "f-busy", x: 0, y: y + 17, width: Math.max((seconds / top) * WIDTH, 1.5), height: 7, rx: 2 }));
  });
  plot(title, words, svg);
}

function trend(name, points) {
  const sorted = [...points].sort((one, other) => one[0] - other[0]);
  const values = sorted.map((point) => point[1]);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const [from, to] = [sorted[0][0], sorted[sorted.length - 1][0]];
  const x = (at) => 5 + ((at - from) / (to - from || 1)) * (WIDTH - 10);
  const y = (value) => 48 - ((value - Math.min(low, 0)) / (high - Math.min(low, 0) || 1)) * 42;
  const svg = canvas(54, `${name} over ${sorted.length} runs: ${range(values)}`);
  svg.append(draw("line", { class: "axis", x1: 0, x2: WIDTH, y1: 48.5, y2: 48.5 }));
  svg.append(draw("polyline", { class: "trend", points: sorted.map((point) => `${x(point[0])},${y(point[1])}`).join(" ") }));
  const last = sorted[sorted.length - 1];
  svg.append(draw("circle", { class: "f-busy", cx: x(last[0]), cy: y(last[1]), r: 4 }));
  plot(`Trend: ${name.replace(/_seconds$/, "").replaceAll("_", " ")}`, `last ${took(last[1])}; over ${sorted.length} runs ${range(values)}`, svg);
}

function setUpPlots() {
  const { heals, waits, durations, phases, trends } = DATA.plots;
  if (heals.length) dots("Time until a change was healed", "heal times", heals);
  if (durations.length) {
    dots("How long tests took", "durations of tests", durations);
    const slow = [...durations].sort((one, other) => other[1] - one[1]).slice(0, 6);
    bars("The slowest tests", "red is what failed", slow.map(([place, seconds, bad]) => [DATA.tests[place][0].split("::").pop(), seconds, bad]));
  }
  if (waits.length) bars("The longest waits", "red was not met", waits.slice(0, 6).map(([what, seconds, outcome]) => [what, seconds, outcome !== "met"]));
  if (phases.length) bars("Phases", "in the order in which they ended", phases);
  for (const [name, points] of Object.entries(trends)) trend(name, points);
  if (!byId("plots").childElementCount) byId("plots").append(make("p", { class: "muted" }, "Nothing was measured."));
}
