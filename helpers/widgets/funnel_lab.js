// The funnel lab: state -> arrays -> pictures. All of it runs in the browser, with a kernel or
// without one. The reference for the arrays are the torch modules of helpers.nn.activations.

// --- state -> arrays ----------------------------------------------------------------------------

/** Rows and columns that a condition sees: a pool's window is the square around the window. */
function reach(state, windows) {
  const [height, width] = windows[state.window];
  const side = Math.max(height, width);
  return state.condition.endsWith("pool") ? [side, side] : [height, width];
}

/** Calls visit(weight place, from, to, count) for each run of pixels that one weight meets. */
function runs(side, height, width, visit) {
  for (let place = 0; place < height * width; place++) {
    const down = Math.floor(place / width) - (height >> 1);
    const right = (place % width) - (width >> 1);
    const count = side - Math.abs(right);
    if (count <= 0) continue;
    for (let row = Math.max(0, -down); row < Math.min(side, side - down); row++) {
      const to = row * side + Math.max(0, -right);
      visit(place, to + down * side + right, to, count);
    }
  }
}

/** The sum of window * patch at every pixel, zeros outside of the picture. */
function correlate(x, side, weights, height, width) {
  const sums = new Float64Array(x.length);
  runs(side, height, width, (place, from, to, count) => {
    const weight = weights[place];
    if (weight) for (let k = 0; k < count; k++) sums[to + k] += weight * x[from + k];
  });
  return sums;
}

function largest(x, side, size) {
  const found = new Float64Array(x.length).fill(-Infinity);
  runs(side, size, size, (_, from, to, count) => {
    for (let k = 0; k < count; k++) if (x[from + k] > found[to + k]) found[to + k] = x[from + k];
  });
  return found;
}

/** Divided at the end: nine pixels of 1 have the mean 1, and tie. */
function average(x, side, size) {
  const ones = new Array(size * size).fill(1);
  return correlate(x, side, ones, size, size).map((sum) => sum / (size * size));
}

const scaled = (state) => state.weights.map((weight) => state.scale * weight);
const meanOf = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** BatchNorm with this picture's own statistics, as in training. */
function normalise(raw, gamma, beta, eps) {
  const mean = meanOf(raw);
  const variance = raw.reduce((sum, value) => sum + (value - mean) ** 2, 0) / raw.length;
  const deviation = Math.sqrt(variance + eps);
  return { T: raw.map((value) => (gamma * (value - mean)) / deviation + beta), mean, deviation };
}

/** x, what the window or the pool gives (raw), T(x) and y of a state, and BatchNorm's numbers. */
function compute(state, x, { windows, eps }) {
  const side = Math.sqrt(x.length);
  const [height, width] = reach(state, windows);
  const raw = {
    "max-pool": () => largest(x, side, height),
    "average-pool": () => average(x, side, height),
  }[state.condition]?.() ?? correlate(x, side, scaled(state), height, width);
  const { T, mean, deviation } = state.batchnorm
    ? normalise(raw, state.gamma, state.beta, eps)
    : { T: raw, mean: 0, deviation: 1 };
  const sum = state.condition === "sum";
  const y = x.map((value, at) => (sum ? value + T[at] : Math.max(value, T[at])));
  return { x, raw, T, y, mean, deviation, side };
}

const relu = (value) => Math.max(value, 0);

/** Mish without overflow: tanh(log(1 + e)) is (e² + 2e) / (e² + 2e + 2), by e = exp(-|x|). */
function mish(value) {
  const e = Math.exp(-Math.abs(value));
  return value >= 0
    ? (value * (1 + 2 * e)) / (1 + 2 * e + 2 * e * e)
    : (value * (e * e + 2 * e)) / (e * e + 2 * e + 2);
}

/** Mean squared distance to the target, and its slopes for weights, gamma and beta. */
function slopes(state, found, target, { windows }) {
  const { x, raw, T, y, mean, deviation, side } = found;
  const count = x.length;
  const sum = state.condition === "sum";
  const apart = y.map((value, at) => value - target[at]);
  const loss = meanOf(apart.map((value) => value * value));
  const toT = apart.map((value, at) => (sum || T[at] > x[at] ? (2 * value) / count : 0));
  let toRaw = toT;
  let [gamma, beta] = [0, 0];
  if (state.batchnorm) {
    const normal = raw.map((value) => (value - mean) / deviation);
    beta = toT.reduce((total, value) => total + value, 0);
    gamma = toT.reduce((total, value, at) => total + value * normal[at], 0);
    toRaw = toT.map(
      (value, at) => (state.gamma / deviation) * (value - beta / count - (normal[at] * gamma) / count),
    );
  }
  const [height, width] = windows[state.window];
  const weights = new Array(height * width).fill(0);
  runs(side, height, width, (place, from, to, length) => {
    let total = 0;
    for (let k = 0; k < length; k++) total += toRaw[to + k] * x[from + k];
    weights[place] += state.scale * total;
  });
  return { loss, weights, gamma, beta };
}

