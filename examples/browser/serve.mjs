/** A static server that sends the headers of the site's `_headers`, the file that Cloudflare Pages and Netlify read. */
import { createReadStream, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';

const TYPES = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.json': 'application/json',
  '.wasm': 'application/wasm', '.bin': 'application/octet-stream', '.md': 'text/markdown',
};

const headersOf = (folder) => Object.fromEntries(
  readFileSync(join(folder, '_headers'), 'utf8').split('\n').filter((line) => line.startsWith('  ')).map((line) => /^\s+([^:]+):\s*(.*)$/.exec(line).slice(1)),
);

/** `isolated: false` leaves out the headers that make memory shareable. Port 0: any that is free. */
export async function serveSite(folder, { port = 0, host = '127.0.0.1', isolated = true } = {}) {
  const headers = headersOf(folder);
  if (!isolated) for (const name of Object.keys(headers)) if (/^cross-origin-(opener|embedder)/i.test(name)) delete headers[name];
  const server = createServer(({ method, url }, response) => {
    const path = normalize(decodeURIComponent(new URL(url, 'http://localhost').pathname));
    const file = join(folder, path.endsWith('/') ? `${path}index.html` : path);
    const info = statSync(file, { throwIfNoEntry: false });
    if ((method !== 'GET' && method !== 'HEAD') || path.includes('..') || !info?.isFile()) {
      response.writeHead(404, headers).end('Not found');
      return;
    }
    response.writeHead(200, { ...headers, 'content-type': TYPES[extname(file)] ?? 'application/octet-stream', 'content-length': info.size, etag: `"${info.size}-${info.mtimeMs}"` });
    if (method === 'HEAD') response.end();
    else createReadStream(file).on('error', () => response.destroy()).pipe(response);
  });
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
  return { origin: `http://${host}:${server.address().port}`, close: () => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); }) };
}
