import { Cursor } from '../../src/importers/gguf/cursor.ts';
import { readMetadata } from '../../src/importers/gguf/metadata.ts';
import { ceilTo } from '../../src/formats/layout.ts';
import { fileSource } from '../../src/surfaces/adapters/files.ts';
import type { LabResult } from './result.ts';

interface Place {
  readonly name: string;
  readonly weights: number;
  readonly at: number;
}

/** Matrices of the layers. */
const isBlock = ({ name }: Place): boolean => /^blk\.\d+\.(attn|ffn)_(q|k|v|output|gate|up|down)\.weight$/.test(name);

/**
 * Size of a GGUF file and bits per weight of its layers' matrices. A tensor's bytes are the distance to the next one, so that types that the importer
 * cannot read count as well.
 */
export async function ggufSize(path: string): Promise<LabResult['size']> {
  const source = await fileSource(path);
  try {
    const cursor = new Cursor(source, source.size);
    await cursor.ahead(24, 'the header');
    cursor.u32(); // magic
    cursor.u32(); // version
    const count = Number(cursor.u64());
    const metadata = await readMetadata(cursor);
    const places: Place[] = [];
    for (let i = 0; i < count; i++) {
      const name = await cursor.text('a tensor name', 256);
      await cursor.ahead(4, 'a tensor info');
      const dims = cursor.u32();
      await cursor.ahead(dims * 8 + 12, 'a tensor info');
      const weights = Array.from({ length: dims }, () => Number(cursor.u64())).reduce((product, dim) => product * dim, 1);
      cursor.u32(); // type
      places.push({ name, weights, at: Number(cursor.u64()) });
    }
    const start = ceilTo(cursor.offset, Number(metadata.get('general.alignment') ?? 32));
    places.sort((a, b) => a.at - b.at);
    let bytes = 0;
    places.forEach((place, i) => (bytes += isBlock(place) ? (places[i + 1]?.at ?? source.size - start) - place.at : 0));
    return { bytes: source.size, bits: (8 * bytes) / places.filter(isBlock).reduce((sum, { weights }) => sum + weights, 0), share4: null, share8: null };
  } finally {
    await source.close?.();
  }
}
