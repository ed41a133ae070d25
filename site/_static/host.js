// Brings the labs of a page to life: a model without a kernel, whose state is in the address.

/** The state that the address asks for, or nothing. */
function asked(name) {
  const text = new URLSearchParams(location.hash.slice(1)).get(name);
  if (!text) return {};
  try {
    return JSON.parse(text);
  } catch {
    return {}; // an address that was cut off: the lab opens as it always does
  }
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
  const state = { ...traits.state, ...asked(name) };
  traits.state = lab.fits(state, traits.data) ? state : traits.state;
  const model = modelOf(name, traits);
  lab.default.render({ model, el: place });
  addEventListener("hashchange", () => { // another state's address in the same tab
    const next = { ...traits.state, ...asked(name) };
    if (lab.fits(next, traits.data)) model.take(next);
  });
}

for (const place of document.querySelectorAll("[data-lab]")) enliven(place);
