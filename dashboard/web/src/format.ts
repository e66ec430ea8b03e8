// Numbers as shoal top writes them.
import type {Device, Num, Snapshot, TokenTime} from './types';

// NaN and the infinities come as text, too.
export function num(value: Num | undefined): number {
  return value === undefined ? 0 : Number(value);
}

export function shortNumber(value: number): string {
  if (!Number.isFinite(value)) return '?';
  const size = Math.abs(value);
  if (size >= 1e6) return value.toExponential(1);
  if (size >= 99.95) return value.toFixed(0);
  if (size >= 9.995) return value.toFixed(1);
  return value.toFixed(2);
}

export function shortBytes(value: number): string {
  if (!Number.isFinite(value)) return '?';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let unit = 0;
  while (value >= 999.5 && unit + 1 < units.length) {
    value /= 1024;
    unit += 1;
  }
  return `${value.toFixed(unit === 0 || value >= 9.95 ? 0 : 1)} ${units[unit]}`;
}

export function rate(value: number): string {
  return value > 0 ? `${shortBytes(value)}/s` : '–';
}

export function percent(part: number, whole: number): string {
  return whole > 0 ? `${((100 * part) / whole).toFixed(0)} %` : '–';
}

export function clock(ms: Num): string {
  return new Date(num(ms)).toLocaleTimeString([], {hour12: false});
}

export interface Part {
  id: 'compute' | 'disk' | 'wire' | 'wait';
  name: string;
  ms: number;
}

const sane = (ms: number | undefined) =>
  ms !== undefined && ms > 0 && ms < 1e9 ? Number(ms) : 0;

export function partsOf(token: TokenTime | undefined): Part[] {
  return [
    {id: 'compute', name: 'computing', ms: sane(token?.compute_ms)},
    {id: 'disk', name: 'disk', ms: sane(token?.disk_ms)},
    {id: 'wire', name: 'wire', ms: sane(token?.wire_ms)},
    {id: 'wait', name: 'waiting', ms: sane(token?.wait_ms)},
  ];
}

export function totalOf(parts: Part[]): number {
  return parts.reduce((sum, part) => sum + part.ms, 0);
}

export function nameOf(device: Device): string {
  return device.status?.profile?.name ?? '?';
}

export function stageName(snapshot: Snapshot, stage: number): string {
  const stages = snapshot.plan?.stages ?? [];
  if (stage + 1 === stages.length) return 'head';
  return `layers ${stages[stage].layer_begin}–${stages[stage].layer_end - 1}`;
}
