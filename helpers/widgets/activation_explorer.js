// The activation explorer: curves, slopes and pictures of functions of one number. All of it runs
// in the browser. The reference are the torch modules of helpers.nn.activations.

// --- functions: x and a parameter -> [value, slope] ---------------------------------------------

const bent = (below) => (x, a) => (x > 0 ? [x, 1] : below(x, a));
const sigmoid = (x) => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)));

/** The normal distribution's area up to z, by a series of positive terms (all digits of a double). */
function normalArea(z) {
  if (Math.abs(z) > 8) return z > 0 ? 1 : 0;
  let [term, sum] = [z, z];
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (z * z) / (2 * n + 1);
    sum += term;
  }
  return 0.5 + sum * normalHeight(z);
}
const normalHeight = (z) => Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);

/** x * tanh(log(1 + exp(x))), by e = exp(-|x|), so that nothing overflows. */
function mish(x) {
  const e = Math.exp(-Math.abs(x));
  const [top, bottom] = x >= 0 ? [1 + 2 * e, 1 + 2 * e + 2 * e * e] : [e * e + 2 * e, e * e + 2 * e + 2];
  const tanh = top / bottom;
  return [x * tanh, tanh + x * (1 - tanh * tanh) * sigmoid(x)];
}

/** By the names of Python's table of activations; Python checks that none is missing. */
const FUNCTIONS = {
  relu: bent(() => [0, 0]),
  leaky_relu: bent((x, a) => [a * x, a]),
  prelu: bent((x, a) => [a * x, a]),
  elu: bent((x, a) => [a * Math.expm1(x), a * Math.exp(x)]),
  // With a scale a: f(a * x) / a, which is x / 2 for 0 and goes to ReLU.
  silu: (x, a) => {
    const gate = sigmoid(a * x);
    return [x * gate, gate + a * x * gate * (1 - gate)];
  },
  gelu: (x, a) => {
    const gate = normalArea(a * x);
    return [x * gate, gate + a * x * normalHeight(a * x)];
  },
  mish,
};

// --- plots --------------------------------------------------------------------------------------

const SVG = "http://www.w3.org/2000/svg";
function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** A plot with axes through 0; x and y go from numbers to the plot's own units. */
function plotOf(title, [left, right], [low, high], unit) {
  const [across, up] = unit;
  const size = [(right - left) * across, (high - low) * up];
  const x = (value) => (value - left) * across;
  const y = (value) => (high - value) * up;
  const root = svg("svg", { viewBox: `0 0 ${size[0]} ${size[1]}`, class: "fs-axes" });
  root.append(svg("rect", { width: size[0], height: size[1], fill: "#fff" }));
  for (let value = Math.ceil(left); value <= right; value++) {
    root.append(svg("line", { x1: x(value), x2: x(value), y1: 0, y2: size[1], stroke: value ? "#e4e4e4" : "#767676" }));
    if (value && value > left && value < right) root.append(svg("text", { x: x(value), y: y(0) + 15, "text-anchor": "middle" }, String(value)));
  }
  for (let value = Math.ceil(low); value <= high; value++) {
    root.append(svg("line", { x1: 0, x2: size[0], y1: y(value), y2: y(value), stroke: value ? "#e4e4e4" : "#767676" }));
    if (value) root.append(svg("text", { x: x(0) - 5, y: y(value) + 4, "text-anchor": "end" }, String(value)));
  }
  const layer = svg("g");
  root.append(layer);
  const path = (values) => {
    let [pen, text] = ["M", ""];
    for (const [at, value] of values) {
      if (value === null) {
        pen = "M";
        continue;
      }
      text += `${pen}${x(at).toFixed(2)},${y(value).toFixed(2)}`;
      pen = "L";
    }
    return text;
  };
  const touched = el("div", {}, root);
  const holder = el("div", { class: "fs-plotbox" }, touched);
  const node = el("figure", {}, el("figcaption", {}, title), holder);
  const numberAt = (event) => {
    const frame = root.getBoundingClientRect();
    return [left + ((event.clientX - frame.left) / frame.width) * (right - left), high - ((event.clientY - frame.top) / frame.height) * (high - low)];
  };
  const put = (mark, at, value) =>
    Object.assign(mark.style, { left: `${(100 * x(at)) / size[0]}%`, top: `${(100 * y(value)) / size[1]}%` });
  return { node, holder, touched, layer, x, y, path, numberAt, put };
}

