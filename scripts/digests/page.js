// The program in a browser: where the query's `where` says, in a worker of its own or on the page. Posts its rows to /result.
if (new URLSearchParams(location.search).get('where') === 'page') {
  await import('./web.js');
} else {
  const worker = new Worker(`web.js${location.search}`, { type: 'module' });
  worker.addEventListener('error', ({ message }) => {
    void fetch('/result', { method: 'POST', body: JSON.stringify({ error: message || 'the worker could not be started' }) });
  });
}
