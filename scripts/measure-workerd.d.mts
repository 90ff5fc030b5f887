/** Why memory cannot be measured here, or null. */
export function noMemoryFigures(): string | null;

/** How much more memory the example takes in workerd than an empty worker, in bytes, after 2,000 tokens. */
export function memoryGrowth(binary: string): Promise<{ readonly resident: number; readonly private: number; readonly pss: number; readonly peak: number }>;