/** One step of plain gradient descent: the next weights, gamma and beta. */
function descend(state, slope, rate, limits) {
  const step = (value, by, [low, high]) => clamp(value - rate * by, low, high);
  return {
    weights: state.weights.map((value, at) => step(value, slope.weights[at], limits.weights)),
    gamma: step(state.gamma, slope.gamma, limits.gamma),
    beta: step(state.beta, slope.beta, limits.beta),
  };
}

// --- state and words ----------------------------------------------------------------------------

/** The same middle in a window of another shape: cut off, or with zeros around it. */
function fitted(weights, [height, width], [rows, columns]) {
  return Array.from({ length: rows * columns }, (_, at) => {
    const row = Math.floor(at / columns) + (height >> 1) - (rows >> 1);
    const column = (at % columns) + (width >> 1) - (columns >> 1);
    const inside = row >= 0 && row < height && column >= 0 && column < width;
    return inside ? weights[row * width + column] : 0;
  });
}

const BY_HAND = "by hand";

/** The preset whose weights these are, else "by hand". */
function presetOf(state, presets) {
  const same = (weights) => weights.every((weight, at) => weight === state.weights[at]);
  const found = Object.keys(presets).find((name) => same(presets[name][state.window]));
  return found ?? BY_HAND;
}

/** What T(x) is at one pixel, in numbers; each is that of the arrays, rounded to two digits. */
function arithmetic(state, found, data) {
  const at = state.row * found.side + state.column;
  const [x, raw, T, y] = ["x", "raw", "T", "y"].map((name) => format(found[name][at]));
  let opponent = `${beforeBatchnorm(state, found, data)} = ${raw}`;
  if (state.batchnorm) {
    const [mean, deviation] = [format(found.mean), format(found.deviation)];
    const [gamma, beta] = [format(state.gamma), format(state.beta)];
    opponent += ` ; BatchNorm: ${gamma}*(${raw} - ${mean})/${deviation} + ${beta} = ${T}`;
  }
  return state.condition === "sum" ? `${x} + ( ${opponent} ) = ${y}` : `max( ${x} , ${opponent} ) = ${y}`;
}

function beforeBatchnorm(state, found, data) {
  const patch = patchOf(state, found, data);
  const inside = patch.filter((value) => value !== null);
  if (state.condition === "max-pool") return `maximum of ${inside.length} pixels`;
  if (state.condition === "average-pool") return `mean of ${patch.length} pixels`;
  const terms = state.weights
    .map((weight, at) => [state.scale * weight, patch[at] ?? 0])
    .filter(([weight]) => weight);
  const more = terms.length - 9;
  if (more > 0) terms.sort((one, other) => Math.abs(other[0] * other[1]) - Math.abs(one[0] * one[1]));
  const said = terms.slice(0, 9).map(([weight, pixel]) => `${format(weight)}*${format(pixel)}`);
  if (more > 0) said.push(`... (${more} smaller products)`);
  return said.join(" + ") || "no weight but 0";
}

/** The pixels under the window at the cursor, row after row; null outside of the picture. */
function patchOf(state, { x, side }, { windows }) {
  const [height, width] = reach(state, windows);
  return Array.from({ length: height * width }, (_, at) => {
    const row = state.row + Math.floor(at / width) - (height >> 1);
    const column = state.column + (at % width) - (width >> 1);
    const inside = row >= 0 && row < side && column >= 0 && column < side;
    return inside ? x[row * side + column] : null;
  });
}

/** How many pixels T(x) wins, x wins, and are ties; and where y is not ReLU(x). Shares of 1. */
function sharesOf({ x, T, y }) {
  const share = (test) => x.reduce((count, _, at) => count + test(at), 0) / x.length;
  return {
    T: share((at) => T[at] > x[at]),
    x: share((at) => T[at] < x[at]),
    equal: share((at) => T[at] === x[at]),
    apart: share((at) => y[at] !== relu(x[at])),
  };
}

/** What is set and seen, in two sentences. */
function sentence(state, found, data, label) {
  const shares = sharesOf(found);
  const sum = state.condition === "sum";
  const [height, width] = reach(state, data.windows);
  const times = state.scale === 1 ? "" : `, times ${format(state.scale)}`;
  const how = state.condition.endsWith("pool")
    ? `${data.conditions[state.condition]} over ${height}x${width} pixels, no weights.`
    : `${sum ? "sum, y = x + T(x)" : "window"}: ${state.window}, ${presetOf(state, data.presets)}${times}.`;
  const norm = state.batchnorm ? `gamma ${format(state.gamma)}, beta ${format(state.beta)}` : "off";
  return (
    `Input: ${label}, ${found.side}x${found.side}. Condition: ${how} BatchNorm: ${norm}. ` +
    `${sum ? "Nobody wins: T(x) is larger at" : "T(x) wins"} ${percent(shares.T)} of the pixels, ` +
    `x ${percent(shares.x)}, ${percent(shares.equal)} are ties; ` +
    `y differs from ReLU(x) at ${percent(shares.apart)}.`
  );
}

// --- arrays -> pictures -------------------------------------------------------------------------

