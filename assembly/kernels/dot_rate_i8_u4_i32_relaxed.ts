import { dotRate } from '../lib/dot_rate';

export function dot_rate_i8_u4_i32_relaxed_i16(rounds: i32, at: usize): void { dotRate<i16>(rounds, at); }

export function dot_rate_i8_u4_i32_relaxed_i32(rounds: i32, at: usize): void { dotRate<i32>(rounds, at); }
