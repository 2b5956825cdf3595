/* Set everything up; what is below the first screen waits until the browser has shown that. */

byId("unscripted").remove();
setUpTheme();
setUpCopying();
setUpLogs();
requestAnimationFrame(() =>
  setTimeout(() => {
    if (DATA.lanes.length) {
      byId("course").hidden = false;
      const timeline = new Timeline();
      setUpMoving(timeline);
      setUpFinding(timeline);
      setUpSeeing(timeline);
      timeline.now();
      addEventListener("resize", () => timeline.redraw());
      addEventListener("beforeprint", () => timeline.now());
    } else byId("timeline").append(make("p", { class: "muted" }, "Nothing was recorded."));
    setUpTests();
    setUpPlots();
    // A test, and a person with a slow machine, can see that the page is whole.
    window.readyAt = performance.now();
    document.documentElement.dataset.ready = "yes";
  }),
);
