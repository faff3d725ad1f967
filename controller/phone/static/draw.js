// A code on a canvas: dark on white, level L, quiet zone of four, every module a whole number of screen pixels.
import { correction, generate, mode } from "./vendor/lean-qr.js";

const QUIET = 4;
const L = { minCorrectionLevel: correction.L, maxCorrectionLevel: correction.L };

export function drawCode(canvas, text, widthPx) {
  const code = generate(mode.alphaNumeric(text), L);
  const modules = code.size + 2 * QUIET;
  const density = globalThis.devicePixelRatio || 1;
  const each = Math.max(1, Math.floor((widthPx * density) / modules));
  canvas.width = canvas.height = modules * each;
  canvas.style.width = canvas.style.height = `${(modules * each) / density}px`;
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = "#000";
  for (let y = 0; y < code.size; y += 1) {
    for (let x = 0; x < code.size; x += 1) {
      if (code.get(x, y)) context.fillRect((x + QUIET) * each, (y + QUIET) * each, each, each);
    }
  }
}
