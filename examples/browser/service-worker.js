/**
 * Keeps the page's own files, so that it opens without a network; the model is kept by the library. Answers come from the network where there is one, so
 * that a new version of the page is seen at once, and carry the headers they were served with: isolation lasts offline.
 */
const CACHE = 'tetrad-page';
const FILES = ['./', ...self.tetradFiles];

self.addEventListener('install', (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(FILES)).then(() => self.skipWaiting()));
});
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));

/** A fresh answer, which is kept; or else the one kept before. */
async function answer(request) {
  const cache = await caches.open(CACHE);
  try {
    const fresh = await fetch(request);
    if (fresh.ok) await cache.put(request, fresh.clone());
    return fresh;
  } catch (error) {
    const kept = await cache.match(request, { ignoreSearch: true });
    if (kept) return kept;
    throw error;
  }
}

self.addEventListener('fetch', (event) => {
  const { method, url } = event.request;
  const { origin, pathname } = new URL(url);
  if (method === 'GET' && origin === self.location.origin && !pathname.includes('/model/')) event.respondWith(answer(event.request));
});
