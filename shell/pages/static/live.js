// Following a daemon's event stream: one EventSource, a watchdog for silence, and a page that renews itself after an
// update. The browser reconnects by itself and names the last event it saw; only a refused stream is opened anew here.

const SILENT_AFTER_MS = 20_000; // the daemon pings every 15 s
const RETRY_MS = 1_000;

/**
 * @param {object} options
 * @param {string} options.url        Where the stream is, without a query.
 * @param {string} options.version    Version of this page; the page reloads when the daemon serves another.
 * @param {number} [options.after]    Sequence of the newest event that the page was loaded with.
 * @param {Record<string, (data: any) => void>} options.on  What to do with each event.
 * @param {(live: boolean) => void} options.onLive  Called when the stream becomes live or stale.
 */
export function follow({ url, version, after = 0, on, onLive }) {
  let last = after;
  let source;
  let silence;
  let live;

  function heard() {
    clearTimeout(silence);
    silence = setTimeout(() => { setLive(false); open(); }, SILENT_AFTER_MS);
    setLive(true);
  }

  function setLive(now) {
    if (now === live) return;
    live = now;
    onLive(now);
  }

  function listen(name, act) {
    source.addEventListener(name, (event) => {
      if (event.lastEventId) last = Math.max(last, Number(event.lastEventId));
      heard();
      act(JSON.parse(event.data));
    });
  }

  function open() {
    source?.close();
    source = new EventSource(`${url}?after=${last}`);
    source.addEventListener("error", () => {
      setLive(false);
      if (source.readyState === EventSource.CLOSED) setTimeout(open, RETRY_MS);
    });
    const pulse = (name) => listen(name, (data) => {
      if (data.version !== version) location.reload();
      on[name]?.(data);
    });
    pulse("hello");
    pulse("ping");
    for (const [name, act] of Object.entries(on)) {
      if (name !== "hello" && name !== "ping") listen(name, act);
    }
  }

  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => { if (event.persisted) open(); });
  open();
}

/**
 * Several conditions that must all hold for the page to be live: gives one setter for each.
 * @param {number} count
 * @param {(live: boolean) => void} onLive  Called when the page becomes live or stale.
 */
export function allOf(count, onLive) {
  const holds = Array(count).fill(true);
  let told;
  return holds.map((_, which) => (ok) => {
    holds[which] = ok;
    const live = holds.every(Boolean);
    if (live === told) return;
    told = live;
    onLive(live);
  });
}

/**
 * Keep regions of the page fresh: fetches a fragment and replaces the regions that changed. Calls that come while one
 * is under way are answered by a single further one. A fetch that fails is tried again until it works.
 * @param {string} url
 * @param {(fresh: boolean) => void} onFresh  Told after each fetch whether the page shows what the daemon says.
 * @returns {() => void}
 */
export function refresher(url, onFresh) {
  let retry;
  let busy = false;
  let again = false;
  return async function refresh() {
    if (busy) { again = true; return; }
    busy = true;
    clearTimeout(retry);
    let fresh = false;
    try {
      const answer = await fetch(url, { signal: AbortSignal.timeout(5_000) });
      if (answer.ok) {
        replaceRegions(await answer.text());
        fresh = true;
      }
    } catch {
      // The daemon is away, or the way to it: a stream that is still open must not make old facts look new.
    }
    onFresh(fresh);
    if (!fresh) retry = setTimeout(refresh, RETRY_MS);
    setTimeout(() => {
      busy = false;
      if (again) { again = false; refresh(); }
    }, 250);
  };
}

function replaceRegions(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  for (const region of fresh.querySelectorAll("[data-region]")) {
    const shown = document.querySelector(`[data-region="${region.dataset.region}"]`);
    if (shown && shown.outerHTML !== region.outerHTML) {
      const { scrollTop } = shown.querySelector("[data-scroll]") ?? {};
      shown.replaceWith(document.importNode(region, true));
      const again = document.querySelector(`[data-region="${region.dataset.region}"] [data-scroll]`);
      if (again && scrollTop) again.scrollTop = scrollTop;
    }
  }
}

/**
 * A clock that shows the daemon's time, not this browser's.
 * @param {HTMLElement} element  Gets the text; its ``data-zone`` names the zone.
 */
export function clockOf(element) {
  const text = new Intl.DateTimeFormat("zh-CN", {
    hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZone: element.dataset.zone,
  });
  let ahead_ms = 0;
  const tick = () => { element.textContent = text.format(Date.now() + ahead_ms); };
  setInterval(tick, 500);
  return (now) => { ahead_ms = Date.parse(now) - Date.now(); tick(); };
}
