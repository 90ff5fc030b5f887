/** Who may import whom: the table of the design as data. A folder may also import its own files. */
export interface Layer {
  /** Under src/; the longest matching row counts. `backends` holds the contract and its constants, its subfolders the implementations. */
  readonly folder: string;
  readonly may: readonly string[];
  /** Folders of which only types may be imported. */
  readonly types?: readonly string[];
  readonly packages?: readonly string[];
}

const below = ['core', 'formats', 'tokenizer', 'models', 'kernels', 'importers', 'container', 'backends', 'runtime', 'calibrate', 'generate', 'evaluate', 'quantize'];

export const layers: readonly Layer[] = [
  { folder: 'core', may: [] },
  { folder: 'formats', may: ['core'] },
  { folder: 'tokenizer', may: ['core'], packages: ['@huggingface/tokenizers', '@huggingface/jinja', 'valibot'] },
  { folder: 'models', may: ['core', 'formats'] },
  { folder: 'kernels', may: ['core', 'formats'] },
  { folder: 'importers', may: ['core', 'formats', 'tokenizer', 'models'], packages: ['valibot'] },
  { folder: 'container', may: ['core', 'formats', 'tokenizer', 'models'], packages: ['valibot'] },
  { folder: 'backends', may: ['core', 'formats', 'kernels'] },
  { folder: 'backends/reference', may: ['core', 'formats', 'kernels', 'backends'] },
  { folder: 'backends/wasm', may: ['core', 'formats', 'kernels', 'backends'] },
  { folder: 'backends/webgpu', may: ['core', 'formats', 'kernels', 'backends'] },
  { folder: 'backends/open.ts', may: ['core', 'kernels', 'backends', 'backends/reference', 'backends/wasm', 'backends/webgpu'] },
  { folder: 'runtime', may: ['core', 'formats', 'models', 'kernels', 'backends'] },
  { folder: 'calibrate', may: ['core', 'formats', 'models', 'tokenizer', 'runtime'] },
  { folder: 'generate', may: ['core', 'tokenizer', 'runtime'], types: ['models'], packages: ['valibot'] },
  { folder: 'evaluate', may: ['core', 'formats', 'models', 'tokenizer', 'runtime'] },
  { folder: 'quantize', may: ['core', 'formats', 'models', 'calibrate', 'container', 'quantize/recipes'], packages: ['valibot'] },
  { folder: 'quantize/recipes', may: ['formats'], types: ['quantize'] },
  { folder: 'surfaces', may: [...below, 'backends/open.ts'] },
  { folder: 'surfaces/network', may: ['core'] },
  { folder: 'surfaces/cache', may: ['core', 'container', 'surfaces/network'] },
  { folder: 'surfaces/http', may: ['core', 'generate'], packages: ['valibot'] },
  { folder: 'surfaces/adapters', may: [...below, 'backends/open.ts', 'surfaces', 'surfaces/network', 'surfaces/cache', 'surfaces/http'] },
  { folder: 'surfaces/cli', may: [...below, 'backends/open.ts', 'surfaces', 'surfaces/network', 'surfaces/cache', 'surfaces/http', 'surfaces/adapters'], packages: ['@stricli/core'] },
];

/** The row for a path under src/; null for files directly in src/, which only re-export. */
export function layerOf(path: string): Layer | null {
  return layers.filter(({ folder }) => path === folder || path.startsWith(`${folder}/`)).sort((a, b) => b.folder.length - a.folder.length)[0] ?? null;
}
