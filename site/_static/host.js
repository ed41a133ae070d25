// Brings the labs of a page to life: a model without a kernel, whose state is in the address.

/** What the address asks for, or nothing. Raises an Error for what is no object in JSON. */
function asked(name) {
  const text = new URLSearchParams(location.hash.slice(1)).get(name);
  const given = text ? JSON.parse(text) : {};
  if (Object.prototype.toString.call(given) !== "[object Object]") throw new Error(`${text} is no state`);
  return given;
}

/** What anywidget gives a lab in a notebook: get, set, on, off, save_changes. */
function modelOf(name, traits) {
  const heard = new Map();
  let waiting;
  const remember = () => {
    const place = new URLSearchParams(location.hash.slice(1));
    place.set(name, JSON.stringify(traits.state));
    history.replaceState(null, "", `#${place}`);
  };
  return {
    take: (state) => {
      traits.state = state;
      for (const react of heard.get("change:state") ?? []) react();
    },
    get: (trait) => traits[trait],
    set: (trait, value) => {
      traits[trait] = value;
    },
    save_changes: () => {
      clearTimeout(waiting);
      waiting = setTimeout(remember, 300);
    },
    on: (event, react) => heard.set(event, [...(heard.get(event) ?? []), react]),
    off: (event, react) => heard.set(event, (heard.get(event) ?? []).filter((each) => each !== react)),
  };
}

async function enliven(place) {
  const name = place.dataset.lab;
  const base = new URL("labs/", import.meta.url);
  const [lab, answer] = await Promise.all([import(new URL(`${name}.js`, base)), fetch(new URL(`${name}.json`, base))]);
  const traits = await answer.json();
  const start = traits.state;
  /** The address's state laid over `base`; the first state, and why, where that is none. */
  const opened = (base) => {
    traits.refused = "";
    try {
      return lab.checkedState({ ...base, ...asked(name) }, traits.data);
    } catch (error) {
      traits.refused = `The state in the address was refused (${error.message}); the start state is shown.`;
      return start;
    }
  };
  traits.state = opened(start);
  const model = modelOf(name, traits);
  lab.default.render({ model, el: place });
  addEventListener("hashchange", () => model.take(opened(traits.state))); // another address in the same tab
}

for (const place of document.querySelectorAll("[data-lab]")) enliven(place);
