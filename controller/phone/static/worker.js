// Keeps the page's files on the phone. Answers from its own copy; a new version brings a new copy of all of them.
const CACHE = "pass-@version@";
const FILES = [
  "/p",
  ...["pass.css", "pass.js", "show.js", "enrol.js", "gp1.js", "keep.js", "clock.js", "draw.js", "words.js"].map((name) => `/p/${name}`),
  "/p/vendor/lean-qr.js",
  "/static/kit/tokens.css",
];

self.addEventListener("install", (event) => {
  const fresh = FILES.map((path) => new Request(path, { cache: "reload" }));
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(fresh)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  const drop = (names) => Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name)));
  event.waitUntil(caches.keys().then(drop).then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const { origin, pathname } = new URL(event.request.url);
  if (event.request.method !== "GET" || origin !== location.origin || !FILES.includes(pathname)) return;
  event.respondWith(caches.open(CACHE).then((cache) => cache.match(pathname)).then((kept) => kept ?? fetch(event.request)));
});
