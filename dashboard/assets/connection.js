// The page without its server: says so, waits until it answers, comes back with the link's state.
// Bokeh's own reconnection asks for the session of before, which a restarted server never had;
// the address holds the whole view, so that loading it again is the reconnection.
(function () {
  "use strict";
  const banner = document.getElementById("connection");
  const FIRST_WAIT = 1000, LONGEST_WAIT = 8000;
  // A connection that breaks again and again, as behind a proxy that cuts it, must not reload for ever.
  const MOST_RELOADS = 3, WITHIN = 60_000, KEY = "analog-model-reloads";
  let connected = false, waiting = false, timer = null, wait = FIRST_WAIT;

  async function answers() {
    try {
      const health = await fetch("health", { cache: "no-store" });
      return health.ok && (await health.json()).status === "ok";
    } catch {
      return false;
    }
  }

  function recentReloads() {
    try {
      const times = JSON.parse(sessionStorage.getItem(KEY) || "[]");
      return times.filter((time) => Date.now() - time < WITHIN);
    } catch {
      return [];
    }
  }

  function reload() {
    const recent = recentReloads();
    if (recent.length >= MOST_RELOADS) {
      waiting = false;
      banner.textContent = "Connection to the server lost again and again. Reload the page to go on.";
      return;
    }
    try {
      sessionStorage.setItem(KEY, JSON.stringify([...recent, Date.now()]));
    } catch { /* Without storage nobody counts. */ }
    window.location.reload();
  }

  async function look() {
    clearTimeout(timer);
    if (!waiting) return;
    if (await answers()) {
      reload();
      return;
    }
    // Pages that wait for one server do not all come at the same moment.
    timer = setTimeout(look, wait * (0.75 + 0.5 * Math.random()));
    wait = Math.min(1.5 * wait, LONGEST_WAIT);
  }

  function lost() {
    if (waiting) return;
    waiting = true;
    banner.hidden = false;
    document.body.classList.add("lost");
    // What is changed now would not be in the link, and be gone with the reload.
    for (const part of document.querySelectorAll(".columns, nav.pages")) part.inert = true;
    look();
  }

  // A server that went while the page was loading leaves no session that could be lost.
  async function lookWhileLoading() {
    if (connected || waiting) return;
    if (await answers()) setTimeout(lookWhileLoading, 5000);
    else if (!connected) lost();
  }
  window.addEventListener("load", () => setTimeout(lookWhileLoading, 5000));
  window.addEventListener("online", look);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });

  window.analogModelConnection = { lost, made: () => { connected = true; } };
})();
