/*
 * Compile-time numbers. The offset of a vector load must be a literal, also inside an inlined function, and type parameters are the only literals
 * that survive inlining: `offsetof<N8>()` is 8.
 */
@unmanaged export class N0 {}
@unmanaged export class N4 { a: u32; }
@unmanaged export class N8 { a: u32; b: u32; }
@unmanaged export class N12 { a: u32; b: u32; c: u32; }
@unmanaged export class N16 { a: u32; b: u32; c: u32; d: u32; }
@unmanaged export class N20 { a: u32; b: u32; c: u32; d: u32; e: u32; }
@unmanaged export class N24 { a: u32; b: u32; c: u32; d: u32; e: u32; f: u32; }
@unmanaged export class N28 { a: u32; b: u32; c: u32; d: u32; e: u32; f: u32; g: u32; }