/** A little curve of numbers above 0 on a logarithmic scale, or bars of counts. */
function plot(label) {
  const line = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  line.setAttribute("viewBox", "0 0 300 80");
  line.setAttribute("role", "img");
  line.setAttribute("class", "fs-plot");
  const paths = (list) => {
    line.innerHTML = list
      .map(({ d, colour }) => `<path d="${d}" fill="none" stroke="${colour}" stroke-width="2"/>`)
      .join("");
  };
  line.setAttribute("aria-label", label);
  return { node: line, paths, say: (text) => line.setAttribute("aria-label", `${label}: ${text}`) };
}

function lossPath(losses) {
  const logs = losses.map((loss) => Math.log10(Math.max(loss, 1e-12)));
  const [low, high] = [Math.min(...logs), Math.max(...logs)];
  const points = logs.map(
    (value, at) =>
      `${((296 * at) / Math.max(logs.length - 1, 1) + 2).toFixed(1)},` +
      `${(76 - (72 * (value - low)) / (high - low || 1) + 2).toFixed(1)}`,
  );
  return `M${points.join("L")}`;
}

function histogramPath(values, limit) {
  const counts = new Array(40).fill(0);
  for (const value of values) counts[clamp(Math.floor(((value + limit) / (2 * limit)) * 40), 0, 39)]++;
  const most = Math.max(...counts);
  return `M${counts.map((count, at) => `${at * 7.5},${78 - (76 * count) / most}h7.5`).join("L")}`;
}

// --- the lab ------------------------------------------------------------------------------------

