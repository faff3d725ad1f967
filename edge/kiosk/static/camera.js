// The pictures of the lanes: fetched one after the other and drawn on a canvas, which keeps the memory of the browser
// flat. A picture that is older than two seconds is taken away: nobody must take what was for what is.
const EVERY_MS = 200;
const STALE_MS = 2_000;
const WITHIN_MS = 2_500; // the gate may wait a second for a first picture

const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });
const visible = () => document.visibilityState === "visible";

async function untilVisible() {
  while (!visible()) {
    await new Promise((done) => { document.addEventListener("visibilitychange", done, { once: true }); });
  }
}

function watch(figure) {
  const canvas = figure.querySelector("canvas");
  const age = figure.querySelector(".camera__age");
  const context = canvas.getContext("2d");
  let taken = -Infinity; // when the picture on the canvas was taken, by this page's clock

  function show() {
    const old_ms = performance.now() - taken;
    if (old_ms <= STALE_MS) {
      figure.dataset.state = "live";
      age.textContent = `${(old_ms / 1000).toFixed(1)} s`;
    } else if (figure.dataset.state === "live") {
      lose();
    }
  }

  function lose() {
    taken = -Infinity;
    figure.dataset.state = "lost";
    age.textContent = "";
    context.clearRect(0, 0, canvas.width, canvas.height);
  }

  async function next() {
    let answer;
    try {
      answer = await fetch(`/camera/${encodeURIComponent(figure.dataset.camera)}.jpg`, {
        cache: "no-store", signal: AbortSignal.timeout(WITHIN_MS),
      });
      if (!answer.ok) { lose(); return 1_000; }
      const picture = await createImageBitmap(await answer.blob());
      if (canvas.width !== picture.width || canvas.height !== picture.height) {
        canvas.width = picture.width;
        canvas.height = picture.height;
      }
      context.drawImage(picture, 0, 0);
      picture.close();
      taken = performance.now() - Number(answer.headers.get("x-picture-age-ms"));
      show();
      return EVERY_MS;
    } catch {
      // The gate is away, or what it sent is no picture: the watch below takes the old one off.
      return 1_000;
    }
  }

  async function run() {
    for (;;) {
      await untilVisible();
      const began = performance.now();
      const every_ms = await next();
      if (taken === -Infinity && figure.dataset.state === "waiting" && every_ms > EVERY_MS) lose();
      await pause(Math.max(0, every_ms - (performance.now() - began)));
    }
  }

  setInterval(show, 250);
  run();
}

for (const figure of document.querySelectorAll("[data-camera]")) watch(figure);
