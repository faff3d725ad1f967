// From a link's secret to a pass: first prove to ourselves that this phone keeps the key, then prove it to the centre.
import { contact } from "./clock.js";
import { bytesOfHex, compressedPoint, hexOfBytes, joined, sign, verify } from "./gp1.js";
import { find, keptKey, keysOf, put, softKey } from "./keep.js";

const ANSWER_WITHIN_MS = 15_000;
const inMemory = new Map(); // keys that could not be written down, by link

/** The centre said no, in its own words. */
export class Refused extends Error {
  constructor(answer) {
    super(answer.code);
    this.words = answer;
  }
}

/** The centre did not answer, or not with anything that can be used. */
export class Unreached extends Error {}

/** This browser keeps no key that scripts cannot read. */
export class NotKept extends Error {}

export async function linkId(secret) {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(secret));
  return hexOfBytes(new Uint8Array(digest));
}

/** Ask the centre; throws `Refused` or `Unreached`. */
export function ask(path, body) {
  const asked = body && { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  return contact(async () => {
    const patience = new AbortController();
    const timer = setTimeout(() => patience.abort(), ANSWER_WITHIN_MS);
    try {
      const response = await fetch(path, { ...asked, signal: patience.signal });
      const answer = await response.json();
      if (!response.ok && answer.code) throw new Refused(answer);
      if (!response.ok) throw new Error(`${path}: ${response.status}`);
      return answer;
    } catch (error) {
      throw error instanceof Refused ? error : new Unreached(path, { cause: error });
    } finally {
      clearTimeout(timer);
    }
  });
}

/** Write, read back, sign, verify: anything less is found out at the gate. */
async function isKept(record) {
  await put(record);
  const { privateKey, publicKey } = await keysOf(await find(record.link));
  const trial = crypto.getRandomValues(new Uint8Array(16));
  return verify(publicKey, "GP1/trial", trial, await sign(privateKey, "GP1/trial", trial));
}

/** A key for this link that survived the trial; one from a try without an answer is used again. */
export async function goodKey(link, challenge) {
  try {
    const waiting = await find(link);
    const record = waiting ?? { ...(await keptKey(link)), challenge };
    if (await isKept(record)) return record;
  } catch (error) {
    throw new NotKept(error?.name ?? "unknown", { cause: error });
  }
  throw new NotKept("the key does not verify");
}

/**
 * The rung below, once the visitor has been told; `inMemory` when not even this could be written down. Here, too, a key
 * from a try without an answer is used again: the centre may have given the pass to it.
 */
export async function weakKey(link, challenge) {
  if (inMemory.has(link)) return inMemory.get(link);
  const waiting = await find(link).catch(() => undefined);
  const record = waiting?.jwk ? waiting : { ...(await softKey(link)), challenge };
  if (await isKept(record).catch(() => false)) return record;
  inMemory.set(link, { ...record, inMemory: true });
  return inMemory.get(link);
}

/** Prove the key to the centre and keep the pass; the same key may try again after a lost answer. */
export async function enrol(secret, record) {
  const { privateKey, publicKey } = await keysOf(record);
  const point = await compressedPoint(publicKey);
  const proof = await sign(privateKey, "GP1/enrol", joined(bytesOfHex(record.challenge), point));
  const answer = await ask("/p/enrol", {
    secret,
    public_key: hexOfBytes(point),
    proof: hexOfBytes(proof),
    key_level: record.level,
  });
  const whole = {
    ...record,
    passId: bytesOfHex(answer.pass_id),
    sealed: bytesOfHex(answer.pass_hex),
    words: answer.words,
    passLevel: answer.key_level, // what the pass says of the key; `level` is what this phone did
    entries: answer.entries,
    expiresMs: answer.expires_ms,
    enrolledMs: answer.now_ms,
  };
  if (record.inMemory) return whole;
  return put(whole).then(
    () => whole,
    () => ({ ...whole, inMemory: true }), // the link is used up: better a pass until the page is closed than none
  );
}
