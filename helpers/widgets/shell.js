/* Names for sliders: ipywidgets gives their handles and numbers none, and a screen reader says
   "slider" and no more. Labels and sliders may come later than this, and labels may change. */

const PARTS = { ".noUi-handle, .ui-slider-handle": "slider", ".widget-readout": "textbox" };

function nameSliders(lab) {
  for (const slider of lab.querySelectorAll(".widget-slider")) {
    const label = slider.querySelector(".widget-label")?.textContent ?? "";
    for (const [selector, role] of Object.entries(PARTS)) {
      const part = slider.querySelector(selector);
      part?.setAttribute("role", role);
      part?.setAttribute("aria-label", label);
    }
  }
}

function render({ el }) {
  let lab = null;
  const watcher = new MutationObserver(() => nameSliders(lab));
  const waiting = setInterval(() => {
    lab = el.closest(".funnel-series-lab"); // null until the page has taken the view in
    if (!lab) return;
    clearInterval(waiting);
    watcher.observe(lab, { childList: true, subtree: true });
    nameSliders(lab);
  }, 50);
  return () => {
    clearInterval(waiting);
    watcher.disconnect();
  };
}

export default { render };
