"use strict";
/* What every part uses: the data, elements made without markup, times as people say them, the theme, and copying. */

const DATA = JSON.parse(document.getElementById("data").textContent);
const WORDS = DATA.words;
const byId = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

/* Texts become text nodes and attributes only: nothing that a layer names can become markup. */
function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") node.className = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== ""));
  return node;
}

function draw(tag, attributes = {}, text = "") {
  const node = document.createElementNS(SVG, tag);
  for (const name in attributes) node.setAttribute(name, attributes[name]);
  if (text) node.textContent = text;
  return node;
}

function took(seconds) {
  if (seconds < 0.001) return "0 s";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
}

/* Since the run began; tenths only where seconds are far apart on the screen. */
function clock(seconds, fine = false) {
  const sign = seconds < 0 ? "-" : "";
  const rest = Math.abs(fine ? Math.round(seconds * 10) / 10 : Math.round(seconds));
  const shown = (rest % 60).toFixed(fine ? 1 : 0).padStart(fine ? 4 : 2, "0");
  return `${sign}${Math.floor(rest / 60)}:${shown}`;
}

function wall(seconds) {
  if (!DATA.began) return "";
  return new Date((DATA.began + seconds) * 1000).toISOString().slice(11, 19) + " UTC";
}

function later(wait, act) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(act, wait);
  };
}

/* Every word of a query must be somewhere in the text. */
function matcher(query) {
  const wanted = query.toLowerCase().split(/\s+/).filter(Boolean);
  return wanted.length ? (text) => wanted.every((word) => text.includes(word)) : null;
}

function setUpTheme() {
  const button = byId("theme");
  const themes = ["auto", "light", "dark"];
  const remember = (theme) => {
    try {
      if (theme === undefined) return localStorage.getItem("platform-e2e-theme") || "auto";
      localStorage.setItem("platform-e2e-theme", theme);
    } catch {
      /* A page from a file may have no storage; the choice then ends with the page. */
    }
    return theme || "auto";
  };
  const show = (theme) => {
    if (theme === "auto") document.documentElement.removeAttribute("data-theme");
    else document.documentElement.setAttribute("data-theme", theme);
    button.textContent = `Theme: ${theme}`;
  };
  const stored = remember();
  let now = themes.includes(stored) ? stored : "auto";
  show(now);
  button.hidden = false;
  button.addEventListener("click", () => {
    now = themes[(themes.indexOf(now) + 1) % themes.length];
    remember(now);
    show(now);
  });
}

function setUpCopying() {
  for (const button of document.querySelectorAll(".copy")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const text = button.dataset.copy;
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = "Copied";
      } catch {
        /* A page from a file has no clipboard in some browsers: select the line instead. */
        getSelection().selectAllChildren(button.previousElementSibling);
        button.textContent = "Selected";
      }
      setTimeout(() => (button.textContent = "Copy"), 2000);
    });
  }
}

function setUpLogs() {
  for (const log of document.querySelectorAll("details.log")) {
    log.addEventListener("toggle", () => {
      if (!log.open || log.dataset.shown) return;
      log.dataset.shown = "yes";
      const end = DATA.logs[log.dataset.path];
      if (!end) return;
      log.querySelector("p").append(make("span", { class: "muted" }, `, ${end.said}`));
      if (!end.text) return;
      const shown = make("pre", { tabindex: "0", role: "region", "aria-label": `The end of ${log.dataset.path}` }, end.text);
      log.append(shown);
      shown.scrollTop = shown.scrollHeight;
    });
  }
}
