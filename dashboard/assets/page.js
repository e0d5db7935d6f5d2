// The page around the plots: navigation, theme, notices, copied links.
// Talks to the session through two hidden models: "commands" goes to the server,
// "page_state" comes from it.
(function () {
  "use strict";
  const root = document.documentElement;
  const notices = document.getElementById("notices");

  function model(name) {
    const documents = window.Bokeh ? window.Bokeh.documents : [];
    for (const doc of documents) {
      const found = doc.get_model_by_name(name);
      if (found) return found;
    }
    return null;
  }

  // Before the session has connected a command waits for it.
  const waiting = [];
  function send(command) {
    const target = model("commands");
    if (!target) {
      waiting.push(command);
      return;
    }
    target.value = JSON.stringify({ ...command, number: Date.now() });
  }

  function setTheme(theme) {
    root.dataset.theme = theme;
    document.getElementById("toggle-theme").setAttribute("aria-pressed", String(theme === "dark"));
  }

  function setPage(page) {
    for (const link of document.querySelectorAll("nav.pages a")) {
      if (link.dataset.page === page) {
        link.setAttribute("aria-current", "page");
        // On a narrow screen the row of pages scrolls.
        link.scrollIntoView({ block: "nearest", inline: "nearest" });
      } else link.removeAttribute("aria-current");
    }
  }

  function notify(text, kind) {
    const box = document.createElement("div");
    box.className = "notice " + (kind === "error" ? "error" : "info");
    const words = document.createElement("p");
    words.textContent = text;
    const close = document.createElement("button");
    close.type = "button";
    close.textContent = "×";
    close.setAttribute("aria-label", "Dismiss");
    close.addEventListener("click", () => box.remove());
    box.append(words, close);
    notices.append(box);
    while (notices.children.length > 4) notices.firstElementChild.remove();
    if (kind !== "error") setTimeout(() => box.remove(), 8000);
  }

  // Ctrl+Z takes back a change of the chip, except where it takes back typing.
  document.addEventListener("keydown", (event) => {
    const key = event.key.toLowerCase();
    if (!(event.ctrlKey || event.metaKey) || event.altKey || !["z", "y"].includes(key)) return;
    const at = event.composedPath()[0];
    const typing = at instanceof HTMLInputElement && !["checkbox", "radio", "range"].includes(at.type);
    if (typing || at instanceof HTMLTextAreaElement) return;
    event.preventDefault();
    send({ history: key === "y" || event.shiftKey ? "redo" : "undo" });
  });

  // Uploads: one file at a time over HTTP; the session then gets its id as a command.
  const form = document.getElementById("upload");
  const message = document.getElementById("upload-message");
  const progress = document.getElementById("upload-progress");

  function say(text, kind) {
    message.textContent = text;
    message.className = "message " + kind;
    message.hidden = !text;
  }

  function upload(file) {
    const limit = Number(form.dataset.limit);
    if (file.size > limit) {
      say(`${file.name} has ${(file.size / 2 ** 20).toFixed(1)} MiB; at most `
        + `${(limit / 2 ** 20).toFixed(1)} MiB are taken.`, "error");
      return;
    }
    const query = new URLSearchParams({
      name: file.name,
      pulse_width_unit: document.getElementById("upload-time-unit").value,
      charge_unit: document.getElementById("upload-charge-unit").value,
    });
    const request = new XMLHttpRequest();
    request.open("POST", `upload?${query}`);
    request.setRequestHeader("X-Analog-Model", "1");
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => {
      progress.value = event.loaded / Math.max(event.total, 1);
      if (event.loaded === event.total) {
        progress.removeAttribute("value");
        say(`Reading ${file.name}…`, "info");
      }
    });
    request.addEventListener("loadend", () => {
      progress.hidden = true;
      form.removeAttribute("aria-busy");
      const answer = request.response || {};
      if (answer.id) {
        say(`${file.name} is shown.`, "info");
        send({ upload: answer.id });
      } else {
        say(answer.error || "The server took no upload; is it still running?", "error");
      }
    });
    form.setAttribute("aria-busy", "true");
    progress.value = 0;
    progress.hidden = false;
    say(`Sending ${file.name}…`, "info");
    request.send(file);
  }

  const input = document.getElementById("upload-file");
  const drop = document.getElementById("drop");
  input.addEventListener("change", () => {
    if (input.files.length) upload(input.files[0]);
    input.value = "";
  });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files.length) upload(event.dataTransfer.files[0]);
    });
  }
  // A file dropped beside the box must not replace the page.
  for (const kind of ["dragover", "drop"]) {
    window.addEventListener(kind, (event) => event.preventDefault());
  }

  let shownNotice = 0;
  function show(state) {
    setTheme(state.theme);
    setPage(state.page);
    document.getElementById("main").setAttribute("aria-busy", String(!state.ready));
    document.getElementById("chip-name").textContent = state.chip;
    form.hidden = !state.upload_open;
    nameControlsSoon();
    for (const notice of state.notices) {
      if (notice.number > shownNotice) {
        shownNotice = notice.number;
        notify(notice.text, notice.kind);
      }
    }
  }

  // What a quantity of the sidebar is, for the mouse and for screen readers.
  const sidebar = document.getElementById("sidebar");
  const hints = JSON.parse(sidebar.dataset.hints);
  function explainControls(node) {
    for (const element of node.querySelectorAll("*")) {
      if (element.shadowRoot) explainControls(element.shadowRoot);
    }
    const label = node.querySelector(".bk-slider-title, .bk-label, label");
    const hint = hints[label?.firstChild?.textContent.replace(/: $/, "")];
    if (!(node instanceof ShadowRoot) || !hint) return;
    node.host.title = hint;
    for (const control of node.querySelectorAll(".noUi-handle, input, select")) {
      control.setAttribute("aria-description", hint);
    }
  }

  // Bokeh gives its sliders, checkboxes, spinners and button groups no accessible names.
  function nameControls(node) {
    for (const element of node.querySelectorAll("*")) {
      if (element.shadowRoot) nameControls(element.shadowRoot);
    }
    if (!(node instanceof ShadowRoot)) return;
    const title = node.querySelector(".bk-slider-title");
    for (const handle of node.querySelectorAll(".noUi-handle")) {
      handle.setAttribute("aria-label", title ? title.firstChild.textContent.replace(/: $/, "") : "");
    }
    const own = [...node.children];
    const label = own.find((element) => element.matches(".bk-label"));
    const box = own.find((element) => element.matches("input[type=checkbox]"));
    if (label && box) box.setAttribute("aria-label", label.textContent);
    const named = node.querySelector("label")?.textContent ?? "";
    for (const [way, word] of [["up", "more"], ["down", "less"]]) {
      const button = node.querySelector(`.bk-spin-btn-${way}`);
      button?.setAttribute("aria-label", `${named}, ${word}`);
      // Arrow keys do the same in the field itself.
      button?.setAttribute("tabindex", "-1");
    }
    // What scrolls has to be reachable without a mouse.
    const host = node.host;
    if (host.style.overflow === "auto") host.tabIndex = host.scrollHeight > host.clientHeight ? 0 : -1;
    for (const group of node.querySelectorAll(".bk-btn-group")) {
      group.setAttribute("role", "group");
      for (const button of group.querySelectorAll("button")) {
        button.setAttribute("aria-pressed", String(button.classList.contains("bk-active")));
      }
    }
  }
  // Once more later: a page that is opened draws its controls in its own time.
  let naming = [];
  function nameControlsSoon() {
    naming.forEach(clearTimeout);
    const name = () => { nameControls(document.body); explainControls(sidebar); };
    naming = [150, 1200].map((delay) => setTimeout(name, delay));
  }
  document.addEventListener("focusin", nameControlsSoon);
  document.addEventListener("click", nameControlsSoon);

  function connected() {
    window.analogModelConnection.made();
    show(JSON.parse(model("page_state").value));
    while (waiting.length) send(waiting.shift());
  }

  async function copyLink() {
    const button = document.getElementById("copy-link");
    let done = true;
    try {
      await navigator.clipboard.writeText(window.location.href);
    } catch {
      // Browsers refuse the clipboard outside a secure context.
      const field = document.createElement("textarea");
      field.value = window.location.href;
      document.body.append(field);
      field.select();
      done = document.execCommand("copy");
      field.remove();
    }
    button.textContent = done ? "Copied" : "Copy it from the address bar";
    setTimeout(() => { button.textContent = "Copy link"; }, 1800);
  }

  // Without the sidebar the plots have room on a tablet; a telephone starts without it.
  const fold = document.getElementById("fold");
  function setFolded(folded) {
    document.body.classList.toggle("folded", folded);
    fold.setAttribute("aria-expanded", String(!folded));
  }
  fold.addEventListener("click", () => setFolded(!document.body.classList.contains("folded")));
  setFolded(window.innerWidth < 700);

  document.getElementById("copy-link").addEventListener("click", copyLink);
  document.getElementById("toggle-theme").addEventListener("click", () => {
    const theme = root.dataset.theme === "dark" ? "light" : "dark";
    setTheme(theme);
    send({ theme });
  });
  for (const link of document.querySelectorAll("nav.pages a")) {
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      setPage(link.dataset.page);
      send({ page: link.dataset.page });
    });
  }
  window.addEventListener("popstate", () => send({ query: window.location.search }));

  window.analogModel = { show, connected };
})();