function render({ model, el: host }) {
  const data = model.get("data");
  const shown = new Set(model.get("show"));
  const { windows, presets, limits, colours } = data;
  const signed = scaleOf(colours.signed, data.limit);
  const strong = scaleOf(colours.signed, 1);
  const pictures = new Map(
    Object.entries(data.pictures).map(([name, { values }]) => [name, values && floats(values)]),
  );
  const labels = Object.fromEntries(
    Object.entries(data.pictures).map(([name, { label }]) => [name, label]),
  );
  const winner = { T: bits(colours.T), x: bits(colours.x), equal: bits(colours.equal) };

  let state = { ...model.get("state") };
  let found;
  let built = Infinity; // while the window slides: pixels before it are there
  let hot = null; // place in the window that the pointer is at
  let brush = 1;
  let moving; // the animation of weights that glide
  const start = JSON.stringify(state);
  const { region, message, say, note } = announcer();
  const root = box("funnel", "Funnel lab: a picture x, a window, T(x), and y = max(x, T(x))");
  const past = memory((kept) => adopt(JSON.parse(kept)));

  // --- changes ---

  const inputOf = () =>
    state.input === "painted" ? Float64Array.from(state.painted) : pictures.get(state.input);
  const startOf = (name) => {
    const side = Math.sqrt(name === "painted" ? state.painted.length : pictures.get(name).length);
    const [row, column] = data.pictures[name]?.start ?? [side >> 1, (side >> 1) - 1];
    return { row, column };
  };

  /** Every change of the reader comes through here. name: the control, for undo. */
  function change(name, part) {
    const between = stopMoving(); // what is drawn is of weights on their way
    past.keep(JSON.stringify(state), name);
    if ("input" in part || "condition" in part) forget();
    state = { ...state, ...part };
    note("");
    send();
    draw(between || !("row" in part) || Object.keys(part).length > 2);
  }

  /** Whether weights were gliding, which ends here. */
  function stopMoving() {
    const was = Boolean(moving);
    cancelAnimationFrame(moving);
    moving = 0;
    return was;
  }

  function adopt(next) {
    stopAll();
    note("");
    if (next.input !== state.input || next.condition !== state.condition) forget();
    const known = next.input === "painted" || pictures.get(next.input);
    state = known ? next : { ...next, input: "photograph", ...startOf("photograph") };
    send();
    draw(true);
  }

  // A picture of the reader's own stays here, and with it the state that needs it.
  const shareable = () => (state.input === "own" ? null : state);
  const { send, listen, leave } = connection(model, shareable, note, (next) => {
    stopAll();
    if (next.input !== state.input || next.condition !== state.condition) forget();
    state = next;
    draw(true);
  });

  /** Weights move to where they are asked in a quarter of a second, or at once. */
  function glide(name, goal) {
    const from = state.weights;
    change(name, { weights: goal });
    if (stillness() || goal.length !== from.length) return;
    const begin = performance.now();
    const frame = (now) => {
      const part = clamp((now - begin) / 250, 0, 1);
      const eased = part * part * (3 - 2 * part);
      const between = goal.map((value, at) => from[at] + eased * (value - from[at]));
      draw(true, { ...state, weights: part < 1 ? between : state.weights });
      moving = part < 1 ? requestAnimationFrame(frame) : 0;
    };
    moving = requestAnimationFrame(frame);
  }

  // --- controls ---

  const controls = {
    input: menu("x is", Object.entries(labels), (input) => {
      if (input !== "painted" && !pictures.get(input)) { // none was chosen yet, and perhaps none will be
        controls.input.follow(state.input);
        return chooser.click();
      }
      change("input", { input, ...startOf(input) });
    }),
    condition: choices("T(x) is", Object.entries(data.conditions), (condition) =>
      change("condition", { condition }),
    ),
    window: choices("shape", Object.keys(windows).map((name) => [name, name]), (window) => {
      const preset = presetOf(state, presets);
      const weights =
        presets[preset]?.[window] ?? fitted(state.weights, windows[state.window], windows[window]);
      change("window", { window, weights: [...weights] });
    }),
    preset: menu("weights", presetMenu(), (name) => {
      if (name !== BY_HAND) glide("preset", [...presets[name][state.window]]);
    }),
    batchnorm: tick("BatchNorm after the window", (batchnorm) => change("batchnorm", { batchnorm })),
  };
  for (const [name, label] of [["scale", "times"], ["gamma", "gamma"], ["beta", "beta"]]) {
    const [min, max] = limits[name];
    const set = (value) => change(name, { [name]: value });
    controls[name] = sliderRow({ label, min, max, step: 0.05, set, note });
  }

  function presetMenu() {
    const names = Object.keys(presets);
    const pairs = (list) => list.map((name) => [name, name]);
    const learned = names.filter((name) => name.startsWith("learned"));
    const drawn = names.filter((name) => !name.startsWith("learned"));
    const groups = { presets: [...pairs(drawn), [BY_HAND, BY_HAND]] };
    return learned.length ? { ...groups, "learned by the LeNet": pairs(learned) } : groups;
  }

  // A picture of one's own: read here, and sent nowhere.
  const chooser = el("input", { type: "file", accept: "image/*", hidden: true, "aria-label": "A picture of your own", onchange: () => own(chooser.files[0]) });
  const another = button("another picture", () => chooser.click());
  async function own(file) {
    if (!file) return;
    let bitmap;
    try {
      bitmap = await createImageBitmap(file);
    } catch {
      note(`${file.name} can't be read as a picture.`);
      return;
    }
    const side = 128;
    const canvas = el("canvas", { width: side, height: side });
    const cut = Math.min(bitmap.width, bitmap.height);
    chooser.value = ""; // the same file can be chosen again
    const context = canvas.getContext("2d");
    context.fillStyle = "#fff";
    context.fillRect(0, 0, side, side);
    context.drawImage(bitmap, (bitmap.width - cut) / 2, (bitmap.height - cut) / 2, cut, cut, 0, 0, side, side);
    const rgba = context.getImageData(0, 0, side, side).data;
    const grey = Float64Array.from({ length: side * side }, (_, at) =>
      0.299 * rgba[4 * at] + 0.587 * rgba[4 * at + 1] + 0.114 * rgba[4 * at + 2],
    );
    const mean = meanOf(grey);
    const spread = Math.sqrt(meanOf(grey.map((value) => (value - mean) ** 2)));
    const deviation = spread > 1e-6 ? spread : 1; // one grey all over is 0, not rounding's noise
    pictures.set("own", grey.map((value) => (value - mean) / deviation));
    change("input", { input: "own", ...startOf("own") });
    note(STAYS);
  }

  // --- panels ---

  const views = {
    x: panel("x", {
      class: "fs-picture fs-touch", tabindex: 0, role: "slider", "aria-label": "x: the pixel that is looked at",
      "aria-valuemin": 0,
    }),
    T: panel("T(x)"),
    y: panel("y"),
    wins: panel("who wins?"),
    relu: panel("ReLU(x)"),
    mish: panel("Mish(x)"),
    frelu: panel("y again"),
    apart: panel("y - ReLU(x)"),
  };
  const { x: touched } = views;
  touched.picture.firstChild.setAttribute("aria-hidden", "true");

  const placeOf = (event) => {
    const frame = touched.picture.firstChild.getBoundingClientRect();
    const at = (value, from, size) => clamp(Math.floor(((value - from) / size) * found.side), 0, found.side - 1);
    return { row: at(event.clientY, frame.top, frame.height), column: at(event.clientX, frame.left, frame.width) };
  };
  const paint = ({ row, column }) => {
    const at = row * found.side + column;
    if (state.painted[at] !== brush)
      change("painted", { painted: state.painted.with?.(at, brush) ?? state.painted.map((v, k) => (k === at ? brush : v)), row, column, input: "painted" });
  };
  /** Paints every cell from the last one on: a fast pointer skips some. */
  const stroke = (from, to) => {
    const steps = Math.max(Math.abs(to.row - from.row), Math.abs(to.column - from.column), 1);
    for (let k = 1; k <= steps; k++) {
      const at = (name) => Math.round(from[name] + (k / steps) * (to[name] - from[name]));
      paint({ row: at("row"), column: at("column") });
    }
  };
  let last = null; // where the pointer that is down was
  const point = (event) => {
    const place = placeOf(event);
    if (state.input === "painted") stroke(last ?? place, place);
    last = place;
    if (place.row !== state.row || place.column !== state.column) change("cursor", place);
  };
  let pressed = false;
  touched.picture.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    pressed = true;
    last = null;
    touched.picture.setPointerCapture(event.pointerId);
    stopAll();
    point(event);
  });
  touched.picture.addEventListener("pointermove", (event) => pressed && point(event));
  for (const name of ["pointerup", "pointercancel"])
    touched.picture.addEventListener(name, () => (pressed = false));
  touched.picture.addEventListener("keydown", (event) => {
    const by = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    const far = event.shiftKey ? 8 : 1;
    const end = { Home: 0, End: found.side - 1 }[event.key];
    if (by || end !== undefined) {
      stopAll();
      const move = (value, step) => clamp(value + far * step, 0, found.side - 1);
      const [row, column] = by ? [move(state.row, by[0]), move(state.column, by[1])] : [event.ctrlKey ? end : state.row, end];
      change("cursor", { row, column });
    } else if (event.key === " " && state.input === "painted") paint(state);
    else return;
    event.preventDefault();
  });

  const brushes = choices(
    "brush", data.painted.values.map((value) => [String(value), String(value)]),
    (value) => (brush = Number(value)),
  );
  brushes.follow("1");

  // --- one pixel: patch, window, products ---

  const grids = el("div", { class: "fs-grids" });
  const line = el("code", {});
  let cells = { shape: "", patch: [], window: [], product: [] };

  function buildCells([height, width], weighted) {
    const shape = `${height}x${width}${weighted}`;
    if (cells.shape === shape) return;
    const places = Array.from({ length: height * width }, (_, at) => at);
    const where = (at) => `row ${Math.floor(at / width) + 1}, column ${(at % width) + 1}`;
    const plain = (kind) => places.map((at) => link(el("div", { class: "fs-cell" }), at));
    const weight = (at) =>
      link(
        numberField({
          label: `weight, ${where(at)}`, min: limits.weights[0], max: limits.weights[1], step: 0.05, note,
          set: (value) => change(`weight ${at}`, { weights: state.weights.map((v, k) => (k === at ? value : v)) }),
        }),
        at,
      );
    cells = { shape, patch: plain(), window: weighted ? places.map(weight) : [], product: weighted ? plain() : [] };
    const grid = (title, list, sign, more = {}) =>
      el("div", { class: "fs-part" },
        el("h4", {}, title),
        el("div", { class: "fs-with-sign" }, el("span", { class: "fs-sign", "aria-hidden": "true" }, sign),
          el("div", { class: "fs-grid", style: `--columns:${width}`, ...more }, ...list)));
    const picture = (label) => ({ role: "img", "aria-label": label });
    grids.replaceChildren(
      grid("pixels of x", cells.patch, "", picture("the pixels of x under the window; the sentence below has their numbers")),
      ...(weighted
        ? [
            grid("weights: drag, type or use arrow keys", cells.window, "\u00d7", { role: "group", "aria-label": "the weights of the window" }),
            grid("products", cells.product, "=", picture("pixel times weight; the sentence below has their numbers")),
          ]
        : []),
      result,
    );
    grids.classList.toggle("fs-wide", width > 3);
  }

  function link(node, at) {
    const set = (value) => () => {
      hot = value;
      light();
    };
    for (const [event, value] of [["pointerenter", at], ["focus", at], ["pointerleave", null], ["blur", null]])
      node.addEventListener(event, set(value));
    return node;
  }

  function light() {
    for (const list of [cells.patch, cells.window, cells.product])
      list.forEach((node, at) => node.classList.toggle("fs-lit", at === hot));
    const [height, width] = reach(state, windows);
    const row = state.row + Math.floor(hot / width) - (height >> 1);
    const column = state.column + (hot % width) - (width >> 1);
    const inside = row >= 0 && row < found.side && column >= 0 && column < found.side;
    if (hot !== null && inside) touched.mark("hot", found.side, row, column);
    else touched.unmark("hot");
  }

  const result = el("div", { class: "fs-result" });

  function drawCells(now) {
    const weighted = !now.condition.endsWith("pool");
    buildCells(reach(now, windows), weighted);
    const patch = patchOf(now, found, data);
    const fill = (node, value, text, scale = signed) => {
      const colour = value === null ? null : scale.colour(value);
      node.style.background = colour ?? "";
      node.style.color = colour ? inkOn(colour) : "";
      if (text !== undefined) node.textContent = text;
    };
    patch.forEach((value, at) => {
      fill(cells.patch[at], value, value === null ? "" : format(value));
      cells.patch[at].classList.toggle("fs-outside", value === null);
      if (!weighted) return;
      const weight = now.scale * now.weights[at];
      const product = weight * (value ?? 0);
      cells.window[at].follow(now.weights[at]);
      fill(cells.window[at], weight, undefined, strong);
      fill(cells.product[at], product, format(product));
    });
    const at = now.row * found.side + now.column;
    const sum = now.condition === "sum";
    const name = weighted ? "sum of the products" : data.conditions[now.condition];
    const wins = found.T[at] > found.x[at] ? "T(x)" : found.T[at] < found.x[at] ? "x" : "a tie";
    const rows = [
      [name, found.raw[at]],
      ...(now.batchnorm ? [["after BatchNorm: T(x)", found.T[at]]] : []),
      ["the pixel itself: x", found.x[at]],
      [sum ? "y = x + T(x)" : `y = max(x, T(x)): ${wins}`, found.y[at]],
    ];
    result.replaceChildren(
      ...rows.flatMap(([term, value], k) => {
        const number = el("span", { class: k === rows.length - 1 ? "fs-value fs-y" : "fs-value" }, format(value));
        fill(number, value);
        return [el("span", {}, term), number];
      }),
    );
    line.textContent = arithmetic(now, found, data);
    light();
  }

  // --- the window slides: T(x) and y pixel by pixel ---

  const clock = { frame: 0, timer: 0 };
  const speed = menu("speed", [["1", "slow"], ["8", "medium"], ["64", "fast"]], () => {});
  speed.follow("8");
  const playing = button("play", () => (clock.timer ? stopPlay() : play()), { "aria-pressed": "false" });
  const stepping = button("step", () => {
    stopPlay();
    slide(1);
  });
  const whole = button("all pixels", () => {
    stopPlay();
    built = Infinity;
    draw(true);
  });
  function slide(pixels) {
    const count = found.side ** 2;
    const from = built >= count ? 0 : built;
    built = from + pixels;
    const at = Math.min(built, count) - 1;
    state = { ...state, row: Math.floor(at / found.side), column: at % found.side };
    if (built >= count) {
      built = Infinity;
      stopPlay();
    }
    send();
    draw(true);
  }
  function play() {
    if (stillness()) {
      note("Your system asks for reduced motion; use step.");
      return;
    }
    if (built === Infinity) built = 0;
    playing.setAttribute("aria-pressed", "true");
    playing.textContent = "pause";
    const slow = speed.querySelector("select");
    let ticks = 0;
    const tickOn = () => {
      clock.timer = requestAnimationFrame(tickOn);
      const fast = Number(slow.value) * Math.max(1, found.side / 32);
      if (fast > 1 || ticks++ % 8 === 0) slide(Math.round(fast));
    };
    clock.timer = requestAnimationFrame(tickOn);
  }
  function stopPlay() {
    cancelAnimationFrame(clock.timer);
    clock.timer = 0;
    playing.setAttribute("aria-pressed", "false");
    playing.textContent = "play";
  }

  // --- fit the window ---

  const goals = Object.keys(presets).filter((name) => !["zero", "random"].includes(name) && !name.startsWith("learned"));
  const HIDDEN = "hidden from me";
  const fitting = { timer: 0, losses: [], goal: null, name: null };
  const goalMenu = menu("target", [HIDDEN, ...goals, "my painting"].map((n) => [n, n]), () => forget());
  goalMenu.follow(HIDDEN);
  const rate = { value: 0.1 };
  const rateRow = sliderRow({ label: "rate", min: 0.01, max: 1, step: 0.01, note, set: (v) => ((rate.value = v), rateRow.follow(v)) });
  rateRow.follow(rate.value);
  const losses = plot("loss, step by step");
  const lossText = el("p", {});
  const fitButton = button("fit the window", () => (fitting.timer ? stopFit() : fit()), { "aria-pressed": "false" });
  const oneStep = button("one step", () => {
    stopFit();
    if (aim()) learn(1);
  });
  const zeroStart = button("start from 0", () => {
    forget();
    change("start from 0", { weights: state.weights.map(() => 0) });
  });
  const tell = button("tell me the target", () => {
    lossText.textContent = fitting.name ? `The target's window is: ${fitting.name}.` : "There is no target yet.";
  });
  const forget = () => {
    stopFit();
    Object.assign(fitting, { losses: [], goal: null, name: null });
    losses.paths([]);
    losses.say("none yet");
    lossText.textContent = "";
  };

  /** The target y, made once: a preset's answer, or the reader's painting. */
  function aim() {
    const asked = goalMenu.querySelector("select").value;
    if (state.condition.endsWith("pool")) {
      lossText.textContent = "A pool has no weights to fit; choose window or sum.";
      return false;
    }
    if (fitting.goal?.length === found.x.length) return true;
    if (asked === "my painting") {
      if (found.x.length !== state.painted.length) {
        lossText.textContent = `A painting of ${data.painted.side}x${data.painted.side} is no target for x of ${found.side}x${found.side}; choose a small x.`;
        return false;
      }
      fitting.goal = Float64Array.from(state.painted);
      fitting.name = "your painting";
      return true;
    }
    fitting.name = asked === HIDDEN ? goals[Math.floor(Math.random() * goals.length)] : asked;
    const answer = { ...state, weights: presets[fitting.name][state.window], scale: 1, gamma: 1, beta: 0 };
    fitting.goal = compute(answer, found.x, data).y;
    return true;
  }

  function learn(steps) {
    past.keep(JSON.stringify(state), "fit");
    let loss;
    for (let step = 0; step < steps; step++) {
      const slope = slopes(state, found, fitting.goal, data);
      loss = slope.loss;
      fitting.losses.push(loss);
      state = { ...state, ...descend(state, slope, rate.value, limits) };
      found = compute(state, found.x, data);
    }
    losses.paths([{ d: lossPath(fitting.losses), colour: "currentColor" }]);
    const count = fitting.losses.length;
    lossText.textContent = `Step ${count}: loss ${loss.toPrecision(3)} (mean squared distance between y and the target; the curve's scale is logarithmic).`;
    losses.say(lossText.textContent);
    send();
    draw(true);
  }

  function fit() {
    if (!aim()) return;
    fitButton.setAttribute("aria-pressed", "true");
    fitButton.textContent = "stop";
    const end = performance.now() + 10000;
    const frame = (now) => {
      fitting.timer = requestAnimationFrame(frame);
      learn(found.side > 32 ? 3 : 12);
      const flat = fitting.losses.at(-1) < 1e-8;
      if (now > end || flat || !Number.isFinite(fitting.losses.at(-1))) stopFit();
    };
    fitting.timer = requestAnimationFrame(frame);
  }
  function stopFit() {
    cancelAnimationFrame(fitting.timer);
    fitting.timer = 0;
    fitButton.setAttribute("aria-pressed", "false");
    fitButton.textContent = "fit the window";
  }
  function stopAll() {
    const partial = stopMoving() || built < Infinity;
    stopPlay();
    stopFit();
    built = Infinity;
    if (partial) draw(true);
  }

  // --- drawing ---

  const words = el("p", { class: "fs-words" });
  const stateLine = el("input", { type: "text", class: "fs-state", "aria-label": "the state as one line of JSON", spellcheck: "false" });
  const histogram = plot("histogram");
  const histogramBox = el("details", { ontoggle: () => draw(false) }, el("summary", {}, "histogram of x and T(x)"), histogram.node,
    el("p", {}, swatch(colours.curve_x, "x"), swatch(colours.T, "T(x)"), ` from -${data.limit} to ${data.limit}; what lies beyond is in the last bar`));

  function drawPanels() {
    const { x, T, y, side } = found;
    const value = (values) => (at) => signed.pixel(values[at]);
    touched.draw(side, value(x));
    views.T.draw(side, value(T), built);
    views.y.draw(side, value(y), built);
    views.wins.draw(side, (at) => (T[at] > x[at] ? winner.T : T[at] < x[at] ? winner.x : winner.equal), built);
    if (shown.has("compare")) {
      views.relu.draw(side, (at) => signed.pixel(relu(x[at])));
      views.mish.draw(side, (at) => signed.pixel(mish(x[at])));
      views.frelu.draw(side, value(y), built);
      views.apart.draw(side, (at) => signed.pixel(y[at] - relu(x[at])), built);
    }
    const sum = state.condition === "sum";
    views.y.name(sum ? "y = x + T(x)" : "y = max(x, T(x))");
    views.wins.name(sum ? "which is larger?" : "who wins?");
    views.frelu.name(sum ? "y = x + T(x)" : state.condition === "parametric" ? "FReLU(x) = y" : "y");
  }

  function drawMarks() {
    const { side } = found;
    const [height, width] = reach(state, windows);
    touched.mark("patch", side, state.row, state.column, height, width);
    for (const view of Object.values(views).slice(1)) view.mark("pixel", side, state.row, state.column);
    touched.picture.setAttribute("aria-valuemax", side * side - 1);
    touched.picture.setAttribute("aria-valuenow", state.row * side + state.column);
    const value = format(found.x[state.row * side + state.column]);
    touched.picture.setAttribute("aria-valuetext", `row ${state.row}, column ${state.column}: ${value}`);
  }

  function drawControls(now) {
    const pool = now.condition.endsWith("pool");
    controls.input.follow(now.input);
    controls.condition.follow(now.condition);
    controls.window.follow(now.window);
    controls.preset.follow(presetOf(state, presets), pool);
    controls.scale.follow(now.scale, pool);
    controls.batchnorm.follow(now.batchnorm);
    controls.gamma.follow(now.gamma, !now.batchnorm);
    controls.beta.follow(now.beta, !now.batchnorm);
    brushes.hidden = now.input !== "painted";
    another.hidden = now.input !== "own";
    undo.disabled = !past.past.length;
    redo.disabled = !past.future.length;
    if (stateLine.getRootNode().activeElement !== stateLine) stateLine.value = JSON.stringify(state);
  }

  /** again: whether arrays changed, and not the cursor alone. now: the state to show. */
  function draw(again, now = state) {
    if (again || !found) {
      found = compute(now, inputOf(), data);
      drawPanels();
      words.textContent = sentence(now, found, data, labels[now.input]);
    }
    drawMarks();
    drawCells(now);
    drawControls(now);
    if (histogramBox.open) {
      histogram.paths([
        { d: histogramPath(found.x, data.limit), colour: colours.curve_x },
        { d: histogramPath(found.T, data.limit), colour: colours.T },
      ]);
      histogram.say(words.textContent);
    }
    say(`${words.textContent} Row ${now.row}, column ${now.column}: ${line.textContent}`);
  }

  // --- the page ---

  const undo = button("undo", () => past.undo(JSON.stringify(state)));
  const redo = button("redo", () => past.redo(JSON.stringify(state)));
  const reset = button("reset", () => {
    past.keep(JSON.stringify(state), `reset ${Date.now()}`);
    adopt(JSON.parse(start));
  });
  const projector = button("projector", () => {
    const on = root.classList.toggle("fs-projector");
    projector.setAttribute("aria-pressed", String(on));
  }, { "aria-pressed": "false", title: "Large letters, for the back of a room" });
  const copy = button("copy state", async () => {
    if (!shareable()) return note(STAYS);
    stateLine.select();
    try {
      await navigator.clipboard.writeText(JSON.stringify(state));
      note("The state is in the clipboard.");
    } catch {
      stateLine.focus(); // no clipboard without permission: the line is selected, to be copied by hand
    }
  });
  stateLine.addEventListener("change", () => {
    try {
      const next = { ...JSON.parse(start), ...JSON.parse(stateLine.value) };
      checkedState(next, data);
      past.keep(JSON.stringify(state), "state");
      adopt(next);
    } catch (error) {
      note(`This is no state of the lab: ${error.message}`);
    }
  });
  const lesson = menu("lesson", [["", "choose"], ...Object.keys(data.lessons).map((name) => [name, name])], (name) => {
    if (!name) return;
    past.keep(JSON.stringify(state), `lesson ${name}`);
    adopt({ ...data.lessons[name] });
  });

  const section = (name, ...children) => (shown.has(name) ? [el("section", { class: `fs-section fs-${name}-section`, "aria-label": name }, ...children)] : []);
  const scale = el("p", { class: "fs-shares" },
    `One scale: -${data.limit} `,
    el("span", { class: "fs-scale", role: "img", "aria-label": "light blue, blue, black, grey, white", style: `background:linear-gradient(90deg,${colours.signed.join(",")})` }),
    ` ${data.limit}; 0 is black. `,
    swatch(colours.T, "T(x) wins"), swatch(colours.x, "x wins"), swatch(colours.equal, "tie"));
  const stage = el("div", { class: "fs-stage" },
    el("div", { class: "fs-panels" },
      ...["x", "T", "y", "wins", ...(shown.has("compare") ? ["relu", "mish", "frelu", "apart"] : [])].map((name) => views[name].node),
      scale,
      ...section("pixel", grids, el("p", { class: "fs-line" }, line))));
  const side = el("div", { class: "fs-side" },
    ...section("input", lesson, controls.input, brushes, another, chooser),
    ...section("condition", controls.condition),
    ...section("window", controls.window, controls.preset, controls.scale),
    ...section("batchnorm", controls.batchnorm, controls.gamma, controls.beta),
    ...section("play", el("h4", {}, "The window slides"), el("div", { class: "fs-row" }, playing, stepping, whole), speed),
    ...section("learn", el("details", {}, el("summary", {}, "Fit the window to a target"), goalMenu, rateRow,
      el("div", { class: "fs-row" }, fitButton, oneStep, zeroStart, tell), losses.node, lossText)));
  // Beside x, too, a dropped file must not open in the lab's place.
  root.addEventListener("dragover", (event) => event.preventDefault());
  root.addEventListener("drop", (event) => {
    event.preventDefault();
    own(event.dataTransfer.files[0]);
  });
  root.append(
    el("div", { class: "fs-main" }, stage, side),
    words,
    histogramBox,
    el("div", { class: "fs-row fs-tools" }, undo, redo, reset, projector, ...(shown.has("state") ? [copy, stateLine] : [])),
    message,
    region,
  );
  host.replaceChildren(root);
  draw(true);
  listen();
  return () => {
    stopAll();
    leave();
  };
}

