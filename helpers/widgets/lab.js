// Shared by the labs: elements, numbers that are dragged or typed, colours, announcements.
// Python puts this text before a lab's own module, so that a lab is one ES module without a build.

/** An element with attributes, listeners (onclick: ...) and children; false and null are left out. */
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/** Two digits behind the point, and no minus in front of a zero. */
function format(value, digits = 2) {
  const text = value.toFixed(digits);
  return Number(text) === 0 ? (0).toFixed(digits) : text;
}

/** A share of 1 with one digit. */
const percent = (share) => `${(100 * share).toFixed(1)} %`;

/** A typed number, with a decimal point or comma; NaN for anything else. */
function parse(text) {
  const plain = text.trim().replace("\u2212", "-").replace(",", ".");
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain) ? Number(plain) : NaN;
}

/** 0.1 + 0.2 as 0.3: what a step adds has no digits of its own beyond the tenth. */
const tidy = (value) => Number(value.toFixed(10));
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const stillness = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Floats from base64, little endian. */
function floats(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return Float64Array.from(new Float32Array(bytes.buffer));
}

/** "#rrggbb" as the 32 bits that a canvas holds. */
function bits(colour) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
}

/** Black or white, whichever is read better on the colour. */
function inkOn(colour) {
  const [r, g, b] = [1, 3, 5].map((at) => (parseInt(colour.slice(at, at + 2), 16) / 255) ** 2.2);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.18 ? "#000" : "#fff";
}

/** From values to colours: -limit and below is the first, 0 the middle one. */
function scaleOf(colours, limit) {
  const place = (value) =>
    clamp(Math.floor(((value + limit) / (2 * limit)) * colours.length), 0, colours.length - 1);
  const pixels = colours.map(bits);
  return { colour: (value) => colours[place(value)], pixel: (value) => pixels[place(value)] };
}

/** What changed, read aloud once things have settled; and notes, which are seen and read at once. */
function announcer() {
  const region = el("div", { class: "fs-hidden", role: "status", "aria-live": "polite" });
  const message = el("p", { class: "fs-message" });
  let waiting;
  const say = (text) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => (region.textContent = text), 900);
  };
  const note = (text) => {
    message.textContent = text;
    if (!text) return;
    clearTimeout(waiting);
    region.textContent = text;
  };
  return { region, message, say, note };
}

/**
 * A number that is dragged up and down, typed, or moved by arrow keys; double click sets 0.
 * The wheel moves it only after a click into it, so that a page still scrolls over it.
 */
function numberField({ label, min, max, step, set, note }) {
  const node = el("input", {
    type: "text",
    inputmode: "decimal",
    role: "spinbutton",
    autocomplete: "off",
    "aria-label": label,
    "aria-valuemin": min,
    "aria-valuemax": max,
    class: "fs-number",
  });
  let value = 0;
  let typing = false;
  let armed = false;
  let drag = null;

  const draw = () => {
    if (!typing) node.value = format(value);
    node.setAttribute("aria-valuenow", value);
    node.setAttribute("aria-valuetext", String(value));
  };
  const change = (asked) => {
    typing = false;
    const next = clamp(tidy(asked), min, max);
    value = next;
    draw();
    set(next);
    if (next !== tidy(asked)) note(`${label} goes from ${min} to ${max}: ${asked} became ${next}.`);
  };
  const commit = () => {
    if (!typing) return;
    const typed = parse(node.value);
    typing = false;
    if (Number.isNaN(typed)) {
      note(`${label}: "${node.value}" is no number; it stays ${value}.`);
      draw();
    } else if (typed !== value) change(typed);
    else draw();
  };
  const keys = {
    ArrowUp: () => change(value + step),
    ArrowDown: () => change(value - step),
    PageUp: () => change(value + 10 * step),
    PageDown: () => change(value - 10 * step),
    Enter: commit,
    Escape: () => ((typing = false), draw()),
  };

  node.addEventListener("input", () => (typing = true));
  node.addEventListener("keydown", (event) => {
    if (!keys[event.key] || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    if (event.key.startsWith("Arrow") || event.key.startsWith("Page")) commit();
    keys[event.key]();
  });
  node.addEventListener("focus", () => {
    node.value = String(value);
    node.select();
  });
  node.addEventListener("blur", () => {
    armed = false;
    commit();
    draw();
  });
  node.addEventListener("dblclick", () => change(clamp(0, min, max)));
  node.addEventListener("wheel", (event) => {
    if (!armed || !event.deltaY) return;
    event.preventDefault();
    change(value - Math.sign(event.deltaY) * step);
  });
  node.addEventListener("pointerdown", (event) => {
    if (node.disabled || event.button) return;
    drag = { y: event.clientY, from: value, moved: false };
    node.setPointerCapture(event.pointerId);
  });
  node.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const steps = Math.round((drag.y - event.clientY) / 4);
    if (!steps && !drag.moved) return;
    drag.moved = true;
    event.preventDefault();
    const next = clamp(tidy(drag.from + steps * step), min, max);
    if (next !== value) change(next);
  });
  const release = () => {
    armed = Boolean(drag);
    drag = null;
  };
  node.addEventListener("pointerup", release);
  node.addEventListener("pointercancel", release);

  /** Show a value that came from elsewhere. */
  node.follow = (next) => {
    value = next;
    if (!typing) draw();
  };
  draw();
  return node;
}

