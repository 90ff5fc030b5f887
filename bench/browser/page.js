// Runs tests.js where the query's `where` says: in a worker of its own, as an application would, or on the page's main thread.
// `script` names another script than tests.js, by its path on the server.
const query = new URLSearchParams(location.search);
const script = query.get('script') ?? './tests.js';
if (query.get('where') === 'page') {
  await import(script);
} else {
  const worker = new Worker(`${script}${location.search}`, { type: 'module' });
  worker.addEventListener('error', ({ message }) => {
    void fetch('/result', { method: 'POST', body: JSON.stringify({ error: message || 'the worker could not be started' }) });
  });
}
