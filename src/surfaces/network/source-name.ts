import { TetradError } from '../../core/errors.ts';

/** A file, or a container by its address: what lies beside `model.json`. */
export interface UrlName {
  readonly kind: 'url';
  /** Of the `.gguf` file, or of the container without `/model.json`. */
  readonly url: string;
  readonly gguf: boolean;
}

/** A model in a repository of the hub. */
export interface HubName {
  readonly kind: 'hub';
  /** `owner/name`. */
  readonly repo: string;
  readonly revision: string;
  /** A file, a folder with a container, or a part of one file's name; null: what the repository holds. */
  readonly file: string | null;
}

export type RemoteName = UrlName | HubName;
export type SourceName = RemoteName | { readonly kind: 'path'; readonly path: string } | { readonly kind: 'file'; readonly url: URL };

const MAIN = 'main';
const HUB_HOSTS = ['huggingface.co', 'hf.co', 'www.huggingface.co'];
const REPO = /^[\w][\w.-]{0,95}\/[\w][\w.-]{0,95}$/;

const invalid = (text: string, found: string, needed: string): TetradError =>
  new TetradError('invalid_argument', `Cannot open the model ${text}: ${found}, needed is ${needed}`);

function hubName(text: string, repo: string, revision: string | undefined, file: string | undefined): HubName {
  const needed = 'hf:OWNER/REPO, hf:OWNER/REPO@REVISION or hf:OWNER/REPO:FILE';
  if (!REPO.test(repo)) throw invalid(text, `${JSON.stringify(repo)} is no repository`, needed);
  if (revision === '') throw invalid(text, 'the revision is empty', needed);
  if (file !== undefined && (file === '' || file.startsWith('/') || file.split('/').includes('..'))) throw invalid(text, `${JSON.stringify(file)} is no file of a repository`, needed);
  return { kind: 'hub', repo, revision: revision ?? MAIN, file: file ?? null };
}

/** What a page or a file of the hub's own site is about. */
function hubPage(text: string, url: URL): HubName | null {
  if (!HUB_HOSTS.includes(url.hostname)) return null;
  const [owner, repo, view, revision, ...file] = url.pathname.split('/').filter((part) => part !== '').map(decodeURIComponent);
  if (repo === undefined || (view !== undefined && !['resolve', 'blob', 'tree', 'raw'].includes(view))) return null;
  return hubName(text, `${owner}/${repo}`, revision, file.length > 0 ? file.join('/') : undefined);
}

function urlName(text: string): RemoteName {
  if (!URL.canParse(text)) throw invalid(text, 'its address is malformed', 'https://HOST/PATH');
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') throw invalid(url.host, 'its address holds a user name or password', 'an address without them');
  const hub = hubPage(text, url);
  if (hub) return hub;
  url.hash = '';
  if (/\.gguf$/i.test(url.pathname)) return { kind: 'url', url: url.href, gguf: true };
  if (/\.(?:safetensors|bin|onnx|pt|pth|zip|tar|gz)$/i.test(url.pathname)) {
    throw invalid(shownUrl(url.href), 'no model can be loaded from such a file', 'the address of a container or of a .gguf file');
  }
  url.pathname = url.pathname.replace(/(?:\/model\.json)?\/*$/, '');
  return { kind: 'url', url: url.href, gguf: false };
}

/**
 * What the name of a source says: a path, a `file:` URL, an `http:` or `https:` URL of a container or a `.gguf` file, or `hf:OWNER/REPO[@REVISION][:FILE]`.
 * Throws `invalid_argument` for anything else that has a scheme.
 */
export function parseSourceName(text: string): SourceName {
  const hub = /^hf:(?:\/\/)?([^@:]*)(?:@([^:]*))?(?::(.*))?$/i.exec(text);
  if (hub) return hubName(text, hub[1]!, hub[2], hub[3]);
  if (/^https?:/i.test(text)) return urlName(text);
  if (/^file:/i.test(text)) {
    if (!URL.canParse(text)) throw invalid(text, 'its address is malformed', 'file:///PATH');
    return { kind: 'file', url: new URL(text) };
  }
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(text);
  if (scheme) throw invalid(text, `nothing is known of ${scheme[1]}:`, 'a path, or an address that begins with https:, http:, file: or hf:');
  return { kind: 'path', path: text };
}

export const isRemote = (name: SourceName): name is RemoteName => name.kind === 'url' || name.kind === 'hub';

/** The one way to write a name, by which the cache knows a model. */
export function remoteText(name: RemoteName): string {
  if (name.kind === 'url') return name.url;
  return `hf:${name.repo}${name.revision === MAIN ? '' : `@${name.revision}`}${name.file === null ? '' : `:${name.file}`}`;
}

/** A file below an address; a query, such as a signature, stays. */
export function childUrl(base: string, path: string): string {
  const url = new URL(base);
  url.pathname = `${url.pathname.replace(/\/$/, '')}/${path.split('/').map(encodeURIComponent).join('/')}`;
  return url.href;
}

/** An address for people and logs: without its query, which may hold a signature. */
export function shownUrl(text: string): string {
  const url = new URL(text);
  return `${url.origin}${url.pathname}`;
}
