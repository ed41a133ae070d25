// What the tests ask of JupyterLab's page. Playwright puts it into every page before anything else.
window.funnel = (() => {
  const errors = [];
  const unanswered = new Set(); // what controls sent, and the kernel has not done with
  const panel = () => jupyterapp.shell.currentWidget;
  const kernel = () => panel().sessionContext.session.kernel;
  const frame = () => new Promise(requestAnimationFrame);
  // After the frame that shows what stands in the page now.
  const painted = async () => {
    await frame();
    await new Promise((done) => setTimeout(done));
  };
  const words = (message) =>
    message.header.msg_type === "error"
      ? message.content.traceback.join("\n")
      : message.content.name === "stderr"
        ? message.content.text
        : null;

  async function run() {
    await panel().sessionContext.ready;
    await kernel().info; // it answers by now
    kernel().anyMessage.connect((_, { msg, direction }) => {
      const { msg_type: kind, msg_id: id } = msg.header;
      if (direction === "send" && kind === "comm_msg") unanswered.add(id);
      if (kind === "status" && msg.content.execution_state === "idle")
        unanswered.delete(msg.parent_header.msg_id);
      const text = direction === "recv" && words(msg);
      if (text) errors.push(text);
    });
    await jupyterapp.commands.execute("notebook:run-all-cells");
    return "run";
  }

  // A digest of the pixels of each picture under `root`, in the order of the page.
  async function pixels(root) {
    const digests = [];
    for (const picture of root.querySelectorAll("img")) {
      await picture.decode().catch(() => {}); // replaced while it was read: the next look sees it
      const { naturalWidth: width, naturalHeight: height } = picture;
      if (!width) {
        digests.push("empty");
        continue;
      }
      const context = new OffscreenCanvas(width, height).getContext("2d");
      context.drawImage(picture, 0, 0);
      const { data } = context.getImageData(0, 0, width, height);
      const digest = await crypto.subtle.digest("SHA-256", data);
      digests.push(`${width}x${height} ${new Uint8Array(digest).slice(0, 8).join(".")}`);
    }
    return digests;
  }

  // What can be used under `root` now, in the order of the page.
  function controls(root) {
    const kinds = "select, input, textarea, button, [contenteditable=true], .noUi-handle";
    const all = [...root.querySelectorAll(kinds)];
    return all.filter((control) => control.checkVisibility() && !control.disabled);
  }

  // What they say.
  function settings(root) {
    const words = { ":checked": "on", ".mod-active": "pressed" };
    const said = (control) => [
      control.nodeName === "BUTTON" ? control.innerText : control.value,
      control.ariaValueText ?? control.innerText,
      ...Object.keys(words).map((selector) => (control.matches(selector) ? words[selector] : "")),
    ];
    return controls(root).map((control) => said(control).join(" ")).join("\n");
  }

  // The place among them of what has the focus, or -1.
  const focused = (root) => controls(root).indexOf(document.activeElement);

  // Whether everything sent to the kernel so far is answered, with the answer on the screen.
  // JupyterLab lets controls talk to a thread of the kernel's: no other request queues behind them.
  async function quiet() {
    await painted();
    return !unanswered.size;
  }

  // Looks at every frame until `stop`: the places and sizes that the pictures had, and any that
  // could not be read, was taken out or put in. While the next picture is read, `naturalWidth` is 0
  // and the last one stays on the screen.
  function watch(root) {
    const pictures = [...root.querySelectorAll("img")];
    const seen = pictures.map(() => new Set());
    let going = true;
    const faults = [];
    const changes = new MutationObserver((records) => {
      for (const { addedNodes, removedNodes } of records)
        for (const node of [...addedNodes, ...removedNodes])
          if (node.nodeName === "IMG" || node.querySelector?.("img")) faults.push("replaced");
    });
    changes.observe(root, { childList: true, subtree: true });
    const look = () => {
      const from = root.getBoundingClientRect();
      pictures.forEach((picture, i) => {
        const { left, top, width, height } = picture.getBoundingClientRect();
        const place = [left - from.left, top - from.top, width, height].map(Math.round);
        seen[i].add(place.join(" "));
        if (picture.complete && !picture.naturalWidth) faults.push("unreadable");
      });
      if (going) requestAnimationFrame(look);
    };
    look();
    return {
      stop() {
        going = false;
        changes.disconnect();
        return { places: seen.map((places) => [...places]), faults };
      },
    };
  }

  return { errors, run, pixels, controls, settings, focused, quiet, painted, watch };
})();
