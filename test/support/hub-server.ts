import { createHash } from 'node:crypto';
import { FileServer, served } from './file-server.ts';

export const COMMIT = '0123456789abcdef0123456789abcdef01234567';

export interface RepositoryOptions {
  readonly commit?: string;
  /** Only with this token. */
  readonly token?: string;
  /** Files from this size on lie in large file storage, on another host. */
  readonly large?: number;
}

/**
 * Answers like the hub: a listing with digests, files at `resolve/COMMIT`, those in large file storage by a redirect to another host with a signed address.
 * Faults are planned on `site` and `storage`.
 */
export class HubServer {
  readonly site: FileServer;
  readonly storage: FileServer;
  readonly #repositories = new Map<string, { readonly files: Readonly<Record<string, Uint8Array>> } & RepositoryOptions>();

  private constructor(site: FileServer, storage: FileServer) {
    this.site = site;
    this.storage = storage;
    site.other = (request, response) => {
      const url = new URL(request.url!, site.origin);
      const path = decodeURIComponent(url.pathname);
      const [, repo, revision] = /^\/api\/models\/([^/]+\/[^/]+)\/revision\/(.+)$/.exec(path) ?? [];
      const [, fileRepo, commit, file] = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(path) ?? [];
      const found = this.#repositories.get(repo ?? fileRepo ?? '');
      if (!found && (repo ?? fileRepo) === undefined) return false;
      const deny = (status: number, message: string): true => {
        response.writeHead(status, { 'x-error-message': message, 'content-length': 0 }).end();
        return true;
      };
      const signed = request.headers.authorization === `Bearer ${found?.token}`;
      if (!found) return deny(request.headers.authorization === undefined ? 401 : 404, 'Repository not found');
      if (found.token !== undefined && !signed) return deny(request.headers.authorization === undefined ? 401 : 403, 'Access to this model is restricted');
      const own = found.commit ?? COMMIT;
      if (repo !== undefined) {
        if (revision !== 'main' && revision !== own) return deny(404, 'Invalid rev id');
        const body = Buffer.from(JSON.stringify(this.#listing(repo, own, found)));
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length }).end(body);
        return true;
      }
      const bytes = found.files[file!];
      if (!bytes || (commit !== own && commit !== 'main')) return deny(404, 'Entry not found');
      const digest = createHash('sha256').update(bytes).digest('hex');
      if (bytes.length < (found.large ?? 0)) {
        site.files.set(path, served(bytes));
        return false;
      }
      storage.files.set(`/blobs/${digest}`, served(bytes));
      response.writeHead(302, { location: `${storage.origin}/blobs/${digest}?signature=${digest.slice(0, 8)}`, 'x-linked-etag': `"${digest}"`, 'x-linked-size': bytes.length, 'content-length': 0 }).end();
      return true;
    };
  }

  static async start(): Promise<HubServer> {
    return new HubServer(await FileServer.start(), await FileServer.start());
  }

  get endpoint(): string {
    return this.site.origin;
  }

  put(repo: string, files: Readonly<Record<string, Uint8Array>>, options: RepositoryOptions = {}): void {
    this.#repositories.set(repo, { files, ...options });
  }

  calm(): void {
    this.site.calm();
    this.storage.calm();
  }

  close(): void {
    this.site.close();
    this.storage.close();
  }

  #listing(repo: string, commit: string, { files, large = 0 }: { readonly files: Readonly<Record<string, Uint8Array>> } & RepositoryOptions): object {
    const siblings = Object.entries(files).map(([rfilename, bytes]) => ({
      rfilename, size: bytes.length, blobId: createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex'),
      ...(bytes.length >= large && { lfs: { sha256: createHash('sha256').update(bytes).digest('hex'), size: bytes.length, pointerSize: 134 } }),
    }));
    return { id: repo, sha: commit, private: false, gated: false, siblings };
  }
}
