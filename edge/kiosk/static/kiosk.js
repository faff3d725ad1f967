// The guard's screen: paints each verdict, lets it shrink into the strip after a few seconds, and says at once when the
// gate is not heard any more. All words and drawings come from the gate; this file only puts them in place.
import { allOf, clockOf, follow, refresher } from "/static/kit/live.js";

const STRIP_MAX = 5;
const { version, seq, staysS } = document.body.dataset;
const stays_ms = Number(staysS) * 1000;
const kiosk = document.getElementById("kiosk");
const stage = document.getElementById("stage");
const strip = document.getElementById("strip");
const stale = document.getElementById("stale");
const idle = document.getElementById("idle");

let chip = document.getElementById("current-chip")?.content.firstElementChild ?? null; // of the card on the stage
let rest; // timer until the stage is idle again
let painted = Number(seq);

function made(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.firstElementChild;
}

function toStrip(item) { // newest first, whatever order they come in
  const older = [...strip.children].find((other) => Number(other.dataset.seq) < Number(item.dataset.seq));
  strip.insertBefore(item, older ?? null);
  while (strip.children.length > STRIP_MAX) strip.lastElementChild.remove();
}

function clearStage() {
  clearTimeout(rest);
  if (chip) toStrip(chip);
  chip = null;
}

function toIdle() {
  clearStage();
  stage.replaceChildren(idle.content.cloneNode(true));
}

function onVerdict(verdict) {
  if (verdict.seq <= painted) return;
  painted = verdict.seq;
  const left_ms = stays_ms - verdict.age_s * 1000;
  if (left_ms <= 0) { // missed while the gate was away, and too old for the stage
    toStrip(made(verdict.chip));
    return;
  }
  clearStage();
  chip = made(verdict.chip);
  stage.replaceChildren(made(verdict.card));
  rest = setTimeout(toIdle, left_ms);
}

function showLive(live) {
  stale.hidden = live;
  kiosk.classList.toggle("kiosk--stale", !live);
}

const [onLive, onFresh] = allOf(2, showLive);
const refresh = refresher("/fragments/state", onFresh);
const setClock = clockOf(document.getElementById("clock"));

function onPulse({ now }) {
  setClock(now);
  refresh();
}

if (chip) rest = setTimeout(toIdle, stays_ms - Number(stage.dataset.ageS) * 1000);
follow({
  url: "/events", version, after: painted, onLive,
  on: { verdict: onVerdict, changed: refresh, hello: onPulse, ping: onPulse },
});
