// The card: one pass as a fresh code every ten seconds, in its colour, with a ring that shows it lives. Where the gates
// take short codes, every other code is one: they are read from further off, and full ones by a gate that is new to it.
import { isDoubtful, nowMs } from "./clock.js";
import { drawCode } from "./draw.js";
import { rotatingCode, shortCode } from "./gp1.js";
import { keysOf, SOFT } from "./keep.js";
import { both, say, spoken } from "./words.js";

const EVERY_MS = 10_000;
const EACH_MS = 5_000; // of full and short codes in turn
const LOOK_EVERY_MS = 250;
const WIDEST_PX = 480;
const AROUND_PX = 30; // on a screen that is wider than high: the frame above and below the code,
const BESIDE_PX = 170; // and the words beside it
const element = (id) => document.getElementById(id);

let shown = null; // { record, privateKey, ended, everyMs, drawnMs, isShort, text }
let busy = false;
let online = true;
let awake = null;

/** Show a pass; `ended` is called with "expired" or "lost" when there is no code any more. */
export async function show(record, ended) {
  const { privateKey } = await keysOf(record);
  const everyMs = record.words.short_codes ? EACH_MS : EVERY_MS;
  shown = { record, privateKey, ended, everyMs, drawnMs: null, isShort: true, text: "" };
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

/** Write the card's words in the language that is spoken now. */
export function label() {
  if (!shown) return;
  const { record } = shown;
  const { words } = record;
  element("card").dataset.colour = words.colour;
  element("word").textContent = both(words.colour);
  element("category").textContent = `${words.category_zh} ${words.category_en}`;
  element("soft").hidden = (record.passLevel ?? record.level) !== SOFT;
  element("soft").textContent = record.entries === 1 ? `${both("soft")} · ${both("once")}` : both("soft");
  element("code").setAttribute("aria-label", say("canvas"));
  const form = { timeZone: words.zone, month: "numeric", day: "numeric", hour: "2-digit", minute: "2-digit", hour12: false };
  element("until").textContent = `${say("until")} ${new Intl.DateTimeFormat(spoken(), form).format(record.expiresMs)}`;
  const hours = (words.hours ?? []).map((line) => (spoken() === "en" ? line.en : line.zh));
  element("hours").hidden = hours.length === 0;
  element("hours").textContent = `${say("hours")} ${hours.join(spoken() === "en" ? "; " : "；")}`;
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
  const ageMs = card.drawnMs === null ? card.everyMs : now - card.drawnMs;
  if (ageMs < 0 || ageMs >= card.everyMs) await renew(card, now);
  const leftMs = card.everyMs - Math.max(0, now - (card.drawnMs ?? now));
  element("ring").style.strokeDashoffset = String(100 - leftMs / (card.everyMs / 100));
  element("left").textContent = String(Math.max(1, Math.ceil(leftMs / 1000)));
  if (shown) hint();
}

async function renew(card, now) {
  busy = true;
  const unixS = Math.floor(now / 1000);
  const { passId, sealed, words } = card.record;
  try {
    card.isShort = Boolean(words.short_codes) && !card.isShort;
    card.text = await (card.isShort ? shortCode(passId, card.privateKey, unixS) : rotatingCode(sealed, card.privateKey, unixS));
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
  if (!shown?.text) return;
  const isWide = innerWidth > innerHeight;
  const roomPx = isWide ? Math.min(innerHeight - AROUND_PX, innerWidth - BESIDE_PX) : element("paper").clientWidth;
  drawCode(element("code"), shown.text, Math.min(WIDEST_PX, roomPx));
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