const STAYS = "Your picture stays in this page: no state holds it. Choose another one to share a state.";
const STATE = ["input", "painted", "window", "weights", "scale", "condition", "batchnorm", "gamma", "beta", "row", "column"];

/** The state, or an Error that names what does not fit. */
function checkedState(state, { windows, conditions, limits, pictures, painted }) {
  const { wrong, within, number } = checksOf(state, STATE);
  const oneOf = (name, table) => Object.hasOwn(table, state[name]) || wrong(name, Object.keys(table).join(", "));
  oneOf("input", Object.fromEntries(Object.entries(pictures).filter(([name]) => name !== "own")));
  oneOf("window", windows);
  oneOf("condition", conditions);
  const [height, width] = windows[state.window];
  const fits = Array.isArray(state.weights) && state.weights.length === height * width;
  if (!fits || !state.weights.every((weight) => within(weight, limits.weights)))
    wrong("weights", `${height * width} numbers from ${limits.weights.join(" to ")}`);
  for (const name of ["scale", "gamma", "beta"]) number(name, limits[name]);
  if (typeof state.batchnorm !== "boolean") wrong("batchnorm", "true or false");
  const cells = painted.side ** 2;
  if (state.painted?.length !== cells || !state.painted.every((cell) => painted.values.includes(cell)))
    wrong("painted", `${cells} numbers, each one of ${painted.values.join(", ")}`);
  const side = state.input === "painted" ? painted.side : pictures[state.input].side;
  for (const name of ["row", "column"])
    if (!Number.isInteger(state[name]) || !within(state[name], [0, side - 1]))
      wrong(name, `a whole number from 0 to ${side - 1}`);
  return state;
}

export { arithmetic, checkedState, compute, descend, fitted, floats, mish, sentence, slopes };
export default { render };
