import { decoderOf } from '../../loader.ts';
import { EMBEDDED, identify, openLocal } from '../local-models.ts';
import { platformOf } from '../node.ts';
import type { OpenModel } from './setup.ts';

/** Models from files on the platform's kernels. */
export const openModel: OpenModel = async ({ source, ...options }, { signal, ...memory }) => {
  const path = source ?? EMBEDDED;
  const platform = await platformOf(memory);
  const packed = (await identify(path)).kind === 'container';
  const image = await openLocal(path, { ...options, ...platform, signal });
  try {
    const context = Math.min(memory.context, image.manifest.config.context);
    const kv = packed ? options.kv : undefined; // a checkpoint's recipe has taken it in
    return await decoderOf(image, { ...memory, context, kv, signal, ...platform });
  } finally {
    await image.close();
  }
};
