import { decoderOf } from '../../loader.ts';
import { EMBEDDED } from '../local-models.ts';
import { platformOf } from '../node.ts';
import { kindOf, openSource } from '../sources.ts';
import type { OpenModel } from './setup.ts';

/** Models of any source on the platform's kernels. */
export const openModel: OpenModel = async ({ source, ...options }, { signal, ...memory }) => {
  const path = source ?? EMBEDDED;
  const platform = await platformOf(memory);
  const packed = (await kindOf(path)) === 'container';
  const image = await openSource(path, { ...options, ...platform, signal });
  try {
    const context = Math.min(memory.context, image.manifest.config.context);
    const kv = packed ? options.kv : undefined; // a checkpoint's recipe has taken it in
    return await decoderOf(image, { ...memory, context, kv, signal, ...platform });
  } finally {
    await image.close();
  }
};
