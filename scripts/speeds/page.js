// The page's clock begins with its navigation.
const worker = new Worker(`worker.js?began=${performance.timeOrigin}`, { type: 'module' });
worker.addEventListener('error', ({ message }) => {
  void fetch('/result', { method: 'POST', body: JSON.stringify({ error: message || 'the worker could not be started' }) });
});