/** A slider of any shape: keys move its number by steps, the pointer to what drag(event, down) gives. */
function gripped(node, { label, limits: [low, high], step, value, drag, set }) {
  const named = { tabindex: 0, role: "slider", "aria-label": `${label}: drag or arrow keys`, "aria-valuemin": low, "aria-valuemax": high };
  for (const [name, text] of Object.entries(named)) node.setAttribute(name, text);
  const by = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10 };
  const ends = { Home: low, End: high };
  let pressed = false;
  node.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    pressed = true;
    node.setPointerCapture(event.pointerId);
    set(drag(event, true));
  });
  node.addEventListener("pointermove", (event) => pressed && set(drag(event, false)));
  for (const name of ["pointerup", "pointercancel"]) node.addEventListener(name, () => (pressed = false));
  node.addEventListener("keydown", (event) => {
    if (!(event.key in by) && !(event.key in ends)) return;
    event.preventDefault();
    set(ends[event.key] ?? clamp(tidy(value() + by[event.key] * step), low, high));
  });
  node.follow = () => {
    node.setAttribute("aria-valuenow", value());
    node.setAttribute("aria-valuetext", format(value()));
  };
}

const LINE = Array.from({ length: 401 }, (_, at) => tidy(-4 + at / 50));

/** Where on its curve a parameter is taken hold of: at a fixed x, or at the dip that a scale moves. */
const DIPS = { silu: -1.2784645, gelu: -0.7517916 };
const gripOf = (name, a) => {
  const x = name in DIPS ? Math.max(DIPS[name] / a, -3.8) : -2.5;
  return [x, FUNCTIONS[name](x, a)[0]];
};

/** The parameter, in hundredths, whose grip is nearest to the point. */
function nearest(name, [low, high], [x, y]) {
  const steps = Array.from({ length: Math.round(100 * (high - low)) + 1 }, (_, k) => tidy(low + k / 100));
  const apart = steps.map((a) => gripOf(name, a)).map(([one, other]) => Math.hypot(one - x, other - y));
  return steps[apart.indexOf(Math.min(...apart))];
}

// --- the explorer -------------------------------------------------------------------------------

