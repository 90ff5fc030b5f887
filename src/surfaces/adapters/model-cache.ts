import { TetradError } from '../../core/errors.ts';
import { listModels, modelDigest, removeModel, sizeOf, type CachedModel } from '../cache/list.ts';
import { pullModel, type PullOptions } from '../cache/pull.ts';
import { remoteText } from '../network/source-name.ts';
import { remoteName, systemCache, systemNetwork } from './sources.ts';

/** A model in the cache, for people and programs. */
export interface ModelFacts {
  readonly name: string;
  /** Tells its versions apart; null for one that has never been here whole. */
  readonly digest: string | null;
  readonly kind: CachedModel['kind'];
  readonly bytes: number;
  readonly files: number;
  /** Milliseconds since 1970. */
  readonly time: number;
}

const factsOf = async (model: CachedModel): Promise<ModelFacts> => {
  const { name, kind, files, time } = model;
  return { name, kind, time, files: files.length, bytes: sizeOf(model), digest: files.length === 0 ? null : await modelDigest(model) };
};

/** The models in the system's cache. */
export const models = {
  /** Brings a model into the cache, or up to date. */
  pull: async (name: string, options: PullOptions): Promise<ModelFacts> => factsOf(await pullModel(systemNetwork(), systemCache(), remoteName(name), options)),
  list: async (): Promise<ModelFacts[]> => Promise.all((await listModels(systemCache())).map(factsOf)),
  async remove(name: string): Promise<void> {
    if (await removeModel(systemCache(), remoteText(remoteName(name)))) return;
    throw new TetradError('not_found', `Cannot remove ${name}: it is not in the cache`);
  },
};
