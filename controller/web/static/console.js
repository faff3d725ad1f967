// The centre's page: fetches its fragment again whenever the centre says that something changed, and with every ping,
// because minutes pass by themselves.
import { allOf, clockOf, follow, refresher } from "/static/kit/live.js";

const { version, fragment } = document.body.dataset;
const live = document.getElementById("live");
const liveText = document.getElementById("live-text");
const main = document.getElementById("main");
const [onLive, onFresh] = allOf(2, showLive);
const refresh = refresher(fragment, onFresh);
const setClock = clockOf(document.getElementById("clock"));

function showLive(isLive) {
  live.classList.toggle("live--on", isLive);
  live.classList.toggle("live--off", !isLive);
  main.classList.toggle("main--stale", !isLive);
  liveText.textContent = isLive ? live.dataset.live : live.dataset.stale;
}

function onPulse({ now }) {
  setClock(now);
  refresh();
}

follow({ url: "/events", version, onLive, on: { changed: refresh, hello: onPulse, ping: onPulse } });
