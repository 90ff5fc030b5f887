import { ceilTo } from '../../formats/layout.ts';
import { MEMORY_PAGE, type Backend, type Kernels, type LinearMemory } from '../backend.ts';
import { viewsOf } from '../memory.ts';
import { attentionI8, attentionU4 } from './attention-codes.ts';
import { attentionF32, attentionFinish, attentionMerge } from './attention.ts';
import { embed, embedF32 } from './embed.ts';
import { gemmFloat } from './gemm-float.ts';
import { gemm } from './gemm.ts';
import { gemmF32 } from './gemm-f32.ts';
import { crossGram, gram } from './gram.ts';
import { hadamard } from './hadamard.ts';
import { kvAppendF32, kvAppendI8 } from './kv-append.ts';
import { kvClose } from './kv-close.ts';
import { kvAppendCodes, kvExpand } from './kv-codes.ts';
import { outliers } from './outliers.ts';
import { gatherQuant, rmsnormQuant, siluMulQuant } from './producers.ts';
import { repackU6 } from './repack.ts';
import { rope } from './rope.ts';
import { sparse } from './sparse.ts';

const OPS = {
  gemm, gemmF32, gemmFloat, sparse, outliers, hadamard, gram, crossGram, dotRate: () => {}, rmsnormQuant, siluMulQuant, gatherQuant, embed, embedF32, repackU6, rope,
  kvAppendF32, kvAppendI8, kvClose, kvAppendCodes, kvExpand, attentionF32, attentionI8, attentionU4, attentionMerge, attentionFinish,
} satisfies { [Op in keyof Kernels]: (memory: LinearMemory, ...args: Parameters<Kernels[Op]>) => void };

/** The scalar kernels over one memory. */
export function referenceKernels(memory: LinearMemory): Kernels {
  type Op = (memory: LinearMemory, ...args: number[]) => void;
  const bound = Object.entries<Op>(OPS).map(([name, op]) => [name, (...args: number[]) => op(memory, ...args)]);
  return Object.fromEntries(bound) as Kernels;
}

/** The definition of every result: plain TypeScript, one rounded operation at a time. Thousands of times slower than the kernels. */
export function openReference(bytes: number): Backend {
  const memory = viewsOf(new ArrayBuffer(ceilTo(bytes, MEMORY_PAGE)));
  return { name: 'reference', path: 'scalar', memory, kernels: referenceKernels(memory), handle: null };
}
