// Draws the panels with uPlot where it is in the page: zoom, a cursor that all panels of a lane
// share, values. Without it, or without scripts, the static pictures stay.
(function () {
  "use strict";

  const WORDS = { P: "PASS", W: "WARN", I: "INCONCLUSIVE", F: "FAIL" };
  const NAMES = ["ink", "faint", "rule", "paper", "ground", "data", "series", "step", "pass", "warn",
    "inconclusive", "fail", "refused", "beyond", "window", "interval"];
  const BANDS = { frozen: "data", cooldown: "warn", paused: "fail", pinned: "inconclusive" };
  const FONT = 'system-ui, "Segoe UI", "DejaVu Sans", Arial, sans-serif';
  const STRIP = 14;
  const colour = {};
  const plots = [];
  const pending = new Map();
  let printing = false;
  let near = null;

  function readColours() {
    const style = getComputedStyle(document.documentElement);
    for (const name of NAMES) { colour[name] = style.getPropertyValue("--" + name).trim(); }
  }

  function element(name, attributes) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) { made.setAttribute(key, value); }
    return made;
  }

  // -- the data ---------------------------------------------------------------------------------

  function numbersOf(lane) {
    if (lane.numbers) { return lane.numbers; }
    return Array.from({ length: lane.count || 0 }, function (_, place) { return lane.first + place; });
  }

  // Iterations and values of a panel; a parameter has the value in force in each iteration.
  function columns(lane, panel) {
    const numbers = numbersOf(lane);
    if (panel.kind === "kpi") { return [panel.x || numbers, panel.values]; }
    if (!numbers.length) {
      const steps = panel.steps;
      const last = Math.max(lane.end, steps[steps.length - 1][0]);
      return [steps.map(function (step) { return step[0]; }).concat(last),
        steps.map(function (step) { return step[1]; }).concat(steps[steps.length - 1][1])];
    }
    let place = 0;
    const values = numbers.map(function (number) {
      while (place + 1 < panel.steps.length && panel.steps[place + 1][0] <= number) { place += 1; }
      return panel.steps[place][1];
    });
    return [numbers, values];
  }

  function shown(value) {
    if (value === null || value === undefined) { return "no data"; }
    const size = Math.abs(value);
    if (size !== 0 && (size < 0.001 || size >= 1e9)) { return value.toExponential(3); }
    return String(Number(value.toPrecision(6)));
  }

  // -- what lies below and above the line -------------------------------------------------------

  function clipped(u, draw) {
    const box = u.bbox;
    u.ctx.save();
    u.ctx.beginPath();
    u.ctx.rect(box.left, box.top, box.width, box.height);
    u.ctx.clip();
    draw(u.ctx, box);
    u.ctx.restore();
  }

  function stretch(u, first, last) {
    const left = u.valToPos(first - 0.5, "x", true);
    return [left, Math.max(u.valToPos(last + 0.5, "x", true) - left, 1)];
  }

  function drawBelow(u, lane, panel) {
    clipped(u, function (ctx, box) {
      ctx.fillStyle = colour.ground;
      ctx.fillRect(box.left, box.top, box.width, box.height);
      if (panel.limit) {
        const place = u.valToPos(panel.limit[0], "y", true);
        ctx.fillStyle = colour.beyond;
        if (panel.limit[1]) { ctx.fillRect(box.left, box.top, box.width, place - box.top); }
        else { ctx.fillRect(box.left, place, box.width, box.top + box.height - place); }
        if (panel.other !== undefined) {
          const far = u.valToPos(panel.other, "y", true);
          if (panel.limit[1]) { ctx.fillRect(box.left, far, box.width, box.top + box.height - far); }
          else { ctx.fillRect(box.left, box.top, box.width, far - box.top); }
        }
      }
      if (panel.window) { drawWindow(u, ctx, box, panel.window); }
      for (const span of panel.kind === "kpi" ? lane.excluded : []) { hatch(u, ctx, box, span); }
    });
  }

  function drawWindow(u, ctx, box, given) {
    const [left, width] = stretch(u, given[0], given[1]);
    ctx.globalAlpha = 0.75;
    ctx.fillStyle = colour.window;
    ctx.fillRect(left, box.top, width, box.height);
    const inner = given.slice(2).filter(function (value) { return value !== null; });
    if (inner.length > 1) {
      const top = u.valToPos(Math.max.apply(null, inner), "y", true);
      const bottom = u.valToPos(Math.min.apply(null, inner), "y", true);
      ctx.fillStyle = colour.interval;
      ctx.fillRect(left, top, width, Math.max(bottom - top, 1));
    }
    ctx.globalAlpha = 1;
  }

  function hatch(u, ctx, box, span) {
    const [left, width] = stretch(u, span[0], span[1]);
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, box.top, width, box.height);
    ctx.clip();
    ctx.strokeStyle = colour.faint;
    ctx.lineWidth = uPlot.pxRatio;
    ctx.beginPath();
    for (let x = left - box.height; x < left + width; x += 7 * uPlot.pxRatio) {
      ctx.moveTo(x, box.top + box.height);
      ctx.lineTo(x + box.height, box.top);
    }
    ctx.stroke();
    ctx.restore();
  }

  function rule(ctx, left, right, y, stroke, width, dash) {
    ctx.strokeStyle = stroke;
    ctx.lineWidth = width * uPlot.pxRatio;
    ctx.setLineDash(dash.map(function (part) { return part * uPlot.pxRatio; }));
    ctx.beginPath();
    ctx.moveTo(left, y);
    ctx.lineTo(right, y);
    ctx.stroke();
    ctx.setLineDash([]);
  }

  function words(ctx, text, x, y, fill, weight, align) {
    ctx.save();
    ctx.font = weight + " " + 11 * uPlot.pxRatio + "px " + FONT;
    ctx.textAlign = align;
    ctx.textBaseline = "alphabetic";
    ctx.lineJoin = "round";
    ctx.strokeStyle = colour.paper;
    ctx.lineWidth = 3 * uPlot.pxRatio;
    ctx.strokeText(text, x, y);
    ctx.fillStyle = fill;
    ctx.fillText(text, x, y);
    ctx.restore();
  }

  function drawAbove(u, lane, panel) {
    const ratio = uPlot.pxRatio;
    clipped(u, function (ctx, box) {
      if (panel.window && panel.window[2] !== null) {
        const [left, width] = stretch(u, panel.window[0], panel.window[1]);
        rule(ctx, left, left + width, u.valToPos(panel.window[2], "y", true), colour.data, 2.4, []);
      }
      if (panel.kind === "kpi") { drawVerdicts(u, ctx, lane); } else { drawMovers(u, ctx, lane, panel); }
      if (panel.limit) {
        const place = u.valToPos(panel.limit[0], "y", true);
        const inside = place >= box.top && place <= box.top + box.height;
        const above = place < box.top;
        if (inside) { rule(ctx, box.left, box.left + box.width, place, colour.fail, 1.6, [6, 4]); }
        const text = "limit " + panel.limit[2] + (inside ? "" : above ? " ↑ above" : " ↓ below");
        const near = place < box.top + 16 * ratio ? place + 12 * ratio : place - 4 * ratio;
        const y = inside ? near : above ? box.top + 11 * ratio : box.top + box.height - 4 * ratio;
        words(ctx, text, box.left + 5 * ratio, y, colour.fail, "600", "left");
      }
      if (panel.other !== undefined) {
        const place = u.valToPos(panel.other, "y", true);
        if (place >= box.top && place <= box.top + box.height) {
          rule(ctx, box.left, box.left + box.width, place, colour.fail, 1.6, [6, 4]);
        }
      }
      (panel.bounds || []).forEach(function (bound, upper) {
        const place = u.valToPos(bound, "y", true);
        if (place < box.top || place > box.top + box.height) { return; }
        rule(ctx, box.left, box.left + box.width, place, colour.faint, 1, [3, 3]);
        const y = place < box.top + 14 * ratio ? place + 11 * ratio : place - 4 * ratio;
        const text = (upper ? "upper" : "lower") + " bound " + shown(bound);
        words(ctx, text, box.left + 5 * ratio, y, colour.faint, "400", "left");
      });
    });
    const below = u.bbox.top + u.bbox.height + ((panel.kind === "kpi" ? STRIP + 5 : 5) + 10) * ratio;
    words(u.ctx, "iteration " + Math.floor(u.scales.x.max), u.bbox.left + u.bbox.width, below, colour.faint, "400", "right");
    if (panel.kind === "kpi") { drawEvents(u, lane); } else { drawBands(u, panel); }
  }

  function mark(ctx, shape, x, y, stroke, size) {
    const r = uPlot.pxRatio * size;
    ctx.strokeStyle = stroke;
    ctx.fillStyle = stroke;
    ctx.lineWidth = 1.6 * r;
    ctx.beginPath();
    if (shape === "dot") {
      ctx.arc(x, y, 2.8 * r, 0, 7);
      ctx.fill();
    } else if (shape === "cross") {
      ctx.lineWidth = 2.4 * r;
      ctx.moveTo(x - 3.5 * r, y - 3.5 * r); ctx.lineTo(x + 3.5 * r, y + 3.5 * r);
      ctx.moveTo(x + 3.5 * r, y - 3.5 * r); ctx.lineTo(x - 3.5 * r, y + 3.5 * r);
      ctx.stroke();
    } else if (shape === "square") {
      ctx.fillStyle = colour.paper;
      ctx.rect(x - 3.2 * r, y - 3.2 * r, 6.4 * r, 6.4 * r);
      ctx.fill(); ctx.stroke();
    } else if (shape === "ring") {
      ctx.fillStyle = colour.paper;
      ctx.arc(x, y, 3.2 * r, 0, 7);
      ctx.fill(); ctx.stroke();
    } else if (shape === "diamond") {
      ctx.moveTo(x, y - 4.5 * r); ctx.lineTo(x + 4.5 * r, y); ctx.lineTo(x, y + 4.5 * r);
      ctx.lineTo(x - 4.5 * r, y); ctx.closePath(); ctx.fill();
    } else {
      const turn = shape === "down" ? -1 : 1;
      ctx.moveTo(x, y - 4.2 * r * turn); ctx.lineTo(x + 4.2 * r, y + 3.2 * r * turn);
      ctx.lineTo(x - 4.2 * r, y + 3.2 * r * turn); ctx.closePath(); ctx.fill();
    }
  }

  function drawVerdicts(u, ctx, lane) {
    const shapes = { W: ["triangle", colour.warn], I: ["square", colour.inconclusive],
      F: ["cross", colour.fail], P: ["dot", colour.data] };
    const [xs, ys] = u.data;
    const seen = xs.filter(function (x) { return x >= u.scales.x.min && x <= u.scales.x.max; }).length;
    for (let place = 0; place < xs.length; place += 1) {
      const letter = lane.verdicts ? lane.verdicts[place] : "P";
      const inside = xs[place] >= u.scales.x.min && xs[place] <= u.scales.x.max;
      if (!inside || ys[place] === null || (letter === "P" && seen > 400)) { continue; }
      const [shape, stroke] = shapes[letter];
      mark(ctx, shape, u.valToPos(xs[place], "x", true), u.valToPos(ys[place], "y", true), stroke,
        seen > 150 && letter !== "P" ? 0.55 : 1);
    }
  }

  // A value is in force during the whole iteration, so its step begins half an iteration before.
  function drawMovers(u, ctx, lane, panel) {
    ctx.strokeStyle = colour.step;
    ctx.lineWidth = 2 * uPlot.pxRatio;
    ctx.beginPath();
    let before = null;
    for (const [number, value] of panel.steps) {
      const x = u.valToPos(number - 0.5, "x", true);
      const y = u.valToPos(value, "y", true);
      if (before === null) { ctx.moveTo(x, y); } else { ctx.lineTo(x, before); ctx.lineTo(x, y); }
      before = y;
    }
    ctx.lineTo(Math.max(u.valToPos(lane.end + 0.5, "x", true), 0), before);
    ctx.stroke();
    for (const [number, value, mover] of panel.steps) {
      if (mover < 0 || number < u.scales.x.min || number > u.scales.x.max + 0.5) { continue; }
      const x = u.valToPos(number - 0.5, "x", true);
      const shape = panel.movers[mover][1];
      mark(ctx, shape, x, u.valToPos(value, "y", true), shape === "down" ? colour.fail : colour.step,
        panel.steps.length > 60 ? 0.55 : 1);
    }
  }

  // The more important event of two that have no space beside each other; the data has those first.
  function drawEvents(u, lane) {
    const box = u.bbox;
    const taken = new Set();
    const y = box.top + box.height + STRIP / 2 * uPlot.pxRatio;
    for (const [symbol, rare, numbers] of lane.events) {
      for (const number of numbers) {
        if (number < u.scales.x.min || number > u.scales.x.max) { continue; }
        const x = u.valToPos(number, "x", true);
        const cell = Math.floor((x - box.left) / (9 * uPlot.pxRatio));
        if (taken.has(cell)) { continue; }
        taken.add(cell);
        drawEvent(u.ctx, symbol, rare, x, y);
      }
    }
  }

  function drawEvent(ctx, symbol, rare, x, y) {
    if (symbol === "•" || symbol === "◦") {
      ctx.fillStyle = symbol === "•" ? colour.step : colour.refused;
      ctx.beginPath();
      ctx.arc(x, y, 2.5 * uPlot.pxRatio, 0, 7);
      ctx.fill();
    } else {
      words(ctx, symbol, x, y + 3.5 * uPlot.pxRatio, rare ? colour.ink : colour.faint, "700", "center");
    }
  }

  function drawBands(u, panel) {
    const ratio = uPlot.pxRatio;
    panel.bands.forEach(function ([kind, spans], row) {
      const top = u.bbox.top - (panel.bands.length - row) * 12 * ratio - 7 * ratio;
      words(u.ctx, kind, u.bbox.left - 5 * ratio, top + 8.5 * ratio, colour.faint, "400", "right");
      u.ctx.save();
      u.ctx.beginPath();
      u.ctx.rect(u.bbox.left, 0, u.bbox.width, u.bbox.top);
      u.ctx.clip();
      u.ctx.fillStyle = colour[BANDS[kind]];
      for (const [first, last] of spans) {
        const [left, width] = stretch(u, first, last);
        u.ctx.fillRect(left, top, width, 9 * ratio);
      }
      u.ctx.restore();
    });
  }

  // -- one panel --------------------------------------------------------------------------------

  function options(lane, panel, width, height, readout) {
    const all = [lane.first - 0.5, lane.last + 0.5];
    const stroke = function (name) { return function () { return colour[name]; }; };
    const axis = { stroke: stroke("faint"), grid: { stroke: stroke("rule"), width: 0.7 },
      ticks: { show: false }, font: "11px " + FONT };
    const isKpi = panel.kind === "kpi";
    return {
      width: width,
      height: height,
      padding: [8 + (isKpi ? 0 : 6 + 12 * panel.bands.length), 12, 0, 0],
      legend: { show: false },
      cursor: {
        sync: { key: lane.key, scales: ["x", null] },
        drag: { x: true, y: false },
        points: { size: 9, stroke: stroke("ink"), fill: stroke("paper"), width: 2 },
      },
      scales: {
        x: { time: false, range: function (u, low, high) {
          const whole = low <= u.data[0][0] && high >= u.data[0][u.data[0].length - 1];
          return whole || !(high > low) ? all : [low, high];
        } },
        y: { range: function (u, low, high) { return heights(panel, u.data[1], low, high); } },
      },
      axes: [
        Object.assign({}, axis, { size: isKpi ? 36 : 24, gap: isKpi ? STRIP + 5 : 5, space: 60,
          grid: { show: false }, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4],
          // The last label says what the numbers are.
          values: function (u, splits) {
            const scale = u.scales.x;
            const right = scale.max - (scale.max - scale.min) * (80 + 6.5 * String(lane.last).length) / Math.max(u.width - 64, 100);
            return splits.map(function (split) { return split < right ? String(split) : ""; });
          } }),
        Object.assign({}, axis, { gap: 5, space: height < 190 ? 20 : 28,
          size: function (u, labels) {
            return Math.max(52, 6.4 * Math.max.apply(null, (labels || [""]).map(function (label) { return label.length; })) + 10);
          },
          values: function (u, splits) { return splits.map(shown); } }),
      ],
      series: [{}, {
        stroke: stroke(isKpi ? "series" : "step"),
        width: isKpi ? 1.3 : 2,
        points: { show: false },
        paths: isKpi ? uPlot.paths.linear() : function () { return null; },
        spanGaps: false,
      }],
      hooks: {
        drawClear: [function (u) { drawBelow(u, lane, panel); }],
        draw: [function (u) { drawAbove(u, lane, panel); }],
        setCursor: [function (u) { readout.textContent = reading(u, lane, panel); }],
      },
    };
  }

  // The range of the static picture; of a part of the iterations theirs, with the limit.
  function heights(panel, values, low, high) {
    const present = values.filter(function (value) { return value !== null; });
    const whole = low === null || low <= least(present) && high >= -least(present.map(function (v) { return -v; }));
    if (whole) { return panel.range; }
    const limit = panel.limit ? panel.limit[0] : low;
    const shown = limit >= panel.range[0] && limit <= panel.range[1];
    const bottom = shown ? Math.min(low, limit) : low;
    const top = shown ? Math.max(high, limit) : high;
    const pad = 0.08 * (top - bottom) || Math.abs(top) * 0.1 || 1;
    return [Math.max(bottom - pad, panel.range[0]), Math.min(top + pad, panel.range[1])];
  }

  function least(values) { return values.reduce(function (a, b) { return Math.min(a, b); }, Infinity); }

  function reading(u, lane, panel) {
    const place = u.cursor.idx;
    if (place === null || place === undefined || u.cursor.left < 0) { return ""; }
    const number = u.data[0][place];
    const unit = panel.unit && u.data[1][place] !== null ? " " + panel.unit : "";
    const verdict = panel.kind === "kpi" && lane.verdicts ? ", " + WORDS[lane.verdicts[place]] : "";
    return "iteration " + number + ": " + shown(u.data[1][place]) + unit + verdict;
  }

  function build(lane, panel) {
    const picture = document.getElementById(panel.id + "-picture");
    const svg = picture.querySelector("svg");
    const shape = svg.viewBox.baseVal;
    const height = Math.max(Math.round(picture.clientWidth * shape.height / shape.width), 130);
    const title = svg.querySelector("title").textContent;
    const box = element("div", { class: "plot-box", tabindex: "0", role: "group",
      "aria-label": title + ". Arrow keys read the values, plus and minus zoom, Escape shows all." });
    const readout = element("p", { class: "readout", "aria-live": "off" });
    picture.append(box, readout);
    svg.toggleAttribute("hidden", true);
    const u = new uPlot(options(lane, panel, picture.clientWidth, height, readout), columns(lane, panel), box);
    const canvas = box.querySelector("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", title + ". " + svg.querySelector("desc").textContent);
    box.addEventListener("keydown", function (event) { onKey(event, u); });
    box.addEventListener("focus", function () { readout.setAttribute("aria-live", "polite"); });
    box.addEventListener("blur", function () { readout.setAttribute("aria-live", "off"); });
    plots.push({ u: u, box: box, readout: readout, svg: svg, picture: picture });
    if (isStatic()) { showStatic(plots[plots.length - 1], true); }
  }

  function onKey(event, u) {
    const xs = u.data[0];
    const place = u.cursor.idx === null || u.cursor.idx === undefined || u.cursor.left < 0 ? -1 : u.cursor.idx;
    const moves = { ArrowLeft: place < 0 ? xs.length - 1 : place - 1, ArrowRight: place + 1, Home: 0,
      End: xs.length - 1, PageUp: place - 10, PageDown: place + 10 };
    if (event.ctrlKey || event.metaKey || event.altKey) { return; }
    if (event.key in moves) {
      const next = Math.min(Math.max(moves[event.key], 0), xs.length - 1);
      const value = u.data[1][next];
      const top = value === null ? u.over.clientHeight / 2 : u.valToPos(value, "y");
      u.setCursor({ left: u.valToPos(xs[next], "x"), top: top }, true, true);
    } else if (event.key === "+" || event.key === "-") {
      zoom(u, event.key === "+" ? 0.5 : 2);
    } else if (event.key === "Escape") {
      zoom(u, Infinity);
    } else { return; }
    event.preventDefault();
  }

  function zoom(u, factor) {
    const xs = u.data[0];
    const scale = u.scales.x;
    const place = u.cursor.left >= 0 ? u.posToVal(u.cursor.left, "x") : (scale.min + scale.max) / 2;
    const half = Math.max((scale.max - scale.min) * factor / 2, 1);
    const low = factor === Infinity ? xs[0] : Math.max(place - half, xs[0] - 0.5);
    const high = factor === Infinity ? xs[xs.length - 1] : Math.min(place + half, xs[xs.length - 1] + 0.5);
    for (const other of plots) {
      if (other.u.cursor.sync.key === u.cursor.sync.key) { other.u.setScale("x", { min: low, max: high }); }
    }
  }

  // -- the page ---------------------------------------------------------------------------------

  const button = document.getElementById("static");

  function isStatic() { return button.getAttribute("aria-pressed") === "true"; }

  function showStatic(plot, on) {
    plot.svg.toggleAttribute("hidden", !on);
    plot.box.hidden = on;
    plot.readout.hidden = on;
  }

  function everyStatic(on) { plots.forEach(function (plot) { showStatic(plot, on); }); }

  function resize(plot) {
    const width = plot.picture.clientWidth;
    if (width > 0 && !plot.box.hidden && Math.abs(width - plot.u.width) > 1) {
      plot.u.setSize({ width: width, height: plot.u.height });
    }
  }

  function startPlots() {
    readColours();
    near = "IntersectionObserver" in window ? new IntersectionObserver(function (entries) {
      if (printing) { return; }
      for (const entry of entries) {
        const start = entry.isIntersecting && pending.get(entry.target);
        if (start) {
          near.unobserve(entry.target);
          pending.delete(entry.target);
          start();
        }
      }
    }, { rootMargin: "600px" }) : null;
    for (const source of document.querySelectorAll("script.plot-data")) {
      const lane = JSON.parse(source.textContent);
      lane.key = source.dataset.lane;
      for (const panel of lane.panels) {
        const start = function () { build(lane, panel); };
        const picture = document.getElementById(panel.id + "-picture");
        if (near) {
          pending.set(picture, start);
          near.observe(picture);
        } else { start(); }
      }
    }
    window.addEventListener("resize", function () { plots.forEach(resize); });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", function () {
      readColours();
      plots.forEach(function (plot) { plot.u.redraw(false, true); });
    });
    button.addEventListener("click", function () {
      button.setAttribute("aria-pressed", String(!isStatic()));
      everyStatic(isStatic());
      plots.forEach(resize);
    });
    for (const hint of document.querySelectorAll(".scripted.plots")) { hint.hidden = false; }
  }

  function startFilter() {
    const table = document.getElementById("matrix");
    if (!table) { return; }
    const verdict = document.getElementById("filter-verdict");
    const text = document.getElementById("filter-text");
    const rows = Array.from(table.tBodies[0].rows);
    function filter() {
      let count = 0;
      for (const row of rows) {
        const link = row.cells[0].querySelector("a");
        const fits = (!verdict.value || row.dataset.verdict === verdict.value) &&
          link.textContent.toLowerCase().includes(text.value.toLowerCase());
        row.hidden = !fits;
        document.getElementById(link.hash.slice(1)).hidden = !fits;
        count += fits ? 1 : 0;
      }
      document.getElementById("filter-count").textContent = count + " of " + rows.length + " lanes";
    }
    document.querySelector(".filter").hidden = false;
    verdict.addEventListener("change", filter);
    text.addEventListener("input", filter);
    filter();
  }

  // On paper everything is open, and the pictures are the static ones.
  function startPrint() {
    const opened = [];
    window.addEventListener("beforeprint", function () {
      printing = true;
      everyStatic(true);
      for (const details of document.querySelectorAll("details:not([open]):not(.figures)")) {
        details.open = true;
        opened.push(details);
      }
    });
    window.addEventListener("afterprint", function () {
      printing = false;
      everyStatic(isStatic());
      for (const details of opened.splice(0)) { details.open = false; }
      // What came near while it was printed is seen again.
      for (const picture of pending.keys()) {
        near.unobserve(picture);
        near.observe(picture);
      }
    });
  }

  startFilter();
  startPrint();
  if (typeof uPlot !== "undefined" && document.querySelector("script.plot-data")) { startPlots(); }
})();
