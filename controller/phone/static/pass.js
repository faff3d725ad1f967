// The phone's page: from the link to the pass, and to whatever has to be said instead.
import { restore } from "./clock.js";
import { ask, enrol, goodKey, linkId, NotKept, Refused, Unreached, weakKey } from "./enrol.js";
import { all, drop, find, readState, writeState } from "./keep.js";
import { hide, label, setOnline, show } from "./show.js";
import { preferred, say, speak, spoken, unspoken } from "./words.js";

const CONTACT_EVERY_MS = 5 * 60_000;
const FORGET_AFTER_MS = 24 * 3600_000;
const element = (id) => document.getElementById(id);
let again = () => undefined; // draws the present view in the present language
let site = "";

function view(draw) {
  again = draw;
  draw();
}

function head() {
  element("site").textContent = site || say("title");
}

/** One message: what it is, what to do next, and at most one thing to press. */
function note(name, { lines = [say(`${name}Next`)], label: action = null, run = null } = {}) {
  hide();
  head();
  element("note").hidden = false;
  element("note-head").textContent = say(name);
  const paragraphs = lines.filter(Boolean).map((line) => Object.assign(document.createElement("p"), { textContent: line }));
  element("note-text").replaceChildren(...paragraphs);
  element("note-do").hidden = action === null;
  element("note-do").textContent = action ? say(action) : "";
  element("note-do").onclick = run;
}

const refused = ({ words }) => view(() => note("refused", { lines: [words.zh, words.en] }));
const failed = (retry) => view(() => note("noNet", { label: "again", run: retry }));
const nothing = (name) => view(() => note(name));

async function reveal(record) {
  site = record.words.site;
  view(() => {
    element("note").hidden = true;
    head();
    label();
  });
  try {
    await show(record, nothing);
    await offerOthers(record);
  } catch (error) {
    console.error(error);
    nothing("lost");
  }
}

async function offerOthers(record) {
  const others = await passes().catch(() => []);
  element("choose").hidden = others.length < 2;
  element("passes").replaceChildren(
    ...others.map(({ link, words }) => new Option(`${words.site} · ${words.category_zh} ${words.category_en}`, link)),
  );
  element("passes").value = record.link;
  element("passes").onchange = () => reveal(others.find(({ link }) => link === element("passes").value));
}

/** The passes on this phone, newest first; those that ended yesterday are forgotten. */
async function passes() {
  const kept = (await all()).filter(({ sealed }) => sealed);
  const over = kept.filter(({ expiresMs }) => expiresMs < Date.now() - FORGET_AFTER_MS);
  await Promise.all(over.map(({ link }) => drop(link)));
  return kept.filter((record) => !over.includes(record)).sort((a, b) => b.enrolledMs - a.enrolledMs);
}

async function open(secret) {
  const link = await linkId(secret);
  const had = await find(link).catch(() => undefined);
  if (had?.sealed) return arrived(had);
  if (had) return get(secret, link, had.challenge, goodKey); // tapped before, and the answer was lost
  const retry = () => open(secret);
  try {
    const offer = await ask("/p/look", { secret });
    site = offer.words.site;
    const what = `${offer.words.category_zh} ${offer.words.category_en}`;
    const take = () => get(secret, link, offer.challenge, goodKey);
    return view(() => note("title", { lines: [what, say("getWhy")], label: "get", run: take }));
  } catch (error) {
    return error instanceof Refused ? refused(error) : failed(retry);
  }
}

async function get(secret, link, challenge, makeKey) {
  view(() => note("working", { lines: [] }));
  const alone = navigator.locks ? (run) => navigator.locks.request("enrol", run) : (run) => run();
  try {
    await alone(async () => {
      const had = await find(link).catch(() => undefined);
      await arrived(had?.sealed ? had : await enrol(secret, await makeKey(link, challenge)));
    });
  } catch (error) {
    if (error instanceof Refused) refused(error);
    else if (error instanceof NotKept) view(() => note("weak", { label: "goOn", run: () => get(secret, link, challenge, weakKey) }));
    else if (error instanceof Unreached) failed(() => get(secret, link, challenge, makeKey));
    else {
      console.error(error);
      nothing("none");
    }
  }
}

/** The pass is here: the secret has done its work and leaves the address. */
async function arrived(record) {
  history.replaceState(null, "", "/p");
  navigator.storage?.persist?.().catch(() => false);
  await reveal(record);
}

async function stayInTouch() {
  setOnline(await ask("/p/time").then(() => true, () => false));
}

async function start() {
  speak((await readState("language").catch(() => undefined)) ?? preferred());
  element("language").onclick = () => {
    speak(unspoken());
    writeState("language", spoken()).catch(() => undefined);
    again();
  };
  const secret = location.hash.slice(1);
  if (!globalThis.isSecureContext || !globalThis.crypto?.subtle) return nothing("none");
  navigator.serviceWorker?.register("/p/worker.js", { scope: "/p" }).catch((error) => console.warn(error));
  await restore();
  setInterval(stayInTouch, CONTACT_EVERY_MS);
  addEventListener("online", stayInTouch);
  addEventListener("offline", () => setOnline(false));
  addEventListener("hashchange", () => location.reload());
  if (secret) return open(secret);
  const [newest] = await passes().catch(() => []);
  if (newest) await reveal(newest);
  else nothing("empty");
  return stayInTouch();
}

start();
