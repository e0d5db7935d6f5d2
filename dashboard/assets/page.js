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
      if (link.dataset.page === page) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  }

  function notify(text, kind, stays) {
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
    if (kind !== "error" && !stays) setTimeout(() => box.remove(), 8000);
  }

  let shownNotice = 0;
  function show(state) {
    setTheme(state.theme);
    setPage(state.page);
    document.getElementById("chip-name").textContent = state.chip;
    for (const notice of state.notices) {
      if (notice.number > shownNotice) {
        shownNotice = notice.number;
        notify(notice.text, notice.kind, false);
      }
    }
  }

  function connected(state) {
    document.getElementById("main").setAttribute("aria-busy", "false");
    show(state);
    while (waiting.length) send(waiting.shift());
  }

  function lost() {
    notify("The connection to the server is gone. Reload the page to go on from here: "
      + "the link holds your view.", "error", true);
    document.body.classList.add("lost");
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

  window.analogModel = { show, connected, lost };
})();
