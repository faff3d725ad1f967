// What the phone keeps: one record a link, in IndexedDB; and how well it can keep a key.
// Record: { link, level, challenge, publicKey, privateKey } or soft { …, jwk }; with its pass also { passId, sealed,
// words, passLevel, entries, expiresMs, enrolledMs }. `link` is the SHA-256 of the secret.
const P256 = { name: "ECDSA", namedCurve: "P-256" };
export const SOFT = 1;
const KEPT = 2;

const done = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = request.onblocked = () => reject(request.error ?? new Error("blocked"));
  });

let opening;
function database() {
  opening ??= (() => {
    const request = indexedDB.open("postern", 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("passes", { keyPath: "link" });
      request.result.createObjectStore("state");
    };
    return done(request);
  })();
  return opening;
}

async function inStore(name, mode, use) {
  const transaction = (await database()).transaction(name, mode);
  const ended = new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onabort = transaction.onerror = () => reject(transaction.error ?? new Error("aborted"));
  });
  const [result] = await Promise.all([done(use(transaction.objectStore(name))), mode === "readwrite" ? ended : null]);
  return result;
}

export const find = (link) => inStore("passes", "readonly", (store) => store.get(link));
export const all = () => inStore("passes", "readonly", (store) => store.getAll());
export const put = (record) => inStore("passes", "readwrite", (store) => store.put(record));
export const drop = (link) => inStore("passes", "readwrite", (store) => store.delete(link));
export const readState = (name) => inStore("state", "readonly", (store) => store.get(name));
export const writeState = (name, value) => inStore("state", "readwrite", (store) => store.put(value, name));

/** A new key that no script can read, not this one either. */
export async function keptKey(link) {
  const { privateKey, publicKey } = await crypto.subtle.generateKey(P256, false, ["sign", "verify"]);
  return { link, level: KEPT, publicKey, privateKey };
}

/** The rung below: a key stored as text, for browsers that store no keys. */
export async function softKey(link) {
  const { privateKey } = await crypto.subtle.generateKey(P256, true, ["sign", "verify"]);
  return { link, level: SOFT, jwk: await crypto.subtle.exportKey("jwk", privateKey) };
}

/** The two halves of a record's key, ready to use. */
export async function keysOf({ jwk, privateKey, publicKey }) {
  if (!jwk) return { privateKey, publicKey };
  const { kty, crv, x, y } = jwk;
  const bring = (half, usage) => crypto.subtle.importKey("jwk", half, P256, usage === "verify", [usage]);
  return { privateKey: await bring(jwk, "sign"), publicKey: await bring({ kty, crv, x, y }, "verify") };
}
