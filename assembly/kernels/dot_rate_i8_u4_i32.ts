import { dotRate } from '../lib/dot_rate';

export function dot_rate_i8_u4_i32_simd128(rounds: i32, at: usize): void { dotRate<u8>(rounds, at); }
