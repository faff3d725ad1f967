// GP1 on the phone: the pass is opaque bytes, the code around it is time and a signature. See docs/gp1.md.
const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
const ECDSA = { name: "ECDSA", hash: "SHA-256" };
const text = new TextEncoder();

export const bytesOfHex = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
export const hexOfBytes = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

export function joined(...parts) {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole;
}

/** RFC 9285. */
export function base45(bytes) {
  let out = "";
  for (let at = 0; at < bytes.length; at += 2) {
    const isPair = at + 1 < bytes.length;
    const value = isPair ? bytes[at] * 256 + bytes[at + 1] : bytes[at];
    out += ALPHABET[value % 45] + ALPHABET[Math.floor(value / 45) % 45];
    if (isPair) out += ALPHABET[Math.floor(value / 2025)];
  }
  return out;
}

/** The 33 bytes of a P-256 public key: parity of y, then x. */
export async function compressedPoint(publicKey) {
  const raw = new Uint8Array(await crypto.subtle.exportKey("raw", publicKey));
  return joined([2 + (raw[64] & 1)], raw.subarray(1, 33));
}

/** r || s, 64 bytes, as WebCrypto gives it and GP1 wants it. The domain keeps codes and other messages apart. */
export async function sign(privateKey, domain, message) {
  const signed = joined(text.encode(`${domain}\0`), message);
  return new Uint8Array(await crypto.subtle.sign(ECDSA, privateKey, signed));
}

export function verify(publicKey, domain, message, signature) {
  return crypto.subtle.verify(ECDSA, publicKey, signature, joined(text.encode(`${domain}\0`), message));
}

/** The text of a rotating code. `unixS` is the moment it claims; `challenge` four bytes, where a gate shows some. */
export async function rotatingCode(sealed, privateKey, unixS, challenge) {
  const head = new Uint8Array(6);
  head[0] = 1;
  head[1] = challenge ? 1 : 0;
  new DataView(head.buffer).setUint32(2, unixS);
  const body = joined(head, challenge ?? [], sealed);
  return `GP1:${base45(joined(body, await sign(privateKey, "GP1/pop", body)))}`;
}

/** The text of a short code, for a gate that holds the pass already. */
export async function shortCode(passId, privateKey, unixS) {
  const head = new Uint8Array(5);
  head[0] = 2;
  new DataView(head.buffer).setUint32(1, unixS);
  const body = joined(head, passId);
  return `GP1:${base45(joined(body, await sign(privateKey, "GP1/short", body)))}`;
}
