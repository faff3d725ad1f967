// Server time on a phone whose clock is wrong: an offset from the last contact, half the round trip removed.
import { readState, writeState } from "./keep.js";

const ROUND_TRIP_MAX_MS = 8000; // a slower answer says too little: half of it may be the error
const STEP_BACK_MAX_MS = 60_000;
let kept = { offsetMs: 0, atMs: 0 };

export const nowMs = () => Date.now() + kept.offsetMs;

/** The phone's own clock is behind the last contact: somebody set it, and the offset is worth nothing. */
export const isDoubtful = () => Date.now() < kept.atMs - STEP_BACK_MAX_MS;

export async function restore() {
  kept = (await readState("clock").catch(() => undefined)) ?? kept;
}

/** Ask the server by `ask`, which answers an object with `now_ms`; returns that object. */
export async function contact(ask) {
  const beganMs = performance.now();
  const answer = await ask();
  const roundTripMs = performance.now() - beganMs;
  if (typeof answer.now_ms === "number" && roundTripMs <= ROUND_TRIP_MAX_MS) {
    const atMs = Date.now();
    kept = { offsetMs: Math.round(answer.now_ms + roundTripMs / 2 - atMs), atMs };
    await writeState("clock", kept).catch(() => undefined);
  }
  return answer;
}
