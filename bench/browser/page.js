// Runs tests.js where the query's `where` says: in a worker of its own, as an application would, or on the page's main thread.
if (new URLSearchParams(location.search).get('where') === 'page') {
  await import('./tests.js');
} else {
  const worker = new Worker(`tests.js${location.search}`, { type: 'module' });
  worker.addEventListener('error', ({ message }) => {
    void fetch('/result', { method: 'POST', body: JSON.stringify({ error: message || 'the worker could not be started' }) });
  });
}