/** A slider with its name and value. */
function sliderRow({ label, min, max, step, set, note }) {
  const rail = el("input", { type: "range", min, max, step, "aria-label": label });
  const number = numberField({ label: `${label}, typed`, min, max, step, set, note });
  rail.addEventListener("input", () => set(Number(rail.value)));
  const node = el("div", { class: "fs-slider" }, el("span", {}, label), rail, number);
  node.follow = (value, disabled = false) => {
    rail.value = value;
    rail.setAttribute("aria-valuetext", format(value));
    number.follow(value);
    rail.disabled = number.disabled = disabled;
    node.classList.toggle("fs-off", disabled);
  };
  return node;
}

/** A list that opens. options: [value, label] pairs, or groups {label: pairs}. */
function menu(label, options, set) {
  const option = ([value, text]) => el("option", { value }, text);
  const children = Array.isArray(options)
    ? options.map(option)
    : Object.entries(options).map(([name, pairs]) =>
        el("optgroup", { label: name }, ...pairs.map(option)),
      );
  const list = el("select", { onchange: () => set(list.value), "aria-label": label }, ...children);
  const node = el("label", { class: "fs-menu" }, el("span", {}, label), list);
  node.follow = (value, disabled = false) => {
    list.value = value;
    list.disabled = disabled;
  };
  return node;
}

/** A few choices that all can be seen, as radio buttons. */
function choices(label, options, set) {
  const name = `fs-${Math.random().toString(36).slice(2)}`;
  const inputs = options.map(([value]) =>
    el("input", { type: "radio", name, value, onchange: () => set(value) }),
  );
  const node = el(
    "fieldset",
    { class: "fs-choices" },
    el("legend", {}, label),
    ...options.map(([, text], at) => el("label", {}, inputs[at], el("span", {}, text))),
  );
  node.follow = (value) => inputs.forEach((input) => (input.checked = input.value === value));
  return node;
}

/** A box to tick. */
function tick(label, set) {
  const box = el("input", { type: "checkbox", onchange: () => set(box.checked) });
  const node = el("label", { class: "fs-tick" }, box, el("span", {}, label));
  node.follow = (value) => (box.checked = value);
  return node;
}

const button = (label, onclick, more = {}) => el("button", { type: "button", onclick, ...more }, label);

/** States that were left, and the way back; changes of one control within a second are one step. */
function memory(restore) {
  const past = [];
  const future = [];
  let last = { name: null, time: 0 };
  const keep = (before, name) => {
    const now = Date.now();
    const same = name === last.name && now - last.time < 1000;
    last = { name, time: now };
    if (same) return;
    past.push(before);
    future.length = 0;
  };
  const step = (from, to) => (current) => {
    if (!from.length) return;
    to.push(current);
    last = { name: null, time: 0 };
    restore(from.pop());
  };
  return { keep, undo: step(past, future), redo: step(future, past), past, future };
}

