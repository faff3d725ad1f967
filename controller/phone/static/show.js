// The card: one pass as a fresh code every ten seconds, in its colour, with a ring that shows it lives.
import { isDoubtful, nowMs } from "./clock.js";
import { drawCode } from "./draw.js";
import { rotatingCode } from "./gp1.js";
import { keysOf, SOFT } from "./keep.js";
import { both, say, spoken } from "./words.js";

const EVERY_MS = 10_000;
const LOOK_EVERY_MS = 250;
const WIDEST_PX = 480;
const element = (id) => document.getElementById(id);

let shown = null; // { record, privateKey, ended, drawnMs, text }
let busy = false;
let online = true;
let awake = null;

/** Show a pass; `ended` is called with "expired" or "lost" when there is no code to be shown any more. */
export async function show(record, ended) {
  const { privateKey } = await keysOf(record);
  shown = { record, privateKey, ended, drawnMs: null, text: "" };
  element("card").hidden = element("below").hidden = false;
  label();
  await tick();
  await stayAwake();
}

export function hide() {
  shown = null;
  element("card").hidden = element("below").hidden = true;
  awake?.release().catch(() => undefined);
  awake = null;
}

export function setOnline(value) {
  online = value;
  if (shown) hint();
}

/** Write every word of the card again, in the language that is spoken now. */
export function label() {
  if (!shown) return;
  const { record } = shown;
  const { words } = record;
  element("card").dataset.colour = words.colour;
  element("word").textContent = both(words.colour);
  element("category").textContent = `${words.category_zh} ${words.category_en}`;
  element("soft").hidden = record.level !== SOFT;
  element("soft").textContent = both("soft");
  element("code").setAttribute("aria-label", say("canvas"));
  const form = { timeZone: words.zone, month: "numeric", day: "numeric", hour: "2-digit", minute: "2-digit", hour12: false };
  element("until").textContent = `${say("until")} ${new Intl.DateTimeFormat(spoken(), form).format(record.expiresMs)}`;
  hint();
}

function hint() {
  const warning = isDoubtful() ? "doubt" : shown.record.inMemory ? "memory" : null;
  const name = warning ?? (online ? null : "offline");
  const place = element("hint");
  place.hidden = name === null;
  place.classList.toggle("hint--calm", warning === null);
  if (name && place.textContent !== say(name)) place.textContent = say(name);
}

async function tick() {
  if (!shown || busy || document.hidden) return;
  const now = nowMs();
  const card = shown;
  if (now >= card.record.expiresMs) {
    hide();
    card.ended("expired");
    return;
  }
  const ageMs = card.drawnMs === null ? EVERY_MS : now - card.drawnMs;
  if (ageMs < 0 || ageMs >= EVERY_MS) await renew(card, now);
  const leftMs = EVERY_MS - Math.max(0, now - (card.drawnMs ?? now));
  element("ring").style.strokeDashoffset = String(100 - leftMs / (EVERY_MS / 100));
  element("left").textContent = String(Math.max(1, Math.ceil(leftMs / 1000)));
  if (shown) hint();
}

async function renew(card, now) {
  busy = true;
  try {
    card.text = await rotatingCode(card.record.sealed, card.privateKey, Math.floor(now / 1000));
    card.drawnMs = now;
    if (shown === card) redraw();
  } catch (error) {
    console.error(error);
    hide();
    card.ended("lost");
  } finally {
    busy = false;
  }
}

function redraw() {
  if (shown?.text) drawCode(element("code"), shown.text, Math.min(WIDEST_PX, element("paper").clientWidth));
}

async function stayAwake() {
  if (!shown || document.hidden || (awake && !awake.released)) return;
  awake = (await navigator.wakeLock?.request("screen").catch(() => null)) ?? null; // refused when the battery is low
}

setInterval(tick, LOOK_EVERY_MS);
addEventListener("resize", redraw);
document.addEventListener("visibilitychange", () => {
  tick();
  stayAwake();
});