function render({ model, el: host }) {
  const data = model.get("data");
  const shown = new Set(model.get("show"));
  const names = Object.keys(data.functions);
  const photograph = floats(data.photograph);
  const side = Math.sqrt(photograph.length);
  const levels = [...new Set(photograph)];
  const place = new Map(levels.map((level, at) => [level, at]));
  const where = Uint16Array.from(photograph, (level) => place.get(level));
  const signed = scaleOf(data.colours, data.limit);

  let state = { ...model.get("state") };
  const start = JSON.stringify(state);
  const { region, message, say, note } = announcer();
  const root = box("explorer", "Activation explorer: values, slopes and pictures of functions");
  const past = memory((kept) => adopt(JSON.parse(kept)));

  const parameterOf = (name) => state[data.functions[name].parameter] ?? 0;
  const at = (name, x) => FUNCTIONS[name](x, parameterOf(name));
  const kinked = (name) => Math.abs(at(name, 0)[1] - at(name, 1e-9)[1]) > 1e-6;
  const label = (name) => {
    const { label: plain, parameter } = data.functions[name];
    return parameter ? `${plain}, ${data.parameters[parameter].symbol} = ${format(state[parameter])}` : plain;
  };

  // --- changes ---

  function change(name, part) {
    past.keep(JSON.stringify(state), name);
    state = { ...state, ...part };
    note("");
    send();
    draw();
  }
  function adopt(next) {
    state = next;
    note("");
    send();
    draw();
  }
  const { send, listen, leave } = connection(model, () => state, note, (next) => {
    state = next;
    draw();
  });

  // --- plots: x is dragged along the curve, a parameter by its handle ---

  const values = plotOf("value f(x): drag the point", [-4, 4], [-2.75, 4.25], [60, 60]);
  const slopes = plotOf("slope f'(x)", [-4, 4], [-0.7, 2.2], [60, 75]);
  const pointer = values.touched;
  pointer.classList.add("fs-touch");
  gripped(pointer, {
    label: "x", limits: [-4, 4], step: 0.05, value: () => state.x, set: (x) => change("x", { x }),
    drag: (event) => clamp(Math.round(20 * values.numberAt(event)[0]) / 20, -4, 4),
  });

  const grips = Object.fromEntries(names.filter((name) => data.functions[name].parameter).map((name) => {
    const { colour, parameter } = data.functions[name];
    const { label: text, limits, step } = data.parameters[parameter];
    const node = el("div", { class: "fs-handle", style: `--colour:${colour}` });
    let off; // from the pointer to the grip, so that taking hold changes nothing
    const drag = (event, down) => {
      const [x, y] = values.numberAt(event);
      if (down) {
        const [left, top] = gripOf(name, state[parameter]);
        off = [left - x, top - y];
        return state[parameter];
      }
      return nearest(name, limits, [x + off[0], y + off[1]]);
    };
    const set = (value) => value !== state[parameter] && change(parameter, { [parameter]: value });
    gripped(node, { label: `${text} on the curve`, limits, step, value: () => state[parameter], drag, set });
    values.holder.append(node);
    return [name, node];
  }));

  // --- controls ---

  const ticks = Object.fromEntries(
    names.map((name) => {
      const node = tick("", (on) =>
        change("functions", { functions: names.filter((each) => (each === name ? on : state.functions.includes(each))) }),
      );
      const { colour, dashes, label: plain } = data.functions[name];
      const sample = svg("svg", { viewBox: "0 0 34 10", class: "fs-sample", "aria-hidden": "true" });
      sample.append(svg("rect", { width: 34, height: 10, fill: "#fff" }), svg("path", { d: "M0,5H34", stroke: colour, "stroke-width": 3, "stroke-dasharray": dashes }));
      node.lastChild.append(sample, ` ${plain}`);
      return [name, node];
    }),
  );
  const sliders = Object.fromEntries(
    Object.entries(data.parameters).map(([name, { label: text, limits: [min, max], step }]) => [
      name, sliderRow({ label: text, min, max, step, note, set: (value) => change(name, { [name]: value }) }),
    ]),
  );
  const xRow = sliderRow({ label: "x", min: -4, max: 4, step: 0.05, note, set: (x) => change("x", { x }) });
  const pairs = [["", "none"], ...names.map((name) => [name, data.functions[name].label])];
  const [minuend, subtrahend] = [0, 1].map((place) =>
    menu(place ? "minus" : "of", pairs, (name) => {
      const next = [...(state.difference.length ? state.difference : [names[0], names[0]])];
      next[place] = name;
      change("difference", { difference: next.includes("") ? [] : next });
    }),
  );

  // --- drawing ---

  const table = el("table", { class: "fs-table" });
  const gallery = el("div", { class: "fs-gallery" });
  const input = panel("x, the photograph");
  input.draw(side, (at) => signed.pixel(photograph[at]));
  const panels = Object.fromEntries([...names, "difference"].map((name) => [name, panel(name)]));
  const kink = el("p", {});

  function drawPlots() {
    for (const plot of [values, slopes]) plot.layer.replaceChildren();
    const curve = (plot, points, colour, dashes, width = 2.5) =>
      plot.layer.append(svg("path", { d: plot.path(points), fill: "none", stroke: colour, "stroke-width": width, "stroke-dasharray": dashes }));
    const dot = (plot, y, colour) =>
      plot.layer.append(svg("circle", { cx: plot.x(state.x), cy: plot.y(y), r: 6, fill: colour, stroke: "#000", "stroke-width": 1.5 }));
    for (const plot of [values, slopes])
      plot.layer.append(svg("line", { x1: plot.x(state.x), x2: plot.x(state.x), y1: 0, y2: 1000, stroke: "#000", "stroke-dasharray": "2 3" }));
    state.functions.forEach((name, line) => {
      const { colour, dashes, label: plain } = data.functions[name];
      const bend = kinked(name);
      const points = LINE.map((x) => [x, ...at(name, x)]);
      curve(values, points.map(([x, value]) => [x, value]), colour, dashes);
      curve(slopes, points.map(([x, , slope]) => [x, bend && x === 0 ? null : slope]), colour, dashes);
      const sample = svg("path", { d: `M10,${19 + 19 * line}h34`, stroke: colour, "stroke-width": 3, "stroke-dasharray": dashes });
      values.layer.append(sample, svg("text", { x: 50, y: 24 + 19 * line, class: "fs-name" }, plain));
    });
    for (const name of state.functions) {
      const { colour } = data.functions[name];
      const [value, slope] = at(name, state.x);
      const reach = 1.1 / Math.hypot(1, slope);
      curve(values, [[state.x - reach, value - reach * slope], [state.x + reach, value + reach * slope]], "#000", "", 1.5);
      dot(values, value, colour);
      dot(slopes, slope, colour);
    }
    for (const [name, node] of Object.entries(grips)) {
      node.hidden = !state.functions.includes(name);
      values.put(node, ...gripOf(name, parameterOf(name)));
      node.follow();
    }
    if (state.difference.length) {
      const [one, other] = state.difference;
      curve(values, LINE.map((x) => [x, at(one, x)[0] - at(other, x)[0]]), "#000", "6 3", 2);
    }
  }

  /** What each of the photograph's levels becomes, and the picture of it. */
  function drawPicture(name, text, value) {
    const answers = levels.map(value);
    const pixels = answers.map(signed.pixel);
    panels[name].name(text);
    panels[name].draw(side, (pixel) => pixels[where[pixel]]);
    return answers;
  }

  function drawTable(rows) {
    const cell = (text) => el("td", {}, text);
    const head = ["", `value at x = ${format(state.x)}`, "slope", "pixels not above 0"];
    table.replaceChildren(
      el("thead", {}, el("tr", {}, ...head.map((text) => (text ? el("th", { scope: "col" }, text) : el("td", {}))))),
      el("tbody", {}, ...rows.map(([name, ...texts]) => el("tr", {}, el("th", { scope: "row" }, name), ...texts.map(cell)))),
    );
  }

  function draw() {
    drawPlots();
    const rows = state.functions.map((name) => {
      const answers = drawPicture(name, label(name), (level) => at(name, level)[0]);
      const [value, slope] = at(name, state.x);
      const count = where.reduce((sum, level) => sum + (answers[level] <= 0), 0);
      return [label(name), format(value, 3), format(slope, 3), percent(count / where.length)];
    });
    const drawn = state.functions.map((name) => panels[name].node);
    if (state.difference.length) {
      const [one, other] = state.difference;
      const text = `${data.functions[one].label} - ${data.functions[other].label}`;
      drawPicture("difference", text, (level) => at(one, level)[0] - at(other, level)[0]);
      drawn.push(panels.difference.node);
      rows.push([text, format(at(one, state.x)[0] - at(other, state.x)[0], 3), "", ""]);
    }
    gallery.replaceChildren(input.node, ...drawn);
    drawTable(rows);
    const bends = state.functions.filter(kinked);
    kink.textContent =
      state.x === 0 && bends.length
        ? `At x = 0 ${bends.map((name) => data.functions[name].label).join(", ")}: a kink has no slope; torch takes the left one.`
        : state.functions.length ? "" : "No function is chosen: tick one.";
    follow();
    const said = rows.map(([name, value, slope]) => `${name}: value ${value}, slope ${slope}`);
    say(`At x = ${format(state.x)}. ${said.join(". ")}. ${kink.textContent}`);
  }

  function follow() {
    pointer.follow();
    xRow.follow(state.x);
    for (const name of names) ticks[name].firstChild.checked = state.functions.includes(name);
    const used = [...state.functions, ...state.difference];
    for (const [name, row] of Object.entries(sliders))
      row.follow(state[name], !used.some((each) => data.functions[each].parameter === name));
    minuend.follow(state.difference[0] ?? "");
    subtrahend.follow(state.difference[1] ?? "");
    undo.disabled = !past.past.length;
    redo.disabled = !past.future.length;
  }

  // --- the page ---

  const undo = button("undo", () => past.undo(JSON.stringify(state)));
  const redo = button("redo", () => past.redo(JSON.stringify(state)));
  const reset = button("reset", () => {
    past.keep(JSON.stringify(state), `reset ${Date.now()}`);
    adopt(JSON.parse(start));
  });
  const projector = button("projector", () => {
    projector.setAttribute("aria-pressed", String(root.classList.toggle("fs-projector")));
  }, { "aria-pressed": "false", title: "Large letters, for the back of a room" });
  const section = (name, title, ...children) =>
    shown.has(name) ? [el("section", { class: "fs-section", "aria-label": title }, el("h4", {}, title), ...children)] : [];
  root.append(
    el("div", { class: "fs-main" },
      el("div", { class: "fs-stage" },
        el("div", { class: "fs-plots" }, el("div", {}, values.node), el("div", {}, slopes.node, table, kink)),
        gallery),
      el("div", { class: "fs-side" },
        ...section("functions", "functions", ...Object.values(ticks)),
        ...section("input", "where", xRow),
        ...section("parameters", "parameters", ...Object.values(sliders)),
        ...section("difference", "difference", minuend, subtrahend))),
    el("div", { class: "fs-row fs-tools" }, undo, redo, reset, projector),
    message,
    region,
  );
  host.replaceChildren(root);
  draw();
  listen();
  return leave;
}

/** The state, or an Error that names what does not fit. */
function checkedState(state, { functions, parameters }) {
  const { wrong, number } = checksOf(state, ["functions", "difference", "x", ...Object.keys(parameters)]);
  for (const list of ["functions", "difference"]) {
    const known = Array.isArray(state[list]) && state[list].every((name) => Object.hasOwn(functions, name));
    if (!known) wrong(list, `a list of ${Object.keys(functions).join(", ")}`);
  }
  if (![0, 2].includes(state.difference.length)) wrong("difference", "two names, or none");
  number("x", [-4, 4]);
  for (const [name, { limits }] of Object.entries(parameters)) number(name, limits);
  return state;
}

export { FUNCTIONS, checkedState, gripOf };
export default { render };