/** One picture with its title; draw(values, pixel colours) and marks in pixels of the picture. */
function panel(title, more = {}) {
  const canvas = el("canvas", { role: "img", "aria-label": title });
  const picture = el("div", { class: "fs-picture", ...more }, canvas);
  const caption = el("figcaption", {}, title);
  const marks = {};
  /** colourAt(place) -> 32 bits; from `built` on, pixels are left empty. */
  const draw = (side, colourAt, built = Infinity) => {
    if (canvas.width !== side) canvas.width = canvas.height = side;
    const image = new ImageData(side, side);
    const pixels = new Uint32Array(image.data.buffer);
    const end = Math.min(pixels.length, built);
    for (let at = 0; at < end; at++) pixels[at] = colourAt(at);
    canvas.getContext("2d").putImageData(image, 0, 0);
  };
  const mark = (name, side, row, column, height = 1, width = 1) => {
    marks[name] ??= picture.appendChild(el("div", { class: `fs-mark fs-${name}` }));
    const part = (value) => `${(100 * value) / side}%`;
    Object.assign(marks[name].style, {
      display: "block", left: part(column + 0.5), top: part(row + 0.5), width: part(width), height: part(height),
    });
  };
  const unmark = (name) => marks[name] && (marks[name].style.display = "none");
  const name = (text) => {
    caption.textContent = text;
    canvas.setAttribute("aria-label", text);
  };
  return { node: el("figure", {}, caption, picture), picture, draw, mark, unmark, name };
}

/** A small square in a colour and what it stands for. */
function swatch(colour, name) {
  const square = el("span", { class: "fs-swatch", style: `background:${colour}` });
  return el("span", { class: "fs-key" }, square, ` ${name}`);
}

/**
 * The model of a widget, or of a page: `send` tells it what current() gives, once things have
 * settled (null stays in the browser); what comes from it goes to `adopt`. A page's model says
 * which address it refused: `listen` notes it, once the lab is drawn.
 */
function connection(model, current, note, adopt) {
  let waiting;
  const send = () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      const state = current();
      if (!state) return;
      model.set("state", state);
      model.save_changes();
    }, 120);
  };
  const refused = () => model.get("refused") === undefined || note(model.get("refused"));
  const hear = () => {
    if (JSON.stringify(model.get("state")) !== JSON.stringify(current())) {
      clearTimeout(waiting);
      adopt({ ...model.get("state") });
    }
    refused();
  };
  const listen = () => {
    model.on("change:state", hear);
    refused();
  };
  const leave = () => {
    clearTimeout(waiting);
    model.off("change:state", hear);
  };
  return { send, listen, leave };
}

/** A state's checks: each raises an Error that names what does not fit. */
function checksOf(state, names) {
  const wrong = (name, allowed) => {
    throw new Error(`${name} is ${JSON.stringify(state[name])}; it takes ${allowed}`);
  };
  const foreign = Object.keys(state).find((name) => !names.includes(name));
  if (foreign) throw new Error(`${JSON.stringify(foreign)} is none of ${names.join(", ")}`);
  const within = (value, [low, high]) => typeof value === "number" && value >= low && value <= high;
  const number = (name, limits) => within(state[name], limits) || wrong(name, `a number from ${limits.join(" to ")}`);
  return { wrong, within, number };
}

/** The box of a lab: keys that it handles stay in it, also where a notebook listens to all. */
function box(name, label) {
  const node = el("div", {
    class: `fs-lab fs-lab-${name}`,
    role: "group",
    "aria-label": label,
    "data-lm-suppress-shortcuts": "true", // JupyterLab looks for it before it takes a key
  });
  node.addEventListener("keydown", (event) => event.stopPropagation());
  return node;
}
